"""Counting more words than memory may hold: the counts are those of a dictionary."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import embzip
from embzip.engine import Counts, counts
from embzip.tokenizers import word_counts
from embzip.tokenizers.word_counts import scaled


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=("Cs",))))), st.integers(1, 9))
def test_counts_are_those_of_a_dictionary(blocks: list[list[str]], most: int) -> None:
    with Counts(most) as found:
        for block in blocks:
            found.add(Counter(block))
            assert len(found._held) <= most
        expected = Counter(word for block in blocks for word in block)
        for _ in range(2):  # they may be read again
            read = list(found.items())
            assert dict(read) == expected
            assert len(read) == len(expected)
        assert found.total == expected.total()


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 50)),
    st.integers(0, 20_000),
)
def test_what_the_trainer_is_given_does_not_depend_on_the_memory_of_counts(
    known: dict[str, int], memory: int
) -> None:
    with Counts(2) as few, Counts() as all_of_them:
        few.add(Counter(known))
        all_of_them.add(Counter(known))
        expected = scaled(all_of_them, memory)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(word_counts, "_SPARE", 0)
            assert scaled(few, memory) == expected


def test_files_are_merged_before_too_many_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_MOST_FILES", 3)
    with Counts(1) as found:
        for number in range(40):
            found.add(Counter([f"w{number % 13}", "the"]))
            assert len(found._files) < 3
        assert found._folder is not None
        assert len(list(found._folder.iterdir())) == len(found._files)
        assert dict(found.items()) == {
            **{f"w{n}": 4 if n == 0 else 3 for n in range(13)}, "the": 40
        }  # fmt: skip


def test_files_are_the_same_where_words_are_counted_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(0)
    words = ["".join(chance.choices("etaoin", k=chance.randint(1, 6))) for _ in range(30_000)]
    path = tmp_path / "corpus.txt"
    path.write_text("".join(f"{' '.join(words[i : i + 10])}\n" for i in range(0, 30_000, 10)))

    def made(name: str) -> list[bytes]:
        folder = tmp_path / name
        folder.mkdir()
        embzip.build_words(path, folder / "words", max_vocab=2000)
        embzip.build_bpe(path, folder / "bpe", vocab=200, memory=3_000_000)
        return [each.read_bytes() for each in sorted(folder.iterdir())]

    assert len(set(words)) > 1000
    expected = made("memory")
    monkeypatch.setattr(counts, "_FEWEST", 1000)
    monkeypatch.setattr(counts, "available_memory", lambda: 0)
    assert made("disk") == expected


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(" ".join(f"w{number}" for number in range(5000)))
    program = (
        "import resource, sys\n"
        "import embzip\n"
        "from embzip.engine import counts\n"
        "from embzip.errors import OutputError\n"
        "counts._FEWEST, counts.available_memory = 1000, lambda: 0\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n"
        "    embzip.build_words(*sys.argv[1:], min_count=1)\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tmp_path / "words")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.stdout == (
        f"{tmp_path}: writing failed (File too large): make room there, or name another folder in "
        "TMPDIR\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["corpus.txt"]
