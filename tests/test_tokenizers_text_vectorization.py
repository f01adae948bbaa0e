"""Keras' TextVectorization as a tokenizer: the layer's ids, and models that still take strings."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import embzip
from embzip.errors import EmbzipError, TokenizerError
from embzip.tokenizers import (
    TextVectorizationTokenizer,
    load_tokenizer,
    tokenizer_from_bytes,
)
from embzip.tokenizers.keras_files import of_configuration
from tests.commands import stdout_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TEXTS = [
    "The sea is wide, and ships are far.", "GRÖSSE größe İ Σ", "日本 naïve 👍🏽", "a e c g",
    "three goals, three", "<PAD> [UNK] </s>", "", "   ", "it's a-b_c !!!", "\x00x",
]  # fmt: skip
HOSTILE = [
    "a\tb\x0bc\x1cd\x85e\xa0f\u2003g\u3000h", "\ufffd", "e\u0301", "\u2028x", "x" * 5000, "Unknown",
    "the sea is", "THE [UNK] <pad>",
]  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {},
    {"standardize": "lower", "ngrams": 3},
    {"standardize": "strip_punctuation", "ngrams": (2,)},
    {"standardize": None, "split": "character"},
    {"standardize": None, "split": None},
    {"split": "character", "ngrams": 2},
]


def layer(**options: Any) -> keras.layers.TextVectorization:
    made = keras.layers.TextVectorization(**options)
    made.adapt(TEXTS)
    return made


def model_of(made: keras.layers.TextVectorization, path: Path) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            made,
            keras.layers.Embedding(made.vocabulary_size(), 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2),
        ]
    )
    model.save(path)
    return model


def theirs(made: keras.layers.TextVectorization, texts: list[str]) -> list[list[int]]:
    """Return the layer's ids, of one text at a time, so that none is padded."""
    return [np.atleast_1d(made(tf.constant([text]))[0]).tolist() for text in texts]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_ids_are_the_layers(options: dict[str, Any], tmp_path: Path) -> None:
    made = layer(**options)
    model_of(made, tmp_path / "m.keras")
    # Keras itself reads a vocabulary by lines, so it is the saved layer that counts.
    again = keras.saving.load_model(tmp_path / "m.keras").layers[0]
    tokenizer = load_tokenizer(tmp_path / "m.keras")
    assert isinstance(tokenizer, TextVectorizationTokenizer)
    expected = theirs(again, [*TEXTS, *HOSTILE])
    assert tokenizer.encode([*TEXTS, *HOSTILE]) == expected
    assert tokenizer.encode(["a\ud800"]) == theirs(again, ["a\ufffd"])
    vocabulary = tokenizer.vocabulary
    assert list(vocabulary)[2:] == [str(token) for token in again.get_vocabulary()[2:]]
    assert (vocabulary.pad_id, vocabulary.unk_id) == (0, 1)
    kept = tokenizer_from_bytes(
        tokenizer.kind, tokenizer.to_bytes(), len(vocabulary), tokenizer.normalization
    )
    assert kept.encode([*TEXTS, *HOSTILE]) == expected
    assert pickle.loads(pickle.dumps(tokenizer)).encode(TEXTS) == expected[: len(TEXTS)]


def test_a_configuration_with_its_vocabulary(tmp_path: Path) -> None:
    made = layer(max_tokens=12, output_sequence_length=3)
    expected = theirs(layer(max_tokens=12), TEXTS)  # nothing is cut here
    plain, whole = made.get_config(), keras.saving.serialize_keras_object(made)
    tokens = [str(token) for token in made.get_vocabulary()]
    (tmp_path / "config.json").write_text(json.dumps(plain))
    with pytest.raises(TokenizerError, match=r"with its vocabulary, found none: .*vocabulary\.txt"):
        load_tokenizer(tmp_path / "config.json")
    for written in ({**plain, "vocabulary": tokens}, {**plain, "vocabulary": tokens[2:]}):
        (tmp_path / "config.json").write_text(json.dumps(written))
        assert load_tokenizer(tmp_path / "config.json").encode(TEXTS) == expected
    (tmp_path / "vocabulary.txt").write_text("\n".join(tokens), "utf-8")
    for written in (plain, whole):
        (tmp_path / "config.json").write_text(json.dumps(written))
        assert load_tokenizer(tmp_path / "config.json").encode(TEXTS) == expected


def test_vectors_are_trained_for_it(tmp_path: Path) -> None:
    made = layer()
    model_of(made, tmp_path / "m.keras")
    (tmp_path / "c.txt").write_text("\n".join(TEXTS[:4] * 9), "utf-8")
    options = ("--tokenizer", tmp_path / "m.keras", "--dim", 3, "-o", tmp_path / "v.embz")
    stdout_of("train-vectors", tmp_path / "c.txt", *options)
    table = embzip.load(tmp_path / "v.embz")
    assert table.encode(TEXTS) == theirs(made, TEXTS)
    assert not np.any(table[[table.pad_id]])


@pytest.mark.parametrize("codec", ["int8", "svd:2|int8"])
def test_a_rebuilt_model_takes_strings(codec: str, tmp_path: Path) -> None:
    model = model_of(layer(output_sequence_length=5), tmp_path / "m.keras")
    texts = tf.constant([*TEXTS, *HOSTILE])
    options = ("--codec", codec, "-o", tmp_path / "small.keras", "--json")
    record = json.loads(stdout_of("rebuild", tmp_path / "m.keras", *options))
    small = keras.saving.load_model(tmp_path / "small.keras")
    assert record["codec"] == codec
    table = model.layers[1].get_weights()[0]
    error = np.abs(embzip.compress(table, codec).decode() - table).max()
    reached = np.abs(model.layers[-1].get_weights()[0]).sum(axis=0).max() * error
    np.testing.assert_allclose(small(texts), model(texts), atol=reached + 1e-6)


def test_what_is_refused(tmp_path: Path) -> None:
    base = {"class_name": "TextVectorization", "config": {"vocabulary": ["a"]}}

    def refused(message: str, **changes: Any) -> None:
        record = {**base, "config": {**base["config"], **changes}}  # type: ignore[dict-item]
        with pytest.raises(TokenizerError, match=message):
            of_configuration(json.dumps(record).encode(), tmp_path / "c.json")

    refused("standardize must be one of", standardize={"class_name": "function", "config": "mine"})
    refused("split must be one of", split="regex")
    refused("output_mode='int'", output_mode="multi_hot")
    refused("encoding='utf-16'", encoding="utf-16")
    refused("ngrams must be whole numbers", ngrams=[0])
    refused("with its vocabulary", vocabulary="words.txt")
    other = {**base, "config": {"vocabulary": ["b"]}}
    with pytest.raises(TokenizerError, match="expected one TextVectorization layer, found 2"):
        of_configuration(json.dumps([base, other]).encode(), tmp_path / "c.json")
    model_of(layer(), tmp_path / "m.keras")
    content = (tmp_path / "m.keras").read_bytes()
    for length in range(4, len(content), 997):
        (tmp_path / "cut.keras").write_bytes(content[:length])
        with pytest.raises(EmbzipError):
            load_tokenizer(tmp_path / "cut.keras")
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(4, 2)])
    plain.save(tmp_path / "plain.keras")
    with pytest.raises(TokenizerError, match="expected one TextVectorization layer, found 0"):
        load_tokenizer(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (1 << 27) + b"{}")
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(TokenizerError, match="more than 134,217,728 bytes"):
        load_tokenizer(tmp_path / "bomb.keras")
