"""Tables written for others: read back by gensim, NumPy and safetensors, and by our own readers."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from gensim.models import KeyedVectors

import embzip
from embzip.classifier.of_fasttext import read_fasttext
from embzip.errors import InputError, SpecError
from embzip.tokenizers import FastTextTokenizer, Normalization, WordTokenizer, tokenizer_from_bytes
from embzip.vectors.base import Vectors, read_vectors
from embzip.vectors.converting import convert
from embzip.vocabulary import Vocabulary
from tests.commands import outcome, stdout_of
from tests.test_vectors_formats import SENTENCES, model_file

WORDS = WordTokenizer(["a", "sea", "the"], Normalization())
MATRIX = np.array([[0, 0], [2, 3], [4, 5], [6, 7], [8, 9]], np.float32)
TABLE = Vectors(WORDS.vocabulary, MATRIX, np.array([0, 1, 2, 3, 9]), WORDS)


def test_every_format_is_read_by_its_library(tmp_path: Path) -> None:
    embzip.save(embzip.compress(TABLE, "float32"), tmp_path / "t.embz", counts=True)

    def converted(name: str, *options: str) -> Path:
        stdout_of("convert", tmp_path / "t.embz", tmp_path / name, *options)
        return tmp_path / name

    for name, binary in (("t.vec", False), ("t.bin", True)):
        gensim = KeyedVectors.load_word2vec_format(str(converted(name)), binary=binary)
        assert gensim.index_to_key == ["the", "sea", "a"]  # by falling count
        assert gensim["the"].tolist() == [8, 9]
    assert converted("g.txt", "--to", "glove").read_text() == "the 8 9\nsea 6 7\na 4 5\n"
    assert np.load(converted("t.npy")).tolist() == TABLE.matrix.tolist()
    assert (tmp_path / "t.words.txt").read_text() == "<PAD>\n<UNK>\na\nsea\nthe\n"
    arrays = safetensors.numpy.load_file(converted("t.safetensors"))
    assert arrays["embeddings"].tolist() == TABLE.matrix.tolist()
    for name in ("t.vec", "t.bin", "g.txt"):
        assert list(read_vectors(tmp_path / name).vocabulary) == ["the", "sea", "a"]
    for name in ("t.npy", "t.safetensors"):
        read = read_vectors(tmp_path / name, words=tmp_path / "t.words.txt")
        np.testing.assert_array_equal(read.matrix, TABLE.matrix)
    record = json.loads(stdout_of("convert", tmp_path / "t.vec", tmp_path / "u.embz", "--json"))
    assert (record["rows"], record["dim"], record["labels"]) == (3, 2, 0)
    assert embzip.load(tmp_path / "u.embz").vector("sea").tolist() == [6, 7]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    table = Vectors(Vocabulary(["new york", "a\nb"]), np.eye(2))
    with pytest.raises(InputError, match=r"row 0: .*white space"):
        convert(table, tmp_path / "t.vec")
    with pytest.raises(InputError, match=r"row 1: .* one line"):
        convert(table, tmp_path / "t.npy", "npy")
    with pytest.raises(SpecError, match="text, binary, glove, npy, safetensors"):
        convert(table, tmp_path / "t", "kv")
    embzip.save(embzip.compress(TABLE, "float32"), tmp_path / "t.embz")
    assert outcome("convert", tmp_path / "t.embz", tmp_path / "t.kv").code == 1
    assert outcome("convert", tmp_path / "t.embz", tmp_path / "t.embz").code == 1


# --- fastText's classifiers


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("words.bin", {}),
        ("grams.bin", {"word_ngrams": 3, "minn": 2, "maxn": 4, "bucket": 999}),
        ("small.ftz", {"word_ngrams": 2, "bucket": 2000}),
        ("cut.ftz", {"minn": 2, "maxn": 4, "bucket": 2000, "cutoff": 300}),
    ],
)
def test_a_classifier_answers_as_fasttext_does(
    tmp_path: Path, name: str, options: dict[str, int]
) -> None:
    theirs = model_file(tmp_path / name, labels=["sport", "money", "größe"], **options)
    stdout_of("convert", tmp_path / name, tmp_path / "m.embz")
    model = embzip.load_model(tmp_path / "m.embz")
    texts = [*SENTENCES, "unseen größer sea", "Sea\u00a0x the\tsea", "sea sea sea", ""]
    for text, row in zip(texts, model.probabilities(texts), strict=True):
        found = dict(zip(*theirs.predict(text, k=-1), strict=True))
        expected = [found[f"__label__{label}"] for label in model.labels]
        np.testing.assert_allclose(row, expected, atol=2e-5, err_msg=text)
    tokenizer = model.embedding.tokenizer
    again = tokenizer_from_bytes(
        "fasttext", tokenizer.to_bytes(), len(tokenizer.vocabulary), tokenizer.normalization
    )
    assert again.encode(texts) == tokenizer.encode(texts)


def test_models_that_are_no_such_classifier(tmp_path: Path) -> None:
    model_file(tmp_path / "m.bin", maxn=3, minn=2, bucket=10)
    with pytest.raises(InputError, match="expected a supervised model"):
        read_fasttext(tmp_path / "m.bin")
    model_file(tmp_path / "hs.bin", labels="abc", loss=1)
    with pytest.raises(InputError, match="hierarchical softmax"):
        read_fasttext(tmp_path / "hs.bin")
    theirs = model_file(tmp_path / "ova.bin", labels="abc", loss=4)
    with pytest.warns(UserWarning, match="trained with -loss ova"):
        model = read_fasttext(tmp_path / "ova.bin")
    for text in SENTENCES:
        ordered = [label.removeprefix("__label__") for label in theirs.predict(text, k=-1)[0]]
        row = model.probabilities([text])[0]
        assert [model.labels[i] for i in np.argsort(-row)] == ordered


def test_texts_as_fasttext_cuts_them() -> None:
    tokenizer = FastTextTokenizer(["</s>", "sea", "Sea"])
    assert tokenizer.encode(["sea\u00a0x Sea\tsea", "", "sea </s> sea"]) == [[4, 3, 2], [2], [3, 2]]
    assert tokenizer.decode([3, 2]) == "sea </s>"
