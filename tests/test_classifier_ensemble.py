"""Several classifiers that answer as one: the mean of their probabilities, label by label."""

import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.classifier import AttentionConfig, Classifier, Ensemble, Kit, load_model, load_one
from embzip.compression import compress
from embzip.embz.format import save
from embzip.errors import (
    FileFormatError,
    InputError,
    InputTypeError,
    MismatchError,
    MissingFileError,
    NotFiniteError,
)
from embzip.evaluation.accuracy import evaluate
from embzip.tf.export.litert import export_litert
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.base import Normalization
from tests.commands import outcome, stdout_of
from tests.models import tiny_classifier

TEXTS = ["the lion and the tiger", "people say", "", "café zoo about able people", "lion " * 40]
TEST = "animals\tlion zoo\npeople\table people say\nanimals\tcafé tiger\npeople\tzoo about\n"


def turned(model: Classifier) -> Classifier:
    """The same answers with the labels in the other order."""
    arrays = dict(model.arrays)
    for name in ("dense.kernel", "dense.bias"):
        arrays[name] = np.ascontiguousarray(arrays[name][..., ::-1])
    return replace(model, labels=model.labels[::-1], arrays=arrays)


def fewer_words(model: Classifier) -> Classifier:
    """A classifier whose tokenizer knows five words of the nine."""
    words = WordTokenizer(["able", "lion", "people", "say", "zoo"], Normalization())
    rows = np.random.default_rng(7).normal(size=(7, 6)).astype(np.float32)
    rows[0] = 0
    table = embzip.Vectors(words.vocabulary, rows, tokenizer=words)
    return replace(model, embedding=compress(table, "float32"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classifiers in files and in models/, test.tsv and texts.txt."""
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    for seed in range(3):
        model = tiny_classifier(seed=seed)
        model = turned(model) if seed == 1 else model
        model.save(f"{seed}.embz")
        model.save(f"models/model-{seed}.embz")
    Path("models/README").write_text("not a classifier")
    Path("test.tsv").write_text(TEST, "utf-8")
    Path("texts.txt").write_text("\n".join(TEXTS) + "\n", "utf-8")
    return tmp_path


def test_the_mean_by_hand() -> None:
    first, second = (tiny_classifier(seed=seed) for seed in (1, 2))
    expected = (first.probabilities(TEXTS) + second.probabilities(TEXTS)) / 2
    ensemble = Ensemble([first, turned(second)])
    assert ensemble.labels == ("animals", "people")
    found = ensemble.probabilities(iter(TEXTS))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    predicted = ensemble.predict(TEXTS)
    assert [p.label for p in predicted] == [ensemble.labels[i] for i in expected.argmax(axis=1)]
    # It differs from both, so that the test can see a mean.
    assert np.abs(expected - first.probabilities(TEXTS)).max() > 0.05
    assert (Ensemble([turned(second), first]).probabilities(TEXTS) == found[:, ::-1]).all()
    assert (pickle.loads(pickle.dumps(ensemble)).probabilities(TEXTS) == found).all()
    nested = Ensemble([ensemble, ensemble]).probabilities(TEXTS)
    np.testing.assert_allclose(nested, found, rtol=1e-6)
    assert ensemble.probabilities([]).shape == (0, 2)


def test_one_member_answers_as_it_does_alone() -> None:
    model = tiny_classifier()
    assert (Ensemble([model]).probabilities(TEXTS) == model.probabilities(TEXTS)).all()


def test_by_ids_members_read_to_their_own_length() -> None:
    """A longer member is given all tokens, and a shorter one no more than it reads."""
    short = tiny_classifier(max_length=4, seed=1)
    long = tiny_classifier(max_length=30, seed=2, encoder=AttentionConfig)
    ensemble = Ensemble([short, long])
    assert ensemble.max_length == 30
    found = ensemble.probabilities_of_ids(ensemble.encode(TEXTS))
    np.testing.assert_array_equal(found, ensemble.probabilities(TEXTS))
    mean = (short.probabilities(TEXTS) + long.probabilities(TEXTS)) / 2
    np.testing.assert_allclose(found, mean, rtol=1e-6)


def test_different_tokenizers_are_asked_by_texts_only() -> None:
    one, other = tiny_classifier(), fewer_words(tiny_classifier(seed=3))
    ensemble = Ensemble([one, other])
    mean = (one.probabilities(TEXTS) + other.probabilities(TEXTS)) / 2
    np.testing.assert_allclose(ensemble.probabilities(TEXTS), mean, rtol=1e-6)
    for ask in (ensemble.encode, ensemble.probabilities_of_ids):
        with pytest.raises(MismatchError, match=r"different tokenizers.*ask it by texts"):
            ask([])
    test = [embzip.Example(text="café lion the zoo", label="animals")]
    assert evaluate(ensemble, test).unknown_rate == (1 / 4 + 2 / 4) / 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("animals", "plants"), "first has 'people', which second has not, and 1 more differ"),
        (("animals", "people", "zoo"), "second has 'zoo', which first has not$"),
    ],
)
def test_other_labels_are_refused(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(MismatchError, match=f"must have the same labels: {message}"):
        Ensemble([tiny_classifier(), tiny_classifier(labels=labels)], names=["first", "second"])


def test_no_member_and_what_is_no_text() -> None:
    with pytest.raises(InputError, match="at least one classifier, received none"):
        Ensemble([])
    with pytest.raises(InputTypeError):
        Ensemble([tiny_classifier()]).predict("lion")


def test_what_is_no_member() -> None:
    model = tiny_classifier()
    kit = Kit.of({"topic": model, "mood": model})
    with pytest.raises(InputTypeError, match="must be classifiers, received Kit: of a kit, pass"):
        Ensemble([model, kit])
    with pytest.raises(InputTypeError, match="received a kit of topic, mood: pass one of its"):
        evaluate(kit, [embzip.Example(text="a lion", label=model.labels[0])])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="2 classifiers needs as many names, received 1"):
        Ensemble([model, model], names=["one"])


def test_a_member_that_overflows_is_no_number(folder: Path) -> None:
    model = tiny_classifier()
    huge = {name: np.sign(array) * np.float32(5e18) for name, array in model.arrays.items()}
    rows = {"values": model.embedding.codes["values"] * np.float32(1e20)}
    bad = replace(model, arrays=huge, embedding=replace(model.embedding, codes=rows))
    with pytest.raises(NotFiniteError):
        Ensemble([model, bad]).predict(TEXTS)


# Files and folders


def test_several_files_and_a_folder_are_an_ensemble(folder: Path) -> None:
    files = [f"{seed}.embz" for seed in range(3)]
    expected = Ensemble([load_model(path) for path in files]).probabilities(TEXTS)
    for given in (files, "models", Path("models"), [files[0], "1.embz", Path("2.embz")]):
        for load in (load_model, load_one):
            ensemble = load(given)
            assert isinstance(ensemble, Ensemble)
            np.testing.assert_array_equal(ensemble.probabilities(TEXTS), expected)
            mapped = load(given, mmap=True)
            np.testing.assert_array_equal(mapped.probabilities(TEXTS), expected)
    assert isinstance(load_model(files[:1]), Classifier)
    assert repr(ensemble) == "<Ensemble: 3 classifiers, 2 labels>"


def test_an_exported_file_is_a_member(folder: Path) -> None:
    export_litert(load_model("0.embz"), "0.tflite")
    one, other = load_model(["0.tflite", "1.embz"]), load_model(["0.embz", "1.embz"])
    np.testing.assert_allclose(one.probabilities(TEXTS), other.probabilities(TEXTS), atol=1e-5)


def test_files_that_are_no_ensemble(folder: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(
        MissingFileError, match=r"empty: .*directory in which no file ends in \.embz or"
    ):
        load_model("empty")
    with pytest.raises(InputError, match="received none"):
        load_model([])
    save(tiny_classifier().embedding, "table.embz")
    with pytest.raises(FileFormatError, match=r"table\.embz: expected a classifier, found only"):
        load_model(["0.embz", "table.embz"])
    Kit.of({"topic": tiny_classifier(), "mood": tiny_classifier()}).save("kit.embz")
    with pytest.raises(MismatchError, match=r"kit\.embz: a kit of the classifiers topic, mood"):
        load_model(["0.embz", "kit.embz"])
    other = tiny_classifier(labels=("animals", "plants"))
    other.save("other.embz")
    with pytest.raises(MismatchError, match=r"0\.embz has 'people', which other\.embz has not"):
        evaluate(["0.embz", "other.embz"], "test.tsv")


def test_a_folder_that_holds_what_is_no_classifier(folder: Path) -> None:
    remedy = "a folder stands for every .embz and .tflite in it, so move this file elsewhere, or "
    remedy += "name the classifiers instead of the folder"
    save(tiny_classifier().embedding, "models/vectors.embz")
    table = f"models/vectors.embz: expected a classifier, found only an embedding: {remedy}"
    Path("kits").mkdir()
    for name in ("a", "b"):
        parts = {"topic": tiny_classifier(), "mood": tiny_classifier()}
        Kit.of(parts).save(f"kits/{name}.embz")
    kit = f"kits/a.embz: expected a classifier, found a kit of 2 classifiers: {remedy}"
    for load in (load_model, load_one):
        with pytest.raises(FileFormatError, match=f"^{re.escape(table)}$"):
            load("models")
        with pytest.raises(MismatchError, match=f"^{re.escape(kit)}$"):
            load("kits")
    assert isinstance(load_one("kits", head="mood"), Ensemble)
    done = outcome("evaluate", "models", "test.tsv")
    assert (done.code, done.stdout, done.stderr) == (1, "", f"embzip: error: {table}\n")


# Commands


def test_evaluate_takes_several_and_folders(folder: Path) -> None:
    files = ("0.embz", "1.embz", "2.embz")
    expected = evaluate(load_model(files), "test.tsv", against="0.embz").to_json()
    for models in (files, ("models",), ("models/model-0.embz", "1.embz", "2.embz")):
        told = stdout_of("evaluate", *models, "test.tsv", "--against", "0.embz", "--json")
        assert json.loads(told) == {"classifiers": 3, **expected}
    told = stdout_of("evaluate", "0.embz", "test.tsv", "--against", "models")
    assert told.startswith("accuracy")
    told = stdout_of("evaluate", *files, "test.tsv", "--against", "models")
    assert told.startswith("classifiers   3, the mean of their probabilities\naccuracy")
    assert "agreement     1.0000" in told


def test_predict_takes_a_folder(folder: Path) -> None:
    expected = load_model("models").predict(TEXTS)
    lines = stdout_of("predict", "models", "texts.txt").splitlines()
    assert lines == [f"{p.label}\t{p.probability:.4f}" for p in expected]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("evaluate 0.embz", 2, "give MODEL.embz, or several, and then TEST.tsv: found only 0"),
        ("evaluate", 2, "requires an argument"),
        ("evaluate 0.embz 1.embz", 1, "1.embz: expected label<TAB>text lines"),
        ("evaluate test.tsv 0.embz", 1, "exchange them"),
        ("evaluate 0.embz none test.tsv", 1, "none: no such file"),
        (
            "predict empty texts.txt",
            1,
            "empty: expected a file, found a directory in which no file ends in",
        ),
    ],
)
def test_the_commands_refuse(words: str, code: int, says: str, folder: Path) -> None:
    Path("empty").mkdir()
    done = outcome(*words.split())
    assert (done.code, done.stdout) == (code, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == code
