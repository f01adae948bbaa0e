"""What runs an exported .tflite: one thread or many, pickled, forked, damaged."""

import io
import json
import multiprocessing
import pickle
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embzip.classifier import load_classifier, load_model
from embzip.corpus import Example
from embzip.errors import (
    FileFormatError,
    IdRangeError,
    InputTypeError,
    MissingFileError,
    NotFiniteError,
)
from embzip.evaluation.accuracy import evaluate
from embzip.litert.attachment import read_attachment
from embzip.tf.export import export
from embzip.tf.export.targets import TARGETS
from embzip.tokenizers import Normalization, WordTokenizer
from tests.models import tiny_classifier

TEXTS = ["able lion zoo", "", "people say " * 30, "tiger", "unheard of"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    model = tiny_classifier("int8", max_length=40)
    model.save(folder / "model.embz")
    export(model, folder / "model.tflite")
    return folder


@pytest.fixture(params=["model.embz", "model.tflite"])
def path(exported: Path, request: pytest.FixtureRequest) -> Path:
    return exported / request.param


def test_both_kinds_of_file_answer_alike(exported: Path) -> None:
    numpy_one, litert_one = (load_model(exported / f"model.{kind}") for kind in ("embz", "tflite"))
    texts = [("zoo " * (index % 45)) + "lion" for index in range(100)]
    expected = numpy_one.probabilities(texts)
    np.testing.assert_allclose(litert_one.probabilities(texts), expected, atol=1e-5)
    assert [p.label for p in litert_one.predict(texts)] == [
        p.label for p in numpy_one.predict(texts)
    ]
    assert litert_one.predict([]) == []
    examples = [Example(text="lion zoo", label="animals"), Example(text="people", label="people")]
    assert evaluate(litert_one, examples).accuracy == evaluate(numpy_one, examples).accuracy


def test_case_73_threads_share_a_classifier(path: Path) -> None:
    model = load_model(path)
    texts = TEXTS * 20
    expected = model.probabilities(texts)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(model.probabilities, [texts] * 16):
            np.testing.assert_array_equal(found, expected)


def _answer(model: Any, results: Any) -> None:
    results.put((model.encode(TEXTS), model.probabilities(TEXTS)))


def test_case_73_a_fork_after_load_answers_the_same(path: Path) -> None:
    model = load_model(path)
    expected = model.probabilities(TEXTS)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=_answer, args=(model, results))
    child.start()
    ids, found = results.get()
    child.join()
    assert ids == model.encode(TEXTS)
    np.testing.assert_array_equal(found, expected)


def test_case_73_a_pickled_classifier_answers_the_same(path: Path) -> None:
    model = load_model(path)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.labels == model.labels
    assert copy.encode(TEXTS) == model.encode(TEXTS)
    np.testing.assert_array_equal(copy.probabilities(TEXTS), model.probabilities(TEXTS))


@pytest.mark.parametrize("bad", [-1, 11])
def test_case_67_ids_outside_the_table_are_refused(path: Path, bad: int) -> None:
    with pytest.raises(IdRangeError, match=rf"0\.\.10, received {bad}"):
        load_model(path).probabilities_of_ids([[3, bad]])


def test_ids_may_be_arrays(path: Path) -> None:
    model = load_model(path)
    ids = [*model.encode(TEXTS), []]
    found = model.probabilities_of_ids([np.array(each, np.int32) for each in ids])
    np.testing.assert_array_equal(found, model.probabilities_of_ids(ids))


@pytest.mark.parametrize("texts", ["lion", b"lion", [b"lion"], None])
def test_other_types_are_named(path: Path, texts: Any) -> None:
    with pytest.raises(InputTypeError, match="str"):
        load_model(path).predict(texts)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.99, 0.9999])
def test_case_71_a_truncated_tflite(exported: Path, tmp_path: Path, share: float) -> None:
    content = (exported / "model.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileFormatError, match=r"cut\.tflite"):
        load_model(path)


def test_case_71_any_flipped_byte_is_noticed_or_harmless(exported: Path, tmp_path: Path) -> None:
    content = (exported / "model.tflite").read_bytes()
    expected = load_model(exported / "model.tflite").probabilities(TEXTS)
    path = tmp_path / "flipped.tflite"
    for place in np.random.default_rng(0).integers(8, len(content), 60):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(place % 8)
        path.write_bytes(flipped)
        try:
            model = load_model(path)
        except FileFormatError:
            continue
        np.testing.assert_array_equal(model.probabilities(TEXTS), expected)


def test_case_71_a_flipped_byte_of_what_is_attached(exported: Path, tmp_path: Path) -> None:
    """Most break what is compressed, whose error is zlib's."""
    content = (exported / "model.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.infolist()[0].header_offset
    expected = read_attachment(exported / "model.tflite")
    path = tmp_path / "flipped.tflite"
    refused = 0
    for place in range(start, len(content), 2):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found = read_attachment(path)
        except FileFormatError:
            refused += 1
            continue
        assert found.labels == expected.labels
        assert found.tokenizer.to_bytes() == expected.tokenizer.to_bytes()
    assert refused > (len(content) - start) // 4


def test_a_model_with_nothing_attached_says_what_to_do(exported: Path, tmp_path: Path) -> None:
    content = (exported / "model.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.infolist()[0].header_offset
    path = tmp_path / "bare.tflite"
    path.write_bytes(content[:start])
    with pytest.raises(FileFormatError, match="embzip export"):
        load_model(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        load_model(tmp_path / "none.tflite")


def test_a_tflite_is_no_source_of_a_table(exported: Path) -> None:
    with pytest.raises(FileFormatError, match=r"pass the \.embz"):
        load_classifier(exported / "model.tflite")


def test_serving_imports_numpy_and_litert_only(exported: Path) -> None:
    """`scripts.bench_serving` has the seconds; what is not imported takes none."""
    code = (
        "import sys, embzip\n"
        "embzip.load_model(sys.argv[1]).predict(['lion'])\n"
        "tops = {name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(*tops)\n"
        "print(*(name.split('.')[1] for name in sys.modules if name.startswith('embzip.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported / "model.tflite")],
        capture_output=True,
        text=True,
        check=True,
    )
    tops, own = (set(line.split()) for line in done.stdout.splitlines())
    assert {name for name in tops if not name.startswith("_")} == {
        "ai_edge_litert",
        "embzip",
        "lazy_loader",
        "numpy",
    }
    assert own == {
        "choices", "classifier", "errors", "files", "labelled", "litert", "prediction", "seeds",
        "sources", "threads", "tokenizers", "types", "vocabulary",
    }  # fmt: skip


def test_case_72_litert_is_missing(exported: Path) -> None:
    code = (
        "import sys; sys.modules['ai_edge_litert'] = None\nimport embzip\n"
        "embzip.load_model(sys.argv[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(exported / "model.tflite")],
        capture_output=True,
        text=True,
    )
    last = run.stderr.strip().splitlines()[-1]
    assert "`pip install 'ai-edge-litert>=2.0'`, or `uv sync --extra serve`" in last


def test_the_command_line_exports_and_predicts(exported: Path, tmp_path: Path) -> None:
    def embzip(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "embzip", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    texts = tmp_path / "texts.txt"
    texts.write_text("able lion zoo\npeople say\n")
    made = embzip(
        "export", str(exported / "model.embz"), "--compute", "int8", "--calibrate", "texts.txt"
    )
    assert made.returncode == 0, made.stderr
    assert "of the classifier's\nmodel.tflite" in made.stdout
    answered = embzip("predict", "model.tflite", "texts.txt")
    assert answered.stderr == ""
    assert len(answered.stdout.splitlines()) == 2
    assert embzip("export", "model.tflite", "-o", "x").stderr.startswith("embzip: error: ")
    assert embzip("export", str(exported / "model.embz"), "--compute", "int8").returncode == 2


def test_answers_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    model = tiny_classifier()
    arrays = {name: np.sign(array) * np.float32(9e18) for name, array in model.arrays.items()}
    rows = {"values": model.embedding.codes["values"] * np.float32(1e20)}
    model = replace(model, arrays=arrays, embedding=replace(model.embedding, codes=rows))
    with pytest.raises(NotFiniteError):
        export(model, tmp_path / "huge.tflite")
    assert not list(tmp_path.iterdir())
    TARGETS["litert"].write(model, tmp_path / "huge.tflite")
    loaded = load_model(tmp_path / "huge.tflite")
    for ask in (loaded.predict, loaded.probabilities):
        with pytest.raises(NotFiniteError, match="text 0: every probability must be a finite"):
            ask(TEXTS)
    with pytest.raises(NotFiniteError):
        evaluate(tmp_path / "huge.tflite", [Example(text="lion zoo", label="animals")])


def test_a_table_of_fewer_rows_than_its_tokenizer_is_one_error(
    exported: Path, tmp_path: Path
) -> None:
    """The ids that are beyond the table are found when the model runs."""
    other = tiny_classifier("int8", max_length=40)
    words = sorted([*list(other.embedding.vocabulary)[2:], *(f"zz{n}" for n in range(900))])
    content = (exported / "model.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        start = archive.infolist()[0].header_offset
    config = json.loads(members["config.json"]) | {"rows": len(words) + 2}
    members["config.json"] = json.dumps(config).encode()
    members["tokenizer"] = WordTokenizer(words, Normalization()).to_bytes()
    path = tmp_path / "rows.tflite"
    path.write_bytes(content[:start])
    with zipfile.ZipFile(path, "a") as archive:
        for name, inside in members.items():
            archive.writestr(name, inside)
    with pytest.raises(
        FileFormatError, match=r"rows\.tflite: LiteRT cannot run this model \("
    ) as e:
        load_model(path).predict(["zz899 lion"])
    assert "\n" not in str(e.value)
