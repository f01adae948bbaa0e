"""Work over blocks: what is combined, and in which order."""

import numpy as np
import pytest

from embzip.engine import reduce_texts
from embzip.engine import texts as texts_of_blocks
from embzip.threads import threads_wanted


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 7, 8, 12])
def test_neighbours_are_combined_as_in_a_tree(monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    monkeypatch.setattr(texts_of_blocks, "_TEXTS", 1)
    texts = [chr(ord("a") + number) for number in range(blocks)]
    depths = []

    def combined(one: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
        depths.append(max(one[1], other[1]) + 1)
        return one[0] + other[0], depths[-1]

    found = reduce_texts(lambda block: (block[0], 0), combined, texts)
    assert found is not None
    assert found[0] == "".join(texts), "all, in their order"
    assert len(depths) == blocks - 1
    assert max(depths, default=0) <= np.ceil(np.log2(blocks))


def test_no_texts_give_none() -> None:
    assert reduce_texts(len, int.__add__, []) is None


@pytest.mark.parametrize(
    ("said", "threads"), [("1", 1), ("3,2", 3), ("64", 8), ("0", 2), ("all", 2), (None, 2)]
)
def test_libraries_take_as_many_threads_as_openmp_would(
    monkeypatch: pytest.MonkeyPatch, said: str | None, threads: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads_wanted() == threads
