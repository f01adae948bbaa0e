"""Kits: several classifiers over one table, in one file, answering as each alone."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embzip
from embzip import tf
from embzip.classifier import (
    Classifier,
    CnnConfig,
    Kit,
    MeanConfig,
    load_classifier,
    load_model,
)
from embzip.classifier.rebuilding import rebuild, rebuild_kit
from embzip.compression import compress
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.embz.format import save
from embzip.errors import FileFormatError, InputError, MismatchError
from embzip.evaluation.accuracy import evaluate
from embzip.tokenizers import Normalization, WordTokenizer
from tests.commands import outcome
from tests.commands import stdout_of as run
from tests.models import WORDS, classifiers, tiny_classifier
from tests.test_tf_training import examples, vectors

TEXTS = ["able lion zoo", "people say", "", "unheard tiger", "café " * 20, "zoo"]


def assert_answers_as_each_alone(kit: Kit, alone: dict[str, Classifier]) -> None:
    assert list(kit.classifiers) == list(alone)
    together = kit.probabilities(TEXTS)
    predicted = kit.predict(TEXTS)
    for name, classifier in alone.items():
        np.testing.assert_allclose(
            together[name], classifier.probabilities(TEXTS), rtol=1e-5, atol=1e-7
        )
        labels = [found.label for found in classifier.predict(TEXTS)]
        assert [found[name].label for found in predicted] == labels


@pytest.mark.parametrize("spec", ["float32", "svd:4|int8", "center|int8"])
@pytest.mark.parametrize("mmap", [False, True])
def test_a_kit_answers_as_its_classifiers_alone(spec: str, mmap: bool, tmp_path: Path) -> None:
    alone = classifiers(spec)
    Kit.of(alone).save(tmp_path / "kit.embz", counts=True)
    kit = load_model(tmp_path / "kit.embz", mmap=mmap)
    assert isinstance(kit, Kit)
    assert_answers_as_each_alone(kit, alone)
    assert [c.labels for c in kit.classifiers.values()] == [c.labels for c in alone.values()]
    assert_answers_as_each_alone(pickle.loads(pickle.dumps(kit)), alone)
    kit.save(tmp_path / "again.embz", counts=True)
    assert (tmp_path / "again.embz").read_bytes() == (tmp_path / "kit.embz").read_bytes()


def test_the_table_is_stored_looked_up_and_tokenized_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = classifiers("int8")
    for name, classifier in alone.items():
        classifier.save(tmp_path / f"{name}.embz")
    Kit.of(alone).save(tmp_path / "kit.embz")
    facts = embzip.inspect(tmp_path / "kit.embz").bytes
    singles = [embzip.inspect(tmp_path / f"{name}.embz").bytes for name in alone]
    for part in ("vocabulary", "embedding"):
        assert facts[part] == singles[0][part]
    names = sum(len(f'"name":"{name}",') for name in alone)
    assert facts["other_variables"] == sum(single["other_variables"] for single in singles) + names
    kit = load_model(tmp_path / "kit.embz")
    calls: list[str] = []
    for method in ("__getitem__", "encode"):
        original = getattr(CompressedEmbedding, method)

        def counted(self: Any, what: Any, *, method: str = method, original: Any = original) -> Any:
            calls.append(method)
            return original(self, what)

        monkeypatch.setattr(CompressedEmbedding, method, counted)
    kit.predict(["lion zoo"])
    assert calls == ["encode", "__getitem__"]


def test_mapped_heads_are_mapped_and_can_be_verified(tmp_path: Path) -> None:
    path = tmp_path / "kit.embz"
    Kit.of(classifiers("int8")).save(path)
    kit = load_model(path, mmap=True)
    for classifier in kit.classifiers.values():
        for array in classifier.arrays.values():
            base = array
            while base is not None and not isinstance(base, np.memmap):
                base = base.base
            assert base is not None
    kit.verify()
    content = bytearray(path.read_bytes())
    last = kit.classifiers["length"].arrays["project.kernel"].tobytes()
    content[content.index(last) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="digest"):
        load_model(path)
    with pytest.raises(FileFormatError, match="the arrays of a classifier do not match"):
        load_model(path, mmap=True).verify()


def test_one_of_a_kit(tmp_path: Path) -> None:
    path = tmp_path / "kit.embz"
    Kit.of(classifiers()).save(path)
    mood = load_classifier(path, head="mood")
    assert mood.labels == ("glad", "sad", "so")
    for head in (None, "other"):
        with pytest.raises(MismatchError, match=r"kit\.embz: a kit of the classifiers topic, mood"):
            load_classifier(path, head=head)
    with pytest.raises(MismatchError, match="a kit of the classifiers"):
        evaluate(path, [Example(text="lion", label="glad")])
    mood.save(tmp_path / "mood.embz")
    assert isinstance(load_model(tmp_path / "mood.embz"), Classifier)
    with pytest.raises(MismatchError, match="contains one without a name"):
        load_classifier(tmp_path / "mood.embz", head="mood")


@pytest.mark.parametrize("spec", ["int8", "center|svd:4|int8", "svd:3|float16"])
@pytest.mark.parametrize("fold", [True, False])
def test_a_kit_is_rebuilt_on_one_table(spec: str, fold: bool) -> None:
    kit = Kit.of(classifiers())
    small = rebuild_kit(kit, codec=spec, fold=fold)
    assert (small.embedding.codec.transforms == ()) == (fold or spec == "int8")
    # The same table under each classifier by itself gives the same answers.
    table = small.embedding if not fold else rebuild_kit(kit, codec=spec, fold=False).embedding
    alone = {n: rebuild(c, table, fold=False) for n, c in kit.classifiers.items()}
    for name, rows in small.probabilities(TEXTS).items():
        np.testing.assert_allclose(rows, alone[name].probabilities(TEXTS), atol=1e-5)


def test_classifiers_rebuilt_on_one_compressed_table_make_a_kit() -> None:
    one, other = tiny_classifier(), tiny_classifier(encoder=MeanConfig)
    with pytest.raises(MismatchError, match="rebuild"):
        Kit.of({"a": rebuild(one, codec="int8"), "b": rebuild(other, codec="svd:3|int8")})
    table = compress(one.embedding, "center|svd:4|int8")
    both = {"a": rebuild(one, table), "b": rebuild(other, table)}
    assert_answers_as_each_alone(Kit.of(both), both)


def test_keras_gives_one_output_a_classifier() -> None:
    kit = rebuild_kit(Kit.of(classifiers()), codec="center|svd:4|int8")
    model = tf.from_kit(kit)
    ids = np.zeros((len(TEXTS), 30), np.int32)
    for row, found in enumerate(kit.embedding.encode(TEXTS)):
        ids[row, : len(found)] = found
    answers = model(ids)
    assert list(answers) == list(kit.classifiers)
    for name, expected in kit.probabilities(TEXTS).items():
        np.testing.assert_allclose(np.asarray(answers[name]), expected, rtol=1e-5, atol=1e-7)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("CompressedEmbeddingLayer") == 1


def test_two_label_sets_over_one_frozen_table(tmp_path: Path) -> None:
    """The way to a kit: `train --frozen` twice, `kit`, `predict`, on the command line."""
    table, train = tmp_path / "shared.embz", examples(120)
    save(compress(vectors(), "svd:8|int8"), table)
    upper = [replace(e, label=e.label.upper() if e.label == "a" else "other") for e in train]
    texts = [example.text for example in examples(40, seed=1)]
    for name, rows, encoder in (("three", train, "cnn"), ("two", upper, "mean")):
        lines = "".join(f"{example.label}\t{example.text}\n" for example in rows)
        (tmp_path / f"{name}.tsv").write_text(lines)
        run(
            "train", tmp_path / f"{name}.tsv", "--vectors", table, "--frozen", "--epochs", 2,
            "--encoder", encoder, "-o", tmp_path / f"{name}.embz",
        )  # fmt: skip
    kit = tmp_path / "kit.embz"
    told = run("kit", tmp_path / "three.embz", tmp_path / "two.embz", "-o", kit)
    assert "2 classifiers over one table: three, two" in told
    columns = [
        line.split("\t") for line in run("predict", kit, stdin="\n".join(texts)).splitlines()
    ]
    for index, name in enumerate(("three", "two")):
        alone = run("predict", tmp_path / f"{name}.embz", stdin="\n".join(texts)).splitlines()
        assert [row[index] for row in columns] == [line.replace("\t", " ") for line in alone]
    record = json.loads(run("predict", kit, "--json", stdin="w00"))
    assert list(record["predictions"][0]) == ["three", "two"]
    shown = run("inspect", kit)
    assert "three cnn, 3 labels" in shown
    assert "two mean, 2 labels" in shown
    accuracy = json.loads(run("evaluate", kit, tmp_path / "two.tsv", "--head", "two", "--json"))[
        "accuracy"
    ]
    assert accuracy == evaluate(tmp_path / "two.embz", upper).accuracy
    run("rebuild", kit, "--codec", "svd:6|int8", "-o", tmp_path / "small.embz")
    assert list(load_model(tmp_path / "small.embz").classifiers) == ["three", "two"]
    run(
        "kit", tmp_path / "three.embz", tmp_path / "two.embz", "-o", kit, "--name", "x",
        "--name", "y y",
    )  # fmt: skip
    assert list(load_model(kit).classifiers) == ["x", "y y"]


# What is refused


def test_different_tables_are_refused_with_the_way_out() -> None:
    one = tiny_classifier("int8")
    for other in (tiny_classifier("int8", seed=1), tiny_classifier("float16")):
        with pytest.raises(MismatchError, match=r"must share one table.*rebuild.*--frozen"):
            Kit.of({"a": one, "b": other})
    cased = WordTokenizer(WORDS, Normalization(lowercase=False))
    with pytest.raises(MismatchError, match="their tokenizers differ"):
        Kit.of({"a": one, "b": replace(one, embedding=replace(one.embedding, tokenizer=cased))})


def test_names_of_a_kit() -> None:
    one = tiny_classifier()
    with pytest.raises(InputError, match="need different names, and two are called 'a'"):
        Kit.of([("a", one), ("a", one)])
    for name in ("", "a\nb", "a\tb"):
        with pytest.raises(InputError, match="printable"):
            Kit.of({name: one})
    with pytest.raises(InputError, match="at least one"):
        Kit.of({})
    with pytest.raises(MismatchError, match=r"Kit\.of"):
        Kit(one.embedding, {"a": tiny_classifier()})


@pytest.mark.parametrize("names", [("a", "a"), ("a", None), (3, "b"), ("", "b")])
def test_a_crafted_kit(names: tuple, tmp_path: Path) -> None:
    one = tiny_classifier(encoder=CnnConfig)

    class Crafted:
        embedding = one.embedding

        def head_tensors(self) -> list[dict]:
            return [one.tensors({} if name is None else {"name": name}) for name in names]

    save(Crafted(), tmp_path / "crafted.embz")
    with pytest.raises(
        FileFormatError, match=r"crafted\.embz: the classifier in this file is damaged"
    ):
        load_model(tmp_path / "crafted.embz")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kit", "one.embz", "other.embz", "-o", "kit.embz"], "must share one table"),
        (["kit", "one.embz", "missing.embz", "-o", "kit.embz"], "missing.embz"),
        (["kit", "one.embz", "table.embz", "-o", "kit.embz"], "found only an embedding"),
        (["kit", "one.embz", "one.embz", "-o", "kit.embz"], "need different names, and two"),
        (["kit", "old.embz", "one.embz", "-o", "kit.embz"], "is a kit already"),
        (["evaluate", "old.embz", "test.tsv"], "a kit of the classifiers a, b: name one"),
        (["evaluate", "one.embz", "test.tsv", "--head", "a"], "without a name"),
        (["rebuild", "old.embz", "--codec", "int8", "--tune", "test.tsv"], "this is a kit"),
        (["train", "test.tsv", "--vectors", "table.embz", "--encoder", "rnn"], "cnn, mean, att"),
        (["train", "test.tsv", "--vectors", "table.embz", "--heads", "2"], "has no option 'heads'"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = tiny_classifier("int8")
    one.save("one.embz")
    tiny_classifier("int8", seed=1).save("other.embz")
    save(one.embedding, "table.embz")
    Kit.of({"a": one, "b": tiny_classifier("int8", encoder=MeanConfig)}).save("old.embz")
    Path("test.tsv").write_text("animals\tlion\npeople\tsay\n")
    before = Path("old.embz").read_bytes()
    refused = outcome(*arguments)
    assert refused.code == 1
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not Path("kit.embz").exists()
    assert Path("old.embz").read_bytes() == before
