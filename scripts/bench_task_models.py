"""The models of `bench_task` and `bench_winners`: trained once each, in a process of its own."""

import hashlib
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import embzip
from embzip import Classifier, Example
from embzip.pipeline.steps import Step, write_json
from embzip.types import Progress
from scripts.bench_texts import train_and_dev

TOKENIZERS = ("words", "bpe")
_MOST_PIECES = 30_000


@dataclass(frozen=True)
class Settings:
    """How every model is trained; `max_length` bounds the tokens of a text that are read.

    The optimizer is the Adam that updates only the rows a batch has read: it takes half the time
    on large tables, and every codec is compared with the same model.
    """

    dim: int = 300
    vector_epochs: int = 30
    epochs: int = 12
    patience: int = 3
    max_length: int = 160
    optimizer: Literal["adam", "adam-rows"] = "adam-rows"


@dataclass(frozen=True)
class Task:
    """One model: a data set, a tokenizer and a seed."""

    folder: Path
    tokenizer: str
    seed: int
    settings: Settings

    @property
    def name(self) -> str:
        """What progress lines and records call it."""
        return f"{self.folder.name}-{self.tokenizer}-{self.seed}"


def model_step(task: Task) -> Step:
    """Return the step that trains one model; its key holds all that decides what comes out."""

    def make(folder: Path, _: Sequence[Path], progress: Progress) -> None:
        # A process a model: TensorFlow does not give all memory back.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(train_model, task, folder).result()

    files = {path.name: _digest(path) for path in sorted(task.folder.glob("*.tsv*"))}
    test = next(name for name in files if name.startswith("test."))
    files.pop(test)
    how = vars(task.settings) | {"tokenizer": task.tokenizer, "seed": task.seed, "files": files}
    return Step(f"model-{task.name}", how, (), make)


def train_model(task: Task, folder: Path) -> None:
    """Train one model into a folder: model.embz with counts, and train.json."""
    from embzip import tf
    from embzip.tf import batches

    train, dev = train_and_dev(task.folder)
    texts = folder / "texts.txt"
    texts.write_text("".join(f"{example.text}\n" for example in train), "utf-8")
    started = time.perf_counter()
    words = embzip.build_words(texts, folder / "words", min_count=1)
    tokenizer: Path = folder / "words"
    if task.tokenizer == "bpe":
        tokenizer = folder / "bpe"
        third = (len(words.vocabulary) - 2) // 3
        embzip.build_bpe(texts, tokenizer, vocab=min(_MOST_PIECES, third))
    settings = task.settings
    vectors = embzip.train_vectors(
        texts,
        tokenizer,
        dim=settings.dim,
        epochs=settings.vector_epochs,
        method="word2vec",
        seed=task.seed,
    )
    vector_seconds = time.perf_counter() - started
    lengths = [len(ids) for ids in batches.encode(vectors, train)]
    longest = batches.default_max_length(lengths, least=3, most=settings.max_length)
    result = tf.train(
        train,
        vectors,
        dev=dev,
        max_length=longest,
        epochs=settings.epochs,
        patience=settings.patience,
        optimizer=settings.optimizer,
        seed=task.seed,
    )
    result.classifier.save(folder / "model.embz", counts=True)
    texts.unlink()
    record = {
        "rows": len(vectors.vocabulary),
        "dev_accuracy": result.dev_accuracy,
        "epoch_seconds": result.epoch_seconds,
        "vector_seconds": vector_seconds,
        "cut_share": result.cut_share,
        "seconds": time.perf_counter() - started,
    }
    write_json(folder / "train.json", record)


def answers_of(
    classifier: Classifier, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return (texts, labels) probabilities, and (texts,) whether each is answered rightly."""
    probabilities = classifier.probabilities([example.text for example in examples])
    named = np.array(classifier.labels)[probabilities.argmax(axis=1)]
    return probabilities, named == np.array([example.label for example in examples])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
