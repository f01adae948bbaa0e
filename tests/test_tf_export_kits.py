"""A kit as one model: every encoder in it, one look-up, one output a classifier, names attached."""

import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow
from ai_edge_litert.interpreter import Interpreter

from embzip.classifier import Kit, MeanConfig, load_model, load_one
from embzip.classifier.rebuilding import rebuild_kit
from embzip.compression import compress
from embzip.corpus import Example, read_examples
from embzip.errors import FileFormatError, InputError, MismatchError
from embzip.evaluation.accuracy import evaluate
from embzip.litert.attachment import Attachment, attach
from embzip.tf import train as fit
from embzip.tf.export import export
from embzip.tokenizers.building import build_words
from embzip.vectors.base import Vectors
from tests.commands import outcome
from tests.commands import stdout_of as run
from tests.models import classifiers, tiny_classifier
from tests.test_classifier_kit import TEXTS

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
)
LABELS = {
    "topic": ("animals", "people"),
    "mood": ("glad", "sad", "so"),
    "style": ("animals", "people"),
    "length": ("animals", "people"),
}


@pytest.fixture(scope="module")
def kit() -> Kit:
    return rebuild_kit(Kit.of(classifiers()), codec="center|svd:4|int8")


@pytest.fixture(scope="module")
def path(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kit") / "kit.tflite"
    assert export(kit, made).max_difference < 1e-5
    return made


@pytest.fixture(scope="module")
def alike() -> Kit:
    """Two names of which no graph can have one, over one set of form."""
    one = tiny_classifier("int8", encoder=MeanConfig)
    return Kit.of({"настроение": one, "my mood": one})


def test_it_answers_as_the_kit(kit: Kit, path: Path) -> None:
    loaded = load_model(path)
    assert loaded.labels == kit.labels == LABELS
    for found in (loaded, pickle.loads(pickle.dumps(loaded))):
        assert list(found.probabilities(TEXTS)) == list(LABELS)
        for name, rows in kit.probabilities(TEXTS).items():
            np.testing.assert_allclose(found.probabilities(TEXTS)[name], rows, atol=1e-5)
    for mine, theirs in zip(loaded.predict(TEXTS), kit.predict(TEXTS), strict=True):
        assert {n: p.label for n, p in mine.items()} == {n: p.label for n, p in theirs.items()}
    assert loaded.predict([]) == []


def test_one_of_it(kit: Kit, path: Path) -> None:
    mood = load_one(path, head="mood")
    expected = kit.classifiers["mood"].probabilities(TEXTS)
    for found in (mood, pickle.loads(pickle.dumps(mood))):
        np.testing.assert_allclose(found.probabilities(TEXTS), expected, atol=1e-5)
    examples = [Example(text="zoo", label="glad"), Example(text="lion", label="so")]
    assert evaluate(mood, examples).accuracy == evaluate(kit.classifiers["mood"], examples).accuracy
    with pytest.raises(MismatchError, match=r"a kit of the classifiers topic, mood.*--head"):
        load_one(path)
    with pytest.raises(MismatchError, match=r"named 'other'; .*topic, mood, style, length"):
        load_one(path, head="other")


def test_codes_are_looked_up_once_and_stay_codes(kit: Kit, path: Path) -> None:
    interpreter = Interpreter(str(path))
    shape = kit.embedding.codes["values"].shape
    (codes,) = (
        details["index"]
        for details in interpreter.get_tensor_details()
        if details["dtype"] == np.int8 and tuple(details["shape"]) == shape
    )
    readers = [
        operator["op_name"]
        for operator in interpreter._get_ops_details()
        if codes in operator["inputs"] and operator["op_name"] != "DELEGATE"
    ]
    assert readers == ["GATHER"]


def test_names_and_labels_are_attached(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        labels = json.loads(archive.read("labels.json"))
        assert {name: tuple(held) for name, held in labels.items()} == LABELS
        assert json.loads(archive.read("config.json"))["heads"] == list(LABELS)


def test_a_savedmodel_names_its_outputs(kit: Kit, tmp_path: Path) -> None:
    assert export(kit, tmp_path / "model", to="savedmodel").max_difference < 1e-5
    loaded = tensorflow.saved_model.load(str(tmp_path / "model"))
    assert set(loaded.signatures["serving_default"].structured_outputs) == set(LABELS)


@pytest.mark.parametrize("target", ["frozen", "onnx"])
def test_other_targets_name_their_outputs(kit: Kit, tmp_path: Path, target: str) -> None:
    """The outputs are fetched by the classifiers' names."""
    assert export(kit, tmp_path / "model", to=target).max_difference < 1e-5


@pytest.mark.parametrize("form", ["float16", "int8"])
def test_smaller_kernels_of_every_encoder(kit: Kit, tmp_path: Path, form: str) -> None:
    path = tmp_path / "model.tflite"
    assert 0 < export(kit, path, kernels=form).max_difference < 0.05
    kinds = [d["dtype"] for d in Interpreter(str(path)).get_tensor_details()]
    wanted = {"float16": np.float16, "int8": np.int8}[form]
    kernels = sum(name.endswith("kernel") for c in kit.classifiers.values() for name in c.arrays)
    # One tensor a kernel, and the codes.
    assert kinds.count(wanted) >= kernels + (form == "int8")


def test_int8_arithmetic_of_every_encoder(kit: Kit, tmp_path: Path) -> None:
    result = export(kit, tmp_path / "model.tflite", calibrate=TEXTS)
    assert 0 < result.max_difference < 0.05


def test_int8_arithmetic_of_a_kit_answers_alike_on_data(news_folder: Path, tmp_path: Path) -> None:
    """Two classifiers trained on news, ranges from training texts, compared on test texts."""
    train, held_out = (read_examples(news_folder / f"{n}.tsv") for n in ("train", "test"))
    tokenizer = build_words(news_folder / "train.tsv", news_folder / "words.tsv", labelled=True)
    rng = np.random.default_rng(0)
    rows = rng.normal(scale=0.3, size=(len(tokenizer.vocabulary), 16)).astype(np.float32)
    options: dict[str, Any] = {"epochs": 6, "max_length": 40, "learning_rate": 0.01}
    vectors = Vectors(tokenizer.vocabulary, rows, tokenizer=tokenizer)
    trained = fit(train, vectors, encoder="mean", **options).classifier
    table = compress(trained.embedding, "int8")
    options["trainable"] = False
    kit = Kit.of(
        {
            "cnn": fit(train, table, filters=32, **options).classifier,
            "mean": fit(train, table, encoder="mean", **options).classifier,
        }
    )
    texts = [example.text for example in train[:300]]
    path = tmp_path / "kit.tflite"
    assert 0 < export(kit, path, calibrate=texts).max_difference < 0.1
    for name, classifier in kit.classifiers.items():
        small, plain = evaluate(load_one(path, head=name), held_out), evaluate(classifier, held_out)
        assert plain.accuracy > 0.6
        assert abs(small.accuracy - plain.accuracy) <= 0.03


@pytest.mark.parametrize("options", [{}, {"kernels": "float16"}, {"kernels": "int8"}])
def test_any_names_and_equal_weights(alike: Kit, tmp_path: Path, options: dict) -> None:
    path = tmp_path / "model.tflite"
    assert export(alike, path, **options).max_difference < 0.05
    assert list(load_model(path).predict(["lion"])[0]) == ["настроение", "my mood"]


def test_a_graph_refuses_names_it_cannot_have(alike: Kit, tmp_path: Path) -> None:
    one = alike.classifiers["my mood"]
    for kit, name in ((alike, "настроение"), (Kit.of({"ids": one}), "ids")):
        with pytest.raises(InputError, match=f"and '{name}' is not a valid one.*--name"):
            export(kit, tmp_path / "model", to="frozen")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("heads", "labels"),
    [
        (("a", "b"), (("x", "y"), ("x", "y", "z"))),  # columns that have no label, or too many
        (("a",), (("x", "y"),)),
        ((), (("x", "y"), ("x", "y"))),
        (("a", "a"), (("x", "y"), ("x", "y"))),
    ],
)
def test_attached_labels_that_do_not_fit(
    alike: Kit, tmp_path: Path, heads: tuple[str, ...], labels: tuple[tuple[str, ...], ...]
) -> None:
    path = tmp_path / "model.tflite"
    export(alike, path)
    with zipfile.ZipFile(path) as archive:
        model = path.read_bytes()[: json.loads(archive.read("config.json"))["model_bytes"]]
    tokenizer = alike.embedding.tokenizer
    assert tokenizer is not None
    path.write_bytes(attach(model, Attachment(tokenizer, labels, 8, 2, heads)))
    with pytest.raises(FileFormatError, match=r"model\.tflite"):
        load_model(path)


def test_the_command_line(alike: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = alike.classifiers["my mood"]
    Kit.of({"mood": one, "topic": one}).save("kit.embz")
    run("export", "kit.embz", "-o", "kit.tflite")
    told = run("predict", "kit.tflite", stdin="lion\n")
    assert told == run("predict", "kit.embz", stdin="lion\n")
    Path("test.tsv").write_text("animals\tlion\npeople\tsay\n")
    for file in ("kit.tflite", "kit.embz"):
        run("evaluate", file, "test.tsv", "--head", "topic")
    # A SavedModel is a folder: only one may be replaced, and a name nobody chose needs --force.
    run("export", "kit.embz", "--to", "savedmodel")
    before = Path("kit.savedmodel/saved_model.pb").stat().st_ino
    refused = outcome("export", "kit.embz", "--to", "savedmodel")
    assert (refused.code, "--force" in refused.stderr) == (1, True)
    run("export", "kit.embz", "--to", "savedmodel", "--force")
    assert Path("kit.savedmodel/saved_model.pb").stat().st_ino != before
    Path("mine").mkdir()
    Path("mine/letter").write_text("dear")
    refused = outcome("export", "kit.embz", "--to", "savedmodel", "-o", "mine")
    assert refused.code == 1
    assert re.search(r"mine already exists.*saved_model\.pb", refused.stderr)
    assert Path("mine/letter").read_text() == "dear"
