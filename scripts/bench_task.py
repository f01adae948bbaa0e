"""What compressing costs in accuracy: five data sets, words and BPE, three seeds, no fine-tuning.

    python -m scripts.bench_task data -o bench/task

For each data set, tokenizer and seed one model is trained in a process of its own: skip-gram
word2vec, then the shallow CNN with a trainable table; dev (its own file, or a tenth of train by a
fixed hash) chooses the epoch. `rebuild` then replaces the table, and nothing is trained again.
Sizes count every byte: `tcq` gets so many bits that codes and class tables together take the rate
asked for. Trained models stand under OUTPUT/steps and are never trained twice; what `rebuild` makes
is made anew where the library's code has changed. All data sets are done with seed 0, then with
seed 1, and so on, so that a run that is cut off has whole seeds.
"""

import argparse
import hashlib
import math
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

import embzip
from embzip import Example, read_examples, rebuild
from embzip.codecs.row_classes.tcq import Tcq
from embzip.codecs.spec import one_stage
from embzip.labelled.splits import split_examples
from embzip.pipeline.steps import Step, Steps, write_json
from embzip.types import Progress
from scripts.bench_task_tables import Outcome, detail_table, summary_table

SETS = ("tagmynews", "clinc150", "r8", "ru_avito", "debian-topic")
TOKENIZERS = ("words", "bpe")
# '@2.2' stands for `svd|tcq` with so many bits that all stored bytes take 2.2 bits a number;
# options of `tcq` may follow.
CODECS = (
    "int8", "svd:64|int8", "int4",
    "@2.2", "@1.2", "@1.2,states=128", "@0.7", "@0.7,states=128",
)  # fmt: skip
MOST_PIECES = 30_000


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


def main() -> None:
    """Train, rebuild, read test, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/{train,test[,dev]}.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--tokenizers", nargs="+", default=TOKENIZERS, choices=TOKENIZERS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--codecs", nargs="+", default=CODECS)
    parser.add_argument("--train-only", action="store_true", help="do not read test")
    arguments = parser.parse_args()
    settings = Settings()
    started = time.perf_counter()

    def log(line: str) -> None:
        print(f"{time.perf_counter() - started:7.0f} s  {line}", file=sys.stderr, flush=True)

    steps = Steps(arguments.output, log=log)
    tasks = [
        Task(arguments.texts / name, tokenizer, seed, settings)
        for seed in range(arguments.seeds)
        for name in arguments.sets
        for tokenizer in arguments.tokenizers
    ]
    for task in tasks:
        log(task.name)
        record = steps.record(model_step(task), "train.json")
        log(f"{record['rows']} rows, dev {max(record['dev_accuracy']):.4f}")
    if not arguments.train_only:
        codecs = ("float32", *arguments.codecs)
        outcomes = [
            outcome_of(steps, task, model_step(task), codec) for task in tasks for codec in codecs
        ]
        print(summary_table(outcomes), end="\n\n")
        print(detail_table(outcomes))


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

    train, dev = train_and_dev(task.folder)
    texts = folder / "texts.txt"
    texts.write_text("".join(f"{example.text}\n" for example in train), "utf-8")
    started = time.perf_counter()
    words = embzip.build_words(texts, folder / "words", min_count=1)
    tokenizer: Path = folder / "words"
    if task.tokenizer == "bpe":
        tokenizer = folder / "bpe"
        third = (len(words.vocabulary) - 2) // 3
        embzip.build_bpe(texts, tokenizer, vocab=min(MOST_PIECES, third))
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
    lengths = [len(ids) for ids in tf.batches.encode(vectors, train)]
    longest = tf.batches.default_max_length(lengths, least=3, most=settings.max_length)
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


def train_and_dev(folder: Path) -> tuple[list[Example], list[Example]]:
    """Return training and dev examples; without a dev file a tenth of train is held out."""
    train = read_examples(examples_file(folder, "train"))
    dev = sorted(folder.glob("dev.tsv*"))
    return (train, read_examples(dev[0])) if dev else split_examples(train)


def outcome_of(steps: Steps, task: Task, model: Step, codec: str) -> Outcome:
    """Return what one codec does to one model on test, against the uncompressed model."""

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        before = embzip.load_classifier(parents[0] / "model.embz")
        after, spec = before, "float32"
        if codec != "float32":
            spec = spec_of(codec, *before.embedding.shape)
            after = rebuild(before, codec=spec, seed=task.seed)
        path = folder / "model.embz"
        after.save(path)
        test = read_examples(examples_file(task.folder, "test"))
        # What is measured is what the file holds, not what was in memory.
        probabilities = embzip.load_classifier(path).probabilities(
            [example.text for example in test]
        )
        expected = [_place(after.labels, example.label) for example in test]
        np.savez(folder / "test.npz", probabilities=probabilities, expected=expected)
        facts = {"spec": spec, "bytes": path.stat().st_size, "table": after.embedding.nbytes}
        write_json(folder / "facts.json", facts)
        path.unlink()

    step = Step("test", {"codec": codec, "code": library_digest()}, (model,), make)
    trained = steps.record(model, "train.json")
    facts = steps.record(step, "facts.json")
    with np.load(steps.folder(step) / "test.npz") as arrays:
        return Outcome(
            data=task.folder.name,
            tokenizer=task.tokenizer,
            seed=task.seed,
            codec=codec,
            spec=facts["spec"],
            numbers=trained["rows"] * task.settings.dim,
            table_bytes=facts["table"],
            file_bytes=facts["bytes"],
            probabilities=arrays["probabilities"],
            expected=arrays["expected"],
        )


def spec_of(codec: str, rows: int, dim: int) -> str:
    """Return the codec's spec; for '@BITS[,options]' the `svd|tcq` whose bytes take BITS a number.

    Folding leaves the quantizer alone in the file, so its layout is all that counts.

    >>> spec_of("int8", 1000, 300), spec_of("@2.2", 40_000, 300)
    ('int8', 'svd|tcq:2.195')
    >>> spec_of("@2.2,states=128", 40_000, 300)
    'svd|tcq:2.195,states=128'
    """
    if not codec.startswith("@"):
        return codec
    quantizer = Tcq.from_stage(one_stage(f"tcq:{codec[1:]}"))
    beyond = max(0.0, 8 * quantizer.layout(rows, dim).nbytes / (rows * dim) - quantizer.bits)
    bits = math.floor(1000 * (quantizer.bits - beyond)) / 1000
    return f"svd|{replace(quantizer, bits=bits).stage}"


def library_digest() -> str:
    """Return a digest of the library's code: what it made is stale where that has changed."""
    package = Path(embzip.__file__).parent
    files = sorted(path for path in package.rglob("*") if path.suffix in (".py", ".npy"))
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(package)} {_digest(path)}\n".encode())
    return whole.hexdigest()


def _place(labels: Sequence[str], label: str) -> int:
    # A label that training never saw is never right.
    return labels.index(label) if label in labels else len(labels)


def examples_file(folder: Path, part: str) -> Path:
    """Return a data set's file of a part, train, dev or test; ends the program without one."""
    found = sorted(folder.glob(f"{part}.tsv*"))
    if not found:
        sys.exit(f"{folder}: no {part}.tsv, {part}.tsv.xz or {part}.tsv.gz there")
    return found[0]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
