"""`rebuild --model`: a checkpoint without a graph becomes a .embz of a classifier that is known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from embzip.classifier import (
    Classifier,
    CnnConfig,
    FnetConfig,
    MeanConfig,
    TrainingRecord,
    load_classifier,
)
from embzip.classifier.outlines import read_outline
from embzip.cli import main
from embzip.compression import compress
from embzip.errors import EmbzipError, InputError, MismatchError
from embzip.foreign.slimming import slim
from embzip.layers.decoding import TrainableEmbedding
from embzip.tf import from_classifier, with_variables
from embzip.tf.classifiers import build_model
from tests.models import tiny_classifier, training_record
from tests.processes import run_tensorflow

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
TEXTS = ["able lion zoo", "", "people say " * 9, "tiger unheard of"]
TWIN_WINDOWS = CnnConfig(columns=6, max_length=8, filters=5, windows=(1, 1, 2))


def twin(seed: int) -> Classifier:
    """Return a classifier with two convolutions of one shape: names must tell them apart."""
    rng = np.random.default_rng(seed)
    model = tiny_classifier(seed=seed)
    shapes = {"conv.0": (1, 6, 5), "conv.1": (1, 6, 5), "conv.2": (2, 6, 5), "dense": (15, 2)}
    arrays = {}
    for name, shape in shapes.items():
        arrays[f"{name}.kernel"] = rng.normal(size=shape).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(size=shape[-1:]).astype(np.float32)
    return Classifier(model.embedding, model.labels, TWIN_WINDOWS, arrays)


def same(one: Classifier, other: Classifier) -> None:
    np.testing.assert_allclose(one.probabilities(TEXTS), other.probabilities(TEXTS), atol=1e-6)


@pytest.mark.parametrize("spec", ["float32", "int8", "svd:3|int4", "tcq:5"])
@pytest.mark.parametrize("optimizer", [False, True])
def test_a_checkpoint_of_the_keras_model_is_taken_by_its_names(
    spec: str, optimizer: bool, tmp_path: Path
) -> None:
    """Codes included: a checkpoint of compressed rows holds them."""
    trained = twin(1)
    small = Classifier(
        compress(trained.embedding, spec), trained.labels, trained.config, trained.arrays
    )
    model = from_classifier(small)
    parts: dict[str, Any] = {"net": model}
    if optimizer:
        model.compile(keras.optimizers.SGD(0.0, momentum=0.5), "sparse_categorical_crossentropy")
        model.train_on_batch(np.ones((2, 8), np.int32), np.zeros(2, np.int32))
        parts["optimizer"] = model.optimizer
    prefix = tf.train.Checkpoint(**parts).write(str(tmp_path / "model"))
    template = twin(2)
    template = Classifier(
        compress(template.embedding, spec), template.labels, template.config, template.arrays
    )
    found = with_variables(template, prefix)
    same(found, small)
    assert found.embedding.codec == small.embedding.codec
    slim(prefix, tmp_path / "slim")
    same(with_variables(template, tmp_path / "slim"), small)


@pytest.mark.parametrize("encoder", [CnnConfig, MeanConfig, FnetConfig])
def test_a_table_that_was_trained_replaces_the_codes(encoder: Any, tmp_path: Path) -> None:
    trained = tiny_classifier(seed=1, encoder=encoder)
    layer = TrainableEmbedding(trained.embedding.decode(), pad_id=0, name="words")
    model = build_model(trained.config, 2, layer)
    full = from_classifier(trained)
    for part in full.layers:
        if part.weights and part.name != "embedding":
            model.get_layer(part.name).set_weights(part.get_weights())
    prefix = tf.train.Checkpoint(model=model).write(str(tmp_path / "model"))
    known = replace(tiny_classifier("int8", seed=2, encoder=encoder), training=training_record())
    found = with_variables(known, prefix)
    same(found, trained)
    assert found.training == TrainingRecord()
    assert found.embedding.codec.spec == "float32"


def test_weights_files_of_keras_are_matched_by_keras(tmp_path: Path) -> None:
    trained = twin(1)
    from_classifier(trained).save_weights(tmp_path / "model.weights.h5")
    known = replace(twin(2), training=training_record())
    found = with_variables(known, tmp_path / "model.weights.h5")
    same(found, trained)
    assert found.training == TrainingRecord(), "whatever trained these numbers, it was not that"
    with pytest.raises(MismatchError, match="do not fit the given classifier"):
        with_variables(tiny_classifier(seed=2), tmp_path / "model.weights.h5")


TF1 = """
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
held = np.load("weights.npz")
with tf.Graph().as_default(), v1.Session() as session:
    for name in held:
        v1.get_variable(name, initializer=held[name], use_resource=False)
    session.run(v1.global_variables_initializer())
    v1.train.Saver().save(session, "old/model", write_meta_graph=False)
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A checkpoint of TF1, without .meta, whose names say nothing of ours."""
    trained = twin(1)
    names = {"conv.0": "first", "conv.1": "second", "conv.2": "wide", "dense": "out"}
    arrays = {
        f"{names[name.rpartition('.')[0]]}/{name.rpartition('.')[2]}": array
        for name, array in trained.arrays.items()
    }
    np.savez(tmp_path / "weights.npz", embeddings=trained.embedding.decode(), **arrays)
    (tmp_path / "old").mkdir()
    run_tensorflow(TF1, tmp_path)
    assert not list(tmp_path.glob("old/*.meta"))
    return tmp_path / "old"


NAMES = {
    f"conv_{index}/{part}": f"{name}/{part}"
    for index, name in enumerate(("first", "second"))
    for part in ("kernel", "bias")
}


def test_what_names_leave_open_is_refused_and_can_be_said(old: Path) -> None:
    with pytest.raises(MismatchError, match=r"conv_0/kernel.*first/kernel.*second/kernel"):
        with_variables(twin(2), old)
    same(with_variables(twin(2), old, NAMES), twin(1))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def test_the_command(old: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, template = tmp_path / "out.embz", twin(2)
    assert run("rebuild", str(old), "--codec", "int8", "-o", str(out)) == 1
    assert "--model CLASSIFIER.embz" in capfd.readouterr().err
    template.save(tmp_path / "like.embz")
    like = ["--model", str(tmp_path / "like.embz")]
    assert run("rebuild", str(old), *like, "--codec", "int8", "-o", str(out)) == 1
    assert capfd.readouterr().err.count("\n") == 1
    assert not out.exists()
    template.embedding.tokenizer.save(tmp_path / "words.tsv")  # type: ignore[union-attr]
    lines = [
        'tokenizer = "words.tsv"', 'labels = ["animals", "people"]', "dim = 6", "max_length = 8",
        'classifier = "cnn:5,windows=1-1-2"', "[variables]",
        *(f'"{ours}" = "{theirs}"' for ours, theirs in NAMES.items()),
    ]  # fmt: skip
    (tmp_path / "like.toml").write_text("\n".join(lines))
    like = ["--model", str(tmp_path / "like.toml"), "--json"]
    assert run("rebuild", str(old), *like, "--codec", "float32", "-o", str(out)) == 0
    record = json.loads(capfd.readouterr().out)
    assert record["bytes_before"] == sum(file.stat().st_size for file in old.iterdir())
    same(load_classifier(out), twin(1))
    assert run("rebuild", str(old), *like, "--codec", "svd:4|int8", "-o", str(out)) == 0
    assert load_classifier(out).config.columns == 4
    ours = str(tmp_path / "like.embz")
    assert run("rebuild", ours, *like, "--codec", "int8", "-o", str(out)) == 1


def test_case_75_a_vocabulary_and_a_table_of_different_sizes(tmp_path: Path) -> None:
    layer = TrainableEmbedding(np.ones((12, 6), np.float32), pad_id=0)
    model = build_model(tiny_classifier().config, 2, layer)
    prefix = tf.train.Checkpoint(model=model).write(str(tmp_path / "model"))
    with pytest.raises(MismatchError, match=r"11 rows of 6 numbers.*\(12, 6\)"):
        with_variables(tiny_classifier(), prefix)


def test_codes_that_no_encoder_makes_are_refused(tmp_path: Path) -> None:
    model = from_classifier(tiny_classifier("kmeans:3"))
    codes = next(w for w in model.get_layer("embedding").weights if w.dtype == "uint8")
    codes.assign(np.full(codes.shape, 200))
    prefix = tf.train.Checkpoint(model=model).write(str(tmp_path / "model"))
    with pytest.raises(InputError, match="codes of the table are damaged"):
        with_variables(tiny_classifier("kmeans:3"), prefix)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("labels = ['one']", "labels must be two or more different texts"),
        ("labels = ['one', 'one']", "two or more different texts"),
        ("dim = 0", r"dim must be a whole number in 1\.\.65536, received 0"),
        ("dim = 2000000000", r"dim must be a whole number in 1\.\.65536"),
        ("max_length = 2147483647", r"max_length must be a whole number in 1\.\.65536"),
        ("classifier = 'cnn:2000000000'", r"filters must be a whole number in 1\.\.65536"),
        ("classifier = 'cnn:5,windows=1-99999'", r"windows must be whole numbers in 1\.\.1024"),
        ("labels = ['one', 2]", r"labels\[1\] must be text"),
        ("dim = 'wide'", "dim must be a whole number"),
        ("filters = 3", "unknown key 'filters'"),
        ("max_length = 1", "max_length must be at least"),
        ("classifier = 'rnn:3'", "unknown name 'rnn'"),
        ("tokenizer = 'nowhere'", "no such file"),
        ("variables = {a = 1}", "variables: a must be text, received 1"),
        ("dim = [", "expected the outline of a classifier in TOML"),
    ],
)
def test_an_outline_that_is_wrong_says_where(changed: str, said: str, tmp_path: Path) -> None:
    tiny_classifier().embedding.tokenizer.save(tmp_path / "words.tsv")  # type: ignore[union-attr]
    lines = {
        "tokenizer": "'words.tsv'", "labels": "['one', 'two']", "dim": "6", "max_length": "8",
        "classifier": "'cnn:5,windows=1-2'",
    }  # fmt: skip
    key, _, value = changed.partition(" = ")
    lines[key] = value
    (tmp_path / "like.toml").write_text("\n".join(f"{k} = {v}" for k, v in lines.items()))
    with pytest.raises(EmbzipError, match=said) as error:
        read_outline(tmp_path / "like.toml")
    assert "like.toml" in str(error.value) or "nowhere" in str(error.value) or "max_length" in said
