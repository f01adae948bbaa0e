"""Counts of what stands near what; loops over all pairs of places are the oracle."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from embzip.engine import texts as engine_texts
from embzip.errors import InputError
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors import cooccurrence
from embzip.vectors.cooccurrence import cooccurrences

WORDS = [f"w{n:02d}" for n in range(30)]
TOKENIZER = WordTokenizer(WORDS, Normalization())


def random_texts(lengths: Iterable[int], seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice([*WORDS, "strange"], length)) for length in lengths]


def by_loops(texts: list[str], window: int) -> np.ndarray:
    counts: Counter[tuple[int, int]] = Counter()
    for ids in TOKENIZER.encode(texts):
        for here, one in enumerate(ids):
            for there, other in enumerate(ids):
                if here != there and abs(here - there) <= window:
                    counts[one, other] += window + 1 - abs(here - there)
    dense = np.zeros((32, 32), np.int64)
    for place, weight in counts.items():
        dense[place] = weight
    return dense


@pytest.mark.parametrize("window", [1, 2, 5, 400])
def test_pairs_are_those_of_loops(window: int) -> None:
    texts = random_texts([0, 1, 2, 3, 7, 40, 0, 300])
    found = cooccurrences(texts, TOKENIZER, window=window, where="texts")
    np.testing.assert_array_equal(found.pairs.toarray(), by_loops(texts, window))
    assert found.pairs.dtype == np.int64
    ids = [index for ids in TOKENIZER.encode(texts) for index in ids]
    np.testing.assert_array_equal(found.counts, np.bincount(ids, minlength=32))
    assert found.counts[1] > 0, "unknown tokens are counted like others"


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = random_texts(range(60))
    whole = cooccurrences(texts, TOKENIZER, window=3, where="texts")
    monkeypatch.setattr(engine_texts, "_TEXTS", 7)
    monkeypatch.setattr(cooccurrence, "_TOKENS", 5)
    apart = cooccurrences(iter(texts), TOKENIZER, window=3, where="texts")
    for name in ("data", "indices", "indptr"):
        one, other = getattr(whole.pairs, name), getattr(apart.pairs, name)
        assert one.tobytes() == other.tobytes()


def test_no_texts_have_no_pairs() -> None:
    found = cooccurrences([], TOKENIZER, window=3, where="texts")
    assert (found.pairs.nnz, found.counts.sum()) == (0, 0)


def test_more_pairs_than_memory_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_texts, "_TEXTS", 5)
    texts = random_texts([20] * 100)
    tokens = 0

    def told() -> Iterable[str]:
        nonlocal tokens
        for text in texts:
            tokens += 20
            yield text

    message = (
        r"corpus.txt: \d+ pairs of tokens, counted in (\d+) tokens of text, need 0\.012 GB of "
        r"memory, and 0\.012 GB may be used: .*smaller window.*--min-count.*--max-vocab"
    )
    options = {"window": 2, "where": "corpus.txt", "reserved": 12_000_000}
    with pytest.raises(InputError, match=message):
        cooccurrences(told(), TOKENIZER, **options, memory=12_010_000)  # type: ignore[arg-type]
    assert tokens < 2000, "it is refused as soon as it is known"
    fits = cooccurrences(texts, TOKENIZER, **options, memory=13_000_000)  # type: ignore[arg-type]
    assert fits.counts.sum() == 2000
