"""Case 73 for everything that answers: eight threads, a fork, a pickle, all as one thread alone."""

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from embzip.classifier import Kit, load_model, load_one
from embzip.compression import compress
from embzip.tokenizers.building import build_bpe
from embzip.types import Matrix
from embzip.vectors.base import Vectors
from tests.models import WORDS, classifiers, tiny_classifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
)
TEXTS = ["able lion zoo", "", "people say " * 30, "tiger", "unheard of", "café ably"] * 10
SOURCES = {
    "words.embz": load_model,
    "bpe.embz": load_model,
    "packed.embz": lambda path: load_model(path, mmap=True),
    "kit.embz": load_model,
    "bpe.tflite": load_model,
    "kit.tflite": load_model,
    "kit.tflite, mood": lambda path: load_one(path.with_name("kit.tflite"), head="mood"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from embzip.tf.export import export  # not in the children, which import this module

    path = tmp_path_factory.mktemp("sharing")
    tiny_classifier("svd:4|tcq:2").save(path / "words.embz")
    (path / "corpus.txt").write_text(f"{' '.join(WORDS)}\n" * 50, "utf-8")
    tokenizer = build_bpe(path / "corpus.txt", vocab=40, engine="tokenizers")
    rng = np.random.default_rng(0)
    size = len(tokenizer.vocabulary)
    matrix = rng.normal(size=(size, 6)).astype(np.float32)
    table = compress(Vectors(tokenizer.vocabulary, matrix, np.arange(size), tokenizer), "int8")
    bpe = replace(tiny_classifier(), embedding=table)
    bpe.save(path / "bpe.embz")
    export(bpe, path / "bpe.tflite")
    replace(bpe, embedding=_large(tokenizer.vocabulary, tokenizer)).save(
        path / "packed.embz", pack=True
    )
    kit = Kit.of(classifiers("int8"))
    kit.save(path / "kit.embz")
    export(kit, path / "kit.tflite")
    return path


def _large(vocabulary: Any, tokenizer: Any) -> Any:
    rng = np.random.default_rng(1)
    matrix = (rng.normal(size=(len(vocabulary), 6)) ** 3).astype(np.float32)
    return compress(Vectors(vocabulary, matrix, None, tokenizer), "kmeans:5")


@pytest.fixture(params=SOURCES)
def opened(files: Path, request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Opens the same model anew."""
    return lambda: SOURCES[request.param](files / request.param)


def answers(model: Any) -> list[Matrix]:
    found = model.probabilities(TEXTS)
    labels = [p if isinstance(p, dict) else {"": p} for p in model.predict(TEXTS)]
    matrices = list(found.values()) if isinstance(found, dict) else [found]
    return [*matrices, np.array([[each.label for each in row.values()] for row in labels])]


def same(found: list[Matrix], expected: list[Matrix]) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_case_73_eight_threads_begin_at_once(opened: Callable[[], Any]) -> None:
    """Nothing has been asked of the model before: what it makes at first use, all make."""
    expected, model = answers(opened()), opened()
    barrier = Barrier(8)

    def ask(_: int) -> list[list[Matrix]]:
        barrier.wait(60)
        return [answers(model) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        for rounds in pool.map(ask, range(8)):
            for found in rounds:
                same(found, expected)


def _answer(model: Any, results: Any) -> None:
    results.put(answers(model))


@pytest.mark.parametrize("asked", [False, True])
def test_case_73_a_fork_before_or_after_the_first_answer(
    opened: Callable[[], Any], asked: bool
) -> None:
    expected, model = answers(opened()), opened()
    if asked:
        same(answers(model), expected)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    children = [context.Process(target=_answer, args=(model, results)) for _ in range(2)]
    for child in children:
        child.start()
    for _ in children:
        same(results.get(), expected)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    same(answers(model), expected)


def test_case_73_a_pickle_in_another_process(opened: Callable[[], Any]) -> None:
    model = opened()
    before, expected = pickle.dumps(model), answers(model)
    for content in (before, pickle.dumps(model)):
        same(answers(pickle.loads(content)), expected)
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    child = context.Process(target=_answer, args=(model, results))
    child.start()
    same(results.get(), expected)
    child.join(60)
    assert child.exitcode == 0


def test_every_interpreter_answers_alike(files: Path) -> None:
    """LiteRT moved memory in its first run: of 100 loads two to ten answered wrong after it."""
    expected = answers(load_model(files / "kit.embz"))
    for _ in range(100):
        model = load_model(files / "kit.tflite")
        for _ in range(2):
            found = model.probabilities(TEXTS[:6])
            for mine, theirs in zip(found.values(), expected, strict=False):
                np.testing.assert_allclose(mine, theirs[:6], atol=1e-5)
