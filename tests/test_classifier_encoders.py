"""The contract of encoders: one suite over all kinds, and an independent oracle for each."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from embzip import tf
from embzip.classifier import (
    AttentionConfig,
    Classifier,
    CnnConfig,
    Encoder,
    FnetConfig,
    MeanConfig,
    encoder_class,
    head_shapes,
    load_model,
)
from embzip.classifier.blocks import positions
from embzip.classifier.rebuilding import reading_metric, rebuild
from embzip.classifier.registry import BUILTIN
from embzip.embz.format import save
from embzip.errors import FileFormatError, InputError, MismatchError, SpecError
from embzip.files.records import Fields
from embzip.tf.export import export
from tests.models import SHAPES, WORDS, tiny_classifier
from tests.test_tf_training import accuracy, examples, vectors

# Keras asks NumPy 2 for an array in the old way when it saves.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

TEXTS = ["able lion zoo", "people say", "", "   ", "unheard tiger", "café " * 20, "zoo"]
every = pytest.mark.parametrize("encoder", BUILTIN, ids=lambda encoder: encoder.kind)
sentences = st.lists(
    st.lists(st.sampled_from([*WORDS, "unheard"]), max_size=12).map(" ".join),
    min_size=1,
    max_size=5,
)


def padded(model: Classifier, texts: list[str], length: int) -> np.ndarray:
    ids = np.zeros((len(texts), length), np.int32)
    for row, found in enumerate(model.encode(texts)):
        ids[row, : len(found)] = found
    return ids


# Every encoder


@every
def test_keras_computes_the_definition(encoder: type[Encoder]) -> None:
    for spec in ("float32", "center|svd:4|int8"):
        model = rebuild(tiny_classifier(encoder=encoder, max_length=14), codec=spec)
        built = tf.from_classifier(model)
        expected = model.probabilities(TEXTS)
        found = np.asarray(built(padded(model, TEXTS, 14)))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        short = [text for text in TEXTS if len(model.encode([text])[0]) <= 4]
        cut = np.asarray(built(padded(model, short, 4 + model.config.padding)))
        np.testing.assert_allclose(cut, model.probabilities(short), rtol=1e-5, atol=1e-7)


@every
@settings(max_examples=25, deadline=None)
@given(texts=sentences)
def test_a_text_has_the_same_numbers_alone_and_beside_longer_ones(
    encoder: type[Encoder], texts: list[str]
) -> None:
    model = tiny_classifier(encoder=encoder, max_length=10)
    together = model.probabilities([*texts, "lion " * 10])[:-1]
    alone = np.concatenate([model.probabilities([text]) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)


@every
def test_case_28_an_empty_text_has_one_prediction(encoder: type[Encoder]) -> None:
    model = tiny_classifier(encoder=encoder)
    empty = model.probabilities(["", "   "])
    np.testing.assert_array_equal(empty[0], empty[1])
    if encoder is not CnnConfig:  # whose convolutions have biases of their own
        powers = np.exp(model.arrays["dense.bias"])
        np.testing.assert_allclose(empty[0], powers / powers.sum(), rtol=1e-5)


@every
def test_saved_and_loaded_it_is_the_same(encoder: type[Encoder], tmp_path: Path) -> None:
    model = tiny_classifier("svd:3|int8", encoder=encoder)
    model.save(tmp_path / "model.embz")
    for mmap in (False, True):
        loaded = load_model(tmp_path / "model.embz", mmap=mmap)
        assert loaded.config == model.config
        assert loaded.predict(TEXTS) == model.predict(TEXTS)
    loaded.save(tmp_path / "again.embz")
    assert (tmp_path / "again.embz").read_bytes() == (tmp_path / "model.embz").read_bytes()


@every
@pytest.mark.parametrize(
    "spec",
    ["int8", "int8:scale=column", "center|svd:3|float16", "svd:5|center|int8", "svd:5|tcq:8"],
)
def test_folding_changes_nothing(encoder: type[Encoder], spec: str) -> None:
    model = tiny_classifier(encoder=encoder)
    plain = rebuild(model, codec=spec, fold=False)
    folded = rebuild(model, codec=spec)
    np.testing.assert_allclose(folded.probabilities(TEXTS), plain.probabilities(TEXTS), atol=1e-5)
    assert folded.embedding.codec.transforms == ()
    assert folded.config.indicator == ("center" in spec)
    assert folded.config.columns == folded.embedding.dim + folded.config.indicator
    twice = rebuild(folded, codec="center|float32")
    np.testing.assert_allclose(twice.probabilities(TEXTS), plain.probabilities(TEXTS), atol=1e-5)


@every
def test_the_metric_says_how_much_a_change_of_the_table_moves_what_reads_it(
    encoder: type[Encoder],
) -> None:
    """x M x^T, the ridge left out, is the squared change of all that reads a changed row x."""
    model = tiny_classifier(encoder=encoder)
    metric = reading_metric(model).astype(np.float64)
    ridge = 0.05 / 1.05 * np.trace(metric) / 6
    change = np.random.default_rng(1).normal(size=6)
    moved = sum(
        float(np.square(change @ tap).sum())
        for layer in model.config.readers
        for tap in np.atleast_3d(model.arrays[f"{layer}.kernel"].T).T.reshape(
            -1, 6, model.arrays[f"{layer}.kernel"].shape[-1]
        )
    )
    found = change @ (metric - ridge * np.eye(6)) @ change
    assert found == pytest.approx(moved, rel=1e-4)


@every
@pytest.mark.parametrize("trainable", [True, False])
def test_it_learns(encoder: type[Encoder], trainable: bool) -> None:
    options: Any = {"width": 16, "heads": 2, "hidden": 16, "filters": 8, "windows": (1, 2)}
    shape = {name: value for name, value in options.items() if name in encoder.defaults()}
    result = tf.train(
        examples(300), vectors(), encoder=encoder.kind, trainable=trainable, epochs=10,
        batch_size=16, learning_rate=0.01, patience=10, **shape,
    )  # fmt: skip
    # A mean of frozen random rows hides the telling word among the others.
    least = 0.6 if encoder is MeanConfig and not trainable else 0.85
    assert accuracy(result.classifier, examples(100, seed=1)) > least
    small = rebuild(result.classifier, codec="center|svd:8|int8")
    tuned = tf.tune(small, examples(300), epochs=2)
    assert max(tuned.dev_accuracy) > least - 0.05
    if tuned.tuned:
        assert tuned.classifier.embedding is small.embedding


@every
def test_its_keras_model_reloads(encoder: type[Encoder], tmp_path: Path) -> None:
    model = tiny_classifier("int8", encoder=encoder)
    built = tf.from_classifier(model)
    built.save(tmp_path / "model.keras")
    ids = padded(model, TEXTS, 8)
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(ids)), np.asarray(built(ids)))


@every
def test_litert_computes_the_definition(encoder: type[Encoder], tmp_path: Path) -> None:
    """Only operations every LiteRT has: no Flex delegate, over int8 codes that stay int8."""
    model = rebuild(tiny_classifier(encoder=encoder, max_length=14), codec="center|int8")
    path = tmp_path / "model.tflite"
    assert export(model, path).max_difference < 1e-5
    found = load_model(path).probabilities(TEXTS)
    np.testing.assert_allclose(found, model.probabilities(TEXTS), rtol=1e-5, atol=1e-6)
    held = {(d["dtype"], tuple(d["shape"])) for d in Interpreter(str(path)).get_tensor_details()}
    codes = model.embedding.codes["values"]
    assert (codes.dtype.type, codes.shape) in held


# Each against an oracle that shares no code with it


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def rows_of(model: Classifier, text: str) -> np.ndarray:
    """The rows of a text's tokens alone: no padding at all."""
    return model.embedding[model.encode([text])[0]].astype(np.float64)


def by_hand(model: Classifier, text: str) -> np.ndarray:
    """Blocks on the tokens alone, mixed one query at a time or by NumPy's own transform."""
    arrays, config = model.arrays, model.config
    tokens = rows_of(model, text) @ arrays["project.kernel"] + arrays["project.bias"]
    tokens += positions(config.max_length, config.width)[: len(tokens)]

    def dense(values: np.ndarray, layer: str) -> np.ndarray:
        return values @ arrays[f"{layer}.kernel"] + arrays[f"{layer}.bias"]

    def norm(values: np.ndarray, layer: str) -> np.ndarray:
        scaled = (values - values.mean(-1, keepdims=True)) / np.sqrt(
            values.var(-1, keepdims=True) + 1e-5
        )
        return scaled * arrays[f"{layer}.gamma"] + arrays[f"{layer}.beta"]

    for block in (f"block.{i}" for i in range(config.layers)):
        mixed = np.zeros_like(tokens)
        if isinstance(config, AttentionConfig):
            query, key, value = (dense(tokens, f"{block}.{n}") for n in ("query", "key", "value"))
            size = config.width // config.heads
            for head in range(config.heads):
                part = slice(head * size, (head + 1) * size)
                for at in range(len(tokens)):
                    weights = softmax(key[:, part] @ query[at, part] / np.sqrt(size))
                    mixed[at, part] = weights @ value[:, part]
            mixed = dense(mixed, f"{block}.merge")
        else:
            whole = np.zeros((config.max_length, config.width))
            whole[: len(tokens)] = tokens
            mixed = np.fft.fft2(whole, norm="ortho").real[: len(tokens)]
        tokens = norm(tokens + mixed, f"{block}.norm_mix")
        forward = dense(np.maximum(dense(tokens, f"{block}.widen"), 0), f"{block}.narrow")
        tokens = norm(tokens + forward, f"{block}.norm_forward")
    return softmax(dense(tokens.mean(axis=0), "dense"))


@pytest.mark.parametrize("encoder", [AttentionConfig, FnetConfig])
@pytest.mark.parametrize("text", ["able lion zoo", "zoo", "people say tiger café about lion able"])
def test_blocks_against_a_plain_loop(encoder: type[Encoder], text: str) -> None:
    model = tiny_classifier(encoder=encoder, max_length=11)
    np.testing.assert_allclose(model.probabilities([text])[0], by_hand(model, text), rtol=1e-4)


def test_the_mean_is_that_of_the_rows() -> None:
    model = tiny_classifier(encoder=MeanConfig)
    mean = rows_of(model, "lion zoo lion").mean(axis=0)
    logits = mean @ model.arrays["dense.kernel"] + model.arrays["dense.bias"]
    np.testing.assert_allclose(
        model.probabilities(["lion zoo lion"])[0], softmax(logits), rtol=1e-5
    )


def test_positions_are_those_of_the_paper() -> None:
    for at, column in ((0, 0), (3, 4), (7, 5)):
        angle = at / 10000 ** ((column // 2 * 2) / 8)
        expected = np.sin(angle) if column % 2 == 0 else np.cos(angle)
        assert positions(10, 8)[at, column] == pytest.approx(expected, abs=1e-6)
    assert positions(4, 5).shape == (4, 5)


# What is refused


@pytest.mark.parametrize(
    ("encoder", "shape", "rule"),
    [
        (AttentionConfig, {"heads": 5}, "width must be a multiple of heads, received 128 and 5"),
        (AttentionConfig, {"heads": 0}, r"heads must lie in 1\.\.1024, received 0"),
        (AttentionConfig, {"layers": 1000}, r"layers must lie in 1\.\.64"),
        (FnetConfig, {"width": 0}, r"width must lie in 1\.\.65536"),
        (
            FnetConfig,
            {"heads": 2},
            "the encoder 'fnet' has no option 'heads': its options are width",
        ),
        (MeanConfig, {"dropout": 1.0}, "dropout"),
    ],
)
def test_options_that_cannot_be(encoder: type[Encoder], shape: dict, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        encoder.of(4, 10, shape)
    with pytest.raises(InputError, match=rule):
        tf.train(examples(10), vectors(), encoder=encoder.kind, **shape)


@pytest.mark.parametrize("encoder", [AttentionConfig, FnetConfig])
def test_lengths_whose_square_is_too_large(encoder: type[Encoder]) -> None:
    with pytest.raises(InputError, match=r"must lie in 1\.\.4096, received 5000"):
        encoder.of(4, 5000, {})


def test_unknown_encoders_list_the_known_ones() -> None:
    with pytest.raises(SpecError, match="the known ones are cnn, mean, attention, fnet"):
        encoder_class("rnn")
    with pytest.raises(SpecError, match="unknown encoder 'rnn'"):
        tf.train(examples(10), vectors(), encoder="rnn")


@every
def test_arrays_of_another_shape(encoder: type[Encoder]) -> None:
    model = tiny_classifier(encoder=encoder)
    wrong = {**model.arrays, "dense.bias": np.zeros(3, np.float32)}
    with pytest.raises(MismatchError, match="a classifier of this shape needs"):
        replace(model, arrays=wrong)


@every
@pytest.mark.parametrize("change", ["kind", "type", "missing", "extra", "range"])
def test_records_that_are_no_encoder(encoder: type[Encoder], change: str, tmp_path: Path) -> None:
    """A file whose digests are right and whose configuration is not: one error, naming it."""
    model = tiny_classifier(encoder=encoder)
    record = model.config.to_record()
    if change == "kind":
        record["kind"] = "rnn"
    elif change == "missing":
        del record["max_length"]
    else:
        record |= {
            "type": {"max_length": 8.0}, "extra": {"depth": 1}, "range": {"max_length": 0}
        }[change]  # fmt: skip
    text = json.dumps({"labels": model.labels, **record})
    head = {**model.tensors({}), "config": np.frombuffer(text.encode(), np.uint8)}

    class Crafted:
        embedding = model.embedding

        def head_tensors(self) -> list[dict]:
            return [head]

    save(Crafted(), tmp_path / "crafted.embz")
    with pytest.raises(FileFormatError, match=r"crafted\.embz: the classifier in this file"):
        load_model(tmp_path / "crafted.embz")


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([encoder.kind for encoder in BUILTIN]),
    values=st.dictionaries(
        st.sampled_from(["columns", "max_length", "width", "heads", "layers", "hidden", "filters",
                         "windows", "dropout", "indicator"]),
        st.one_of(st.integers(-2, 2**40), st.floats(), st.booleans(), st.text(max_size=2),
                  st.lists(st.integers(-1, 5), max_size=3), st.none()),
    ),
)  # fmt: skip
def test_any_record_is_read_or_refused(kind: str, values: dict[str, Any]) -> None:
    encoder = encoder_class(kind)
    start = encoder.of(6, 8, SHAPES[encoder]).to_record()
    del start["kind"]
    try:
        record = {**start, **{k: v for k, v in values.items() if k in start}}
        config = encoder.from_record(Fields(record, "the record"))
        shapes = head_shapes(config, 2)
    except ValueError as error:
        refused = str(error)
    else:
        refused = ""
        assert shapes["dense.kernel"] == (config.features, 2)
    if values.get("max_length", 8) in (None, 0, -1, True, "a"):
        assert refused
