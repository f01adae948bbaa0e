"""fastText's own files, .npz, safetensors, gensim's tables: equal to what their libraries say."""

import contextlib
import gzip
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from gensim.models import KeyedVectors, Word2Vec

import embzip
from embzip.errors import EmbzipError, InputError, MismatchError
from embzip.vectors.base import Vectors, read_vectors, vectors_of
from embzip.vectors.fasttext import opened_fasttext
from embzip.vectors.pruning import prune
from tests.commands import stdout_of

fasttext = pytest.importorskip("fasttext", reason="the bench group has it")

SENTENCES = [
    "the sea is wide and the ships are far größer", "rain falls in the north of the country",
    "日本 の 海 は 広い", "the match ended with three goals", "a bank sold shares in the market",
]  # fmt: skip


def model_file(
    path: Path,
    *,
    labels: Sequence[str] = (),
    dim: int = 7,
    minn: int = 0,
    maxn: int = 0,
    bucket: int = 0,
    word_ngrams: int = 1,
    loss: int = 3,
    cutoff: int = 0,
    qnorm: bool = False,
) -> Any:
    """Write a model of random numbers, as fastText writes it, and return what its library reads.

    Its training often fails ("Encountered NaN") by memory that it does not set, so it is not used.
    """
    words = ["</s>", *dict.fromkeys(" ".join(SENTENCES).split())]
    rng = np.random.default_rng(0)
    entries = [(word, 0) for word in words] + [(f"__label__{label}", 1) for label in labels]
    rows, kind = len(words) + bucket, 3 if labels else 2
    size = len(labels) or len(words)
    content = struct.pack("<2i", 793712314, 12)
    content += struct.pack("<12id", dim, 5, 5, 1, 5, word_ngrams, loss, kind, bucket, minn, maxn,
                           100, 1e-4)  # fmt: skip
    content += struct.pack("<3i2q", len(entries), len(words), len(labels), 999, -1)
    for row, (word, which) in enumerate(entries):
        content += word.encode() + b"\0" + struct.pack("<qb", 200 - row, which)
    for count in (rows, size):
        numbers = rng.normal(size=(count, dim)).astype("<f4")
        content += b"\0" + struct.pack("<2q", count, dim) + numbers.tobytes()
    path.write_bytes(content)
    model = fasttext.load_model(str(path))
    if path.suffix == ".ftz":
        model.quantize(cutoff=cutoff, qnorm=qnorm)
        model.save_model(str(path))
    return model


def word_rows(model: Any) -> np.ndarray:
    return np.stack([model.get_word_vector(word) for word in model.get_words()])


@pytest.mark.parametrize(("minn", "maxn"), [(3, 6), (1, 2), (0, 0)])
def test_words_are_composed_like_fasttexts(tmp_path: Path, minn: int, maxn: int) -> None:
    path = tmp_path / "model.bin"
    model = model_file(path, minn=minn, maxn=maxn, bucket=500 if maxn else 0)
    read = read_vectors(path)
    words, counts = model.get_words(include_freq=True)
    assert list(read.vocabulary) == words
    assert read.counts is not None
    assert read.counts.tolist() == counts.tolist()
    np.testing.assert_allclose(read.matrix, word_rows(model), atol=1e-6)
    packed = path.with_suffix(".bin.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_vectors(packed).matrix, read.matrix)
    np.testing.assert_array_equal(read_vectors(path, limit=3).matrix, read.matrix[:3])


def test_every_damage_of_a_bin_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "whole.bin"
    model_file(path, dim=2, minn=2, maxn=3, bucket=10)
    content = path.read_bytes()
    damaged = path.with_name("damaged.bin")
    for length in range(12, len(content), 7):
        damaged.write_bytes(content[:length])
        with pytest.raises(EmbzipError, match=r"damaged\.bin"):
            read_vectors(damaged)
    damaged.write_bytes(content + b"x")
    with pytest.raises(InputError, match="1 more bytes"):
        read_vectors(damaged)
    rng = np.random.default_rng(0)
    for place in rng.integers(8, 120, 60).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(flipped)
        with contextlib.suppress(EmbzipError):
            read_vectors(damaged)


def test_the_commands_take_a_bin(tmp_path: Path) -> None:
    model = model_file(tmp_path / "m.bin", minn=3, maxn=6, bucket=50)
    out = tmp_path / "o.embz"
    options = ["--codec", "float32", "-o", out, "--json"]
    record = json.loads(stdout_of("compress", tmp_path / "m.bin", *options))
    assert record["rows"] == len(model.words)
    np.testing.assert_allclose(embzip.load(out).decode(), word_rows(model), atol=1e-6)


@pytest.mark.parametrize("qnorm", [False, True])
@pytest.mark.parametrize("cutoff", [0, 300])
def test_a_quantized_model_is_decoded(tmp_path: Path, qnorm: bool, cutoff: int) -> None:
    path = tmp_path / "m.ftz"
    options = {"labels": "ab", "dim": 6, "minn": 2, "maxn": 3, "bucket": 2000}
    model = model_file(path, **options, cutoff=cutoff, qnorm=qnorm)
    read = read_vectors(path)
    assert list(read.vocabulary) == model.get_words()
    np.testing.assert_allclose(read.matrix, word_rows(model), atol=1e-5)
    with opened_fasttext(path) as own:
        assert (own.supervised, sorted(own.labels)) == (True, ["a", "b"])


# --- .npz


def test_npz(tmp_path: Path) -> None:
    matrix, words = np.arange(6, dtype=np.float32).reshape(3, 2), np.array(["a", "new york", "c"])
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "v.npz", vectors=matrix, words=words)
        read = read_vectors(tmp_path / "v.npz")
        assert (list(read.vocabulary), read.matrix.tolist()) == (list(words), matrix.tolist())
        assert read_vectors(tmp_path / "v.npz", limit=2).rows == 2
    np.savez(tmp_path / "v.npz", vectors=matrix, other=2 * matrix)
    with pytest.raises(InputError, match=r"expected one table .*vectors \(3, 2\), .*--tensor"):
        read_vectors(tmp_path / "v.npz")
    with pytest.raises(InputError, match=r"tokenizer\.json or vocab\.txt beside it.*--words FILE"):
        read_vectors(tmp_path / "v.npz", tensor="other")
    (tmp_path / "w.txt").write_text("a\nb\nc\n")
    read = read_vectors(tmp_path / "v.npz", tensor="other", words=tmp_path / "w.txt")
    assert read.matrix.tolist() == (2 * matrix).tolist()
    np.savez(tmp_path / "v.npz", vectors=matrix, words=np.array(["a", "b", "c"], object))
    with pytest.raises(InputError, match="contains Python objects, as a pickle"):
        read_vectors(tmp_path / "v.npz")
    np.savez(tmp_path / "v.npz", vectors=matrix, words=words)
    content = (tmp_path / "v.npz").read_bytes()
    for length in range(4, len(content), 11):
        (tmp_path / "cut.npz").write_bytes(content[:length])
        with pytest.raises(EmbzipError):
            read_vectors(tmp_path / "cut.npz")


# --- safetensors


def stored(folder: Path, **tensors: np.ndarray) -> Path:
    path = folder / "model.safetensors"
    safetensors.numpy.save_file(tensors, path)
    return path


def test_safetensors_with_words_beside_or_named(tmp_path: Path) -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    path = stored(tmp_path, table=matrix, bias=np.zeros(2, np.float32))
    with pytest.raises(InputError, match=r"tokenizer\.json or vocab\.txt beside it, found neither"):
        read_vectors(path)
    (tmp_path / "vocab.txt").write_text("a\nb\nc\n")
    for source in (path, tmp_path):
        assert read_vectors(source).matrix.tolist() == matrix.tolist()
    for dtype in (np.float16, np.float64):
        assert read_vectors(stored(tmp_path, t=matrix.astype(dtype))).matrix.dtype == np.float32
    stored(tmp_path, a=matrix, b=matrix)
    with pytest.raises(InputError, match="name one by --tensor"):
        read_vectors(path)
    assert read_vectors(path, tensor="b").rows == 3
    with pytest.raises(InputError, match="no table of numbers is called 'c', found a"):
        read_vectors(path, tensor="c")
    stored(tmp_path, a=matrix)
    content = path.read_bytes()
    for length in range(12, len(content), 5):
        path.write_bytes(content[:length])
        with pytest.raises(EmbzipError):
            read_vectors(path)


def test_bfloat16(tmp_path: Path) -> None:
    exact = np.array([[1.5, -2, 0.25], [0, 3, -0.5]], np.float32)
    raw = (exact.view(np.uint32) >> 16).astype("<u2").tobytes()
    entry = {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}
    header = json.dumps({"embedding.weight": entry}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + raw)
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    assert read_vectors(path).matrix.tolist() == exact.tolist()


TOKENIZER = {
    "version": "1.0",
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100,
              "vocab": {"[PAD]": 0, "[UNK]": 1, "sea": 2, "ship": 3, "##s": 4}},
    "pre_tokenizer": {"type": "Whitespace"},
    "normalizer": {"type": "Lowercase"},
}  # fmt: skip


@pytest.mark.parametrize("inside", [".", "0_StaticEmbedding"])
def test_folders_of_model2vec_and_static_embeddings(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / inside
    folder.mkdir(exist_ok=True)
    matrix = np.arange(10, dtype=np.float32).reshape(5, 2)
    stored(folder, **{"embeddings" if inside == "." else "embedding.weight": matrix})
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    read = read_vectors(tmp_path)
    assert read.tokenizer is not None
    assert read.tokenizer.encode(["Sea ships", "x"]) == [[2, 3, 4], [1]]
    assert read.matrix.tolist() == matrix.tolist()
    assert (read.vocabulary.pad_id, read.vocabulary.unk_id) == (0, 1)
    out = tmp_path / "o.embz"
    embzip.save(embzip.compress(read, "int8"), out)
    assert embzip.load(out).encode(["Sea ships"]) == [[2, 3, 4]]
    stored(folder, embeddings=matrix[:4])
    with pytest.raises(MismatchError, match="found 5 tokens, and 4 rows"):
        read_vectors(tmp_path)


def test_rows_of_model2vec_are_those_of_its_library(tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec")
    matrix = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    (tmp_path / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (tmp_path / "config.json").write_text(json.dumps({"normalize": False}))
    mapping = np.array([0, 0, 1, 2, 3])
    stored(tmp_path, embeddings=matrix, mapping=mapping, weights=np.linspace(0.5, 2, 5))
    read = read_vectors(tmp_path)
    assert read.tokenizer is not None
    theirs = model2vec.StaticModel.from_pretrained(tmp_path)
    ids = read.tokenizer.encode(["sea ships"])[0]
    np.testing.assert_allclose(
        read.matrix[ids].mean(axis=0), theirs.encode(["sea ships"])[0], atol=1e-6
    )


# --- gensim in memory


def test_tables_of_gensim_are_taken_as_they_are() -> None:
    keyed = KeyedVectors(2)
    keyed.add_vectors(["sea", "ship"], np.array([[1, 2], [3, 4]], np.float32))
    read = vectors_of(keyed)
    assert isinstance(read, Vectors)
    assert (list(read.vocabulary), read.matrix.tolist()) == (["sea", "ship"], [[1, 2], [3, 4]])
    assert np.shares_memory(read.matrix, keyed.vectors)
    table = embzip.compress(keyed, "float32")
    assert table.vector("ship").tolist() == [3, 4]
    model = Word2Vec([["sea", "ship", "sea"]] * 5, vector_size=2, min_count=1, seed=0, workers=1)
    counted = vectors_of(model)
    assert counted.counts is not None
    assert counted.counts.tolist() == [10, 5]
    assert list(prune(model.wv, max_vocab=1).vectors.vocabulary) == ["sea"]
    twice = KeyedVectors(2, count=2)
    twice.add_vectors(["sea"], np.zeros((1, 2), np.float32))
    with pytest.raises(InputError, match=r"row [01] of the KeyedVectors has no key"):
        vectors_of(twice)
