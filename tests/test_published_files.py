"""What people have: files as public reports describe them, each with its right value.

Small inputs of every kind, made here. What a part of the library does with each in detail, its own
tests say.
"""

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from gensim.models import KeyedVectors

import embzip
from embzip.errors import EmbzipError
from embzip.tokenizers.reach import unreachable
from embzip.vectors.own_words import with_tokenizer
from tests.commands import outcome, stdout_of

zstandard = pytest.importorskip("zstandard", reason="the extra `texts` has it")

ROWS = "the 0.5 1.25 -2\nof 3 4 5\na 6 7 8\n"
MATRIX = np.array([[0.5, 1.25, -2], [3, 4, 5], [6, 7, 8]], np.float32)
WORDS = ["the", "of", "a"]


def zipped(content: bytes, folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        archive.writestr("v.vec", content)
    return (folder / "made.zip").read_bytes()


PACKED: dict[str, Callable[[bytes, Path], bytes]] = {
    ".gz": lambda content, _: gzip.compress(content),
    ".bz2": lambda content, _: bz2.compress(content),
    ".xz": lambda content, _: lzma.compress(content),
    ".zst": lambda content, _: zstandard.compress(content),
    ".zip": zipped,
}


def read(path: Path, content: str | bytes, *options: object) -> tuple[list[str], list, dict]:
    """Return what `embzip compress` makes of a file: tokens, rows, what was changed."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    out = path.with_name("out.embz")
    arguments = ("compress", path, "--codec", "float32", "-o", out, "--json", *options)
    record = json.loads(stdout_of(*arguments))
    table = embzip.load(out)
    return list(table.vocabulary or ()), table.decode().tolist(), record["changed"]


def refused(path: Path, content: str | bytes, *options: object) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    done = outcome("compress", path, "--codec", "int8", "-o", path.with_name("no.embz"), *options)
    assert (done.code, path.with_name("no.embz").exists()) == (1, False)
    assert done.stderr.count("\n") == 1
    return done.stderr


WHOLE = (WORDS, MATRIX.tolist(), {})


@pytest.mark.filterwarnings("ignore:.*left out:UserWarning", "ignore:.*header declares:UserWarning")
@pytest.mark.filterwarnings("ignore:.*replaced by:UserWarning")
def test_text_and_binary(tmp_path: Path) -> None:
    path = tmp_path / "v.vec"
    for text in (
        ROWS, ROWS[:-1], f"3 3\n{ROWS}"[:-1], ROWS + "\n\n", f"3 3\n{ROWS}\n",
        ROWS.replace(" ", "\t"),
        ROWS.replace(" ", ","), ROWS.replace("\n", "\r\n"), "\ufeff" + ROWS,
        "".join(f"{line.replace(' ', chr(9), 1)}\n" for line in ROWS.splitlines()),
    ):  # fmt: skip
        assert read(path, text) == WHOLE, text
    spaced = ". . . 1 2 3\nat name@domain.com 1 2 3\n" + ROWS * 1
    assert read(path, spaced)[0] == [". . .", "at name@domain.com", *WORDS]
    assert "decimal comma" in refused(path, "the -2,25 0,3\nof -0,1 0,2\n")
    for text, option, changed in (
        (ROWS + "  1 2 3\n", "--skip-bad", {"bad_rows": 1}),
        (f"4 3\n{ROWS}", "--skip-bad", {"declared": 1}),
        (ROWS + "the 1 2 3\n", "--duplicates=first", {"duplicates": 1}),
        (ROWS.replace("of 3", "of\n\n3"), "--skip-bad", {"bad_rows": 3}),
    ):
        assert option.partition("=")[0] in refused(path, text), text
        tokens, rows, told = read(path, text, option)
        assert told == changed
        assert rows[0] == MATRIX.tolist()[0]
        assert tokens == [word for word in WORDS if word != "of" or changed != {"bad_rows": 3}]
    cut = b"2 1\ncaf\xc3 " + np.float32(1).tobytes() + b"sea " + np.float32(2).tobytes()
    assert "--errors replace" in refused(path, cut)
    assert read(path, cut, "--errors", "replace") == (
        ["caf\ufffd", "sea"],
        [[1], [2]],
        {"replaced": 1},
    )
    ended = b"".join(b"%s %s\n" % (t, np.float32([1, 2]).tobytes()) for t in (b"new york", b"sea"))
    assert read(path, b"2 2\n" + ended)[0] == ["new york", "sea"]


@pytest.mark.parametrize("suffix", PACKED)
def test_compressed(suffix: str, tmp_path: Path) -> None:
    for name in (f"v.vec{suffix}", f"v.vec{suffix.upper()}", "no_suffix"):
        packed = PACKED[suffix](ROWS.encode(), tmp_path)
        assert read(tmp_path / name, packed) == WHOLE
        assert "cannot be decompressed" in refused(tmp_path / name, packed[:-9]) or suffix == ".zip"
        texts = PACKED[suffix](b"the sea\nthe ship\n", tmp_path)
        (tmp_path / name).write_bytes(texts)
        stdout_of("build-words", tmp_path / name, "-o", tmp_path / "w.tsv")
        assert "the\t2" in (tmp_path / "w.tsv").read_text()
    (tmp_path / "two.gz").write_bytes(gzip.compress(b"the sea\n") + gzip.compress(b"the ship\n"))
    assert len(list(embzip.Texts(embzip.corpus.read_texts(tmp_path / "two.gz")))) == 2


def test_arrays(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_bytes(b"the\r\nof\r\na\r\n")
    options = ("--words", tmp_path / "w.txt")
    path = tmp_path / "v.npy"
    for array in (
        MATRIX,
        MATRIX.astype(np.float16),
        np.asfortranarray(MATRIX),
        MATRIX.astype(">f8"),
    ):
        np.save(path, array)
        assert read(path, path.read_bytes(), *options) == WHOLE
    for array in (MATRIX.astype(np.int8), MATRIX[0]):
        np.save(path, array)
        assert "of float16, float32 or float64 in 2 dimensions" in refused(
            path, path.read_bytes(), *options
        )
    assert "--words FILE" in refused(path, path.read_bytes())
    assert "embzip compress" in outcome("inspect", path).stderr
    np.savez(tmp_path / "v.npz", words=np.array(WORDS), vectors=MATRIX)
    assert read(tmp_path / "v.npz", (tmp_path / "v.npz").read_bytes()) == WHOLE
    safetensors.numpy.save_file({"embeddings": MATRIX}, tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    assert read(tmp_path / "model.safetensors", content, *options) == WHOLE
    assert read(tmp_path / "m.embz", content, *options) == WHOLE, "told by its content"


def test_falling_counts_in_files_without_counts(tmp_path: Path) -> None:
    texts = ["the sea of the ship", "the sea of aa0", "aa1 the sea", "the of aa2 zebra zebra"] * 3
    (tmp_path / "c.txt").write_text("\n".join(texts))
    words = tmp_path / "w.tsv"
    stdout_of("build-words", tmp_path / "c.txt", "-o", words)
    for name in ("v.vec", "v.embz"):
        options = ("--tokenizer", words, "--dim", 2, "-o", tmp_path / name)
        stdout_of("train-vectors", tmp_path / "c.txt", *options)
        stdout_of("prune", tmp_path / name, "--max-vocab", 3, "-o", tmp_path / "p.vec")
        kept = list(embzip.read_vectors(tmp_path / "p.vec").vocabulary)
        assert set(kept) == {"the", "sea", "of"}, name
    limited = KeyedVectors.load_word2vec_format(str(tmp_path / "v.vec"), limit=3)
    assert set(limited.index_to_key) == {"the", "sea", "of"}


def test_words_and_cases_of_foreign_tables() -> None:
    plain = embzip.Vocabulary(["<UNK>", "bank", "goal", "market"])
    table = with_tokenizer(embzip.Vectors(plain, np.eye(4)))
    assert table.tokenizer is not None
    assert table.tokenizer.normalization.lowercase, "by its words, not by <UNK>"
    names = ["the", "n't", "u.s.", "cafe\u0301", "हिन्दी", "ภาษาไทย"]
    table = with_tokenizer(embzip.Vectors(embzip.Vocabulary(names), np.eye(6)))
    assert table.tokenizer is not None
    assert sorted(unreachable(table.tokenizer)) == ["cafe\u0301", "n't", "u.s."]
    words = embzip.build_words(embzip.Texts(["हिन्दी किताब ภาษาไทย"]), min_count=1)
    assert list(words.vocabulary)[2:] == ["किताब", "हिन्दी", "ภาษาไทย"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("label\ttext\n" + "a\tx y\nb\tz w\n" * 9, r"line 1 'label\\ttext'"),
        ("".join(f"{i}\ta\tx y z\n" for i in range(20)), "label that no other row has"),
        ("the bank sold its shares today\ta\nthree goals in ten minutes\tb\n" * 9, "exchange the"),
    ],
    ids=["header", "ids first", "text first"],
)
def test_odd_labels_are_quoted(lines: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(lines)
    with pytest.warns(UserWarning, match=message):
        embzip.read_examples(tmp_path / "train.tsv")


def test_labels(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("money\ta long text\nmoney \tc d e f\n" * 5)
    assert {each.label for each in embzip.read_examples(tmp_path / "t.tsv")} == {"money"}
    path = tmp_path / "f.txt"
    path.write_text("__label__money a long text\n__label__sport c d e f\n" * 5)
    assert [each.label for each in embzip.read_examples(path)[:2]] == ["money", "sport"]
    out = ("-o", tmp_path / "w.tsv")
    stdout_of("build-words", "--labelled", path, *out)
    assert "label" not in (tmp_path / "w.tsv").read_text().split("\n", 1)[1]
    with pytest.warns(UserWarning, match="lines begin with __label__"):
        embzip.build_words(path, min_count=1)
    path.write_text("__label__money __label__sport a b\n" * 5)
    with pytest.raises(EmbzipError, match="5"):
        embzip.read_examples(path)


def test_options_and_suffixes_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("the sea of the ship\n" * 20)
    options = ("--vocab", 60, "--coverage", 0.1, "-o", tmp_path / "b.model")
    done = outcome("build-bpe", tmp_path / "c.txt", *options)
    assert "a coverage of 0.1 leaves no character" in done.stderr
    for command, name in (("compress", "small.vec"), ("compress", "v.npy"), ("prune", "v.vec.gz")):
        (tmp_path / "v.vec").write_text(ROWS)
        more = ("--codec", "int8") if command == "compress" else ("--max-vocab", 2)
        done = outcome(command, tmp_path / "v.vec", *more, "-o", tmp_path / name)
        assert (done.code, "the suffix of an output decides" in done.stderr) == (1, True)
        assert not (tmp_path / name).exists()
