"""Fold teachers: classifiers that have not seen a part of the training texts, and so teach it."""

import gc
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier import Classifier, load_classifier
from embzip.classifier.training_options import check_folds
from embzip.classifier.training_record import TrainingRun
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.embz.meta import meta_of
from embzip.errors import FileFormatError, InputError
from embzip.files.limits import check_size
from embzip.files.outputs import make_folder
from embzip.files.own_source import source_digest
from embzip.files.reading import digest
from embzip.soft_labels import SoftLabels
from embzip.tf.batches import training_and_dev
from embzip.tf.pruning import GradualPruning
from embzip.tf.targets import answered_labels, targets_of
from embzip.tf.training import train
from embzip.types import Matrix, TrainingProgress
from embzip.vectors.base import Vectors, vectors_of

_KEY = "fold-teacher"  # of a kept file: the digest of all that it was made from


def fold_of(texts: Sequence[str], folds: int) -> NDArray[np.int64]:
    """Return the fold of each text, 0 to `folds` - 1, by a fixed hash of it.

    It does not depend on the other texts, nor on whether `split_examples` holds the text out.

    Raises
    ------
    InputError
        For less than two folds, or more than 1,024.

    Examples
    --------
    >>> fold_of(["a goal", "a draw", "a goal"], 4).tolist()
    [3, 1, 3]
    """
    check_size("folds", folds, least=2)
    hashed = (sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    # The first bytes decide who is held out.
    places = (int.from_bytes(each[16:24], "big") % folds for each in hashed)
    return np.fromiter(places, np.int64, len(texts))


def fold_teachers(
    teacher: Classifier,
    examples: Sequence[Example],
    vectors: Vectors | CompressedEmbedding,
    *,
    folds: int = 4,
    dev: Sequence[Example] | None = None,
    targets: SoftLabels | Matrix | None = None,
    seed: int | None = None,
    work: str | Path | None = None,
    progress: TrainingProgress | None = None,
) -> list[Classifier]:
    """Train classifiers like a teacher, each on all but one fold of the training texts.

    What a teacher says of texts that it was trained on is little more than their labels. Fold
    teacher i has not seen the texts of fold i (`fold_of`), and so can say something new of them.

    They are trained after one another, as the teacher's record says that it was: encoder, shape,
    `max_length`, optimizer, learning rate, batch size, epochs, patience, and the rest. What was
    done to the teacher after its training (compression, tuning) is not done to them.

    Parameters
    ----------
    examples
        Those of the teacher.
    vectors
        The table to begin with: the teacher's before its training, or another one. Not the
        teacher's own, which has seen every fold.
    dev
        As in `train`; None holds out the same tenth, which belongs to no fold.
    targets
        As in `train`; needed if the teacher learned probabilities.
    seed
        Fold teacher i has this seed plus i. None is the teacher's.
    work
        A folder that keeps each as a file when it is trained. One that is there already is taken
        from it if it was made by this embzip from equal texts, labels, targets, vectors and
        options; another one is trained anew and replaced.
    progress
        As in `train`, over the batches of all folds.

    Returns
    -------
    list[Classifier]
        Of each fold, with the labels of the teacher.

    Raises
    ------
    InputError
        For less than two folds or more than 1,024, a teacher without a record of its training, one
        that learned probabilities if no `targets` are given, a trained table of the teacher as
        `vectors`, and as in `train`.
    MismatchError, SpecError
        As in `train`.
    OutputError
        If `work` cannot be made, or is no folder.

    Examples
    --------
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2, 8))
    >>> examples = [Example(text="goal " * n, label="sport") for n in range(1, 21)]
    >>> examples += [Example(text="vote " * n, label="politics") for n in range(1, 21)]
    >>> teacher = train(examples, table, windows=(1,), epochs=1).classifier
    >>> [each.training.runs[0].seed for each in fold_teachers(teacher, examples, table, folds=2)]
    [0, 1]
    """
    run = _training_of(teacher)
    if run.soft and targets is None:
        raise InputError(
            "the teacher learned probabilities, and its fold teachers need them too: pass them as "
            "`targets`"
        )
    if run.trainable is not False and _same_table(vectors, teacher.embedding):
        raise InputError(
            "fold teachers begin with vectors that have not seen the folds, received the teacher's "
            "own trained table: pass the vectors that it was trained from, or new ones"
        )
    kept, held_out = training_and_dev(examples, dev)
    answered_labels(examples, teacher.labels, targets)
    rows = targets_of(targets, examples, kept, teacher.labels)
    fold = fold_of([example.text for example in kept], folds)
    parts = [np.flatnonzero(fold != index) for index in range(folds)]
    sizes = (len(kept), *map(len, parts))
    whole, *steps = (run.epochs * -(-size // run.batch_size) for size in sizes)
    check_folds(folds, len(kept))
    first = run.seed if seed is None else seed
    if work is not None:
        make_folder(Path(work), parents=True)
    options = _options_of(teacher, run, vectors)
    asked = [folds, first, teacher.labels, options, asdict(run)["pruning"]]
    key = "" if work is None else _key(asked, kept, held_out, rows, vectors)
    made: list[Classifier] = []
    for index, part in enumerate(parts):
        learned = [kept[place] for place in part]
        path = None if work is None else Path(work) / f"fold-{index}-of-{folds}.embz"
        facts = {_KEY: f"{index} {key}"}
        if path is not None and (kept_one := _kept(path, facts)) is not None:
            made.append(kept_one)
            continue
        gc.collect()  # Keras' models are cycles: without it, those of all folds stay in memory
        result = train(
            learned,
            vectors,
            dev=held_out,
            targets=None if rows is None else rows[part],
            labels=teacher.labels,
            seed=first + index,
            progress=_after(progress, sum(steps[:index]), sum(steps)),
            pruning=_pruning_of(run, steps[index] / whole),
            **options,
        )
        made.append(result.classifier)
        if path is not None:
            result.classifier.save(path, meta=facts)
    return made


def _kept(path: Path, facts: dict[str, str]) -> Classifier | None:
    """Return the classifier of a file with these facts; None for another file, or a damaged one."""
    try:
        return load_classifier(path) if path.is_file() and meta_of(path) == facts else None
    except FileFormatError:
        return None


def _key(
    options: Sequence[object],
    kept: Sequence[Example],
    dev: Sequence[Example],
    targets: Matrix | None,
    vectors: Vectors | CompressedEmbedding,
) -> str:
    """Return the digest of all that fold teachers are made from, and of what makes them."""
    table = vectors_of(vectors)
    read = b"" if table.tokenizer is None else table.tokenizer.to_bytes()
    texts = [[[example.label, example.text] for example in side] for side in (kept, dev)]
    said = json.dumps([source_digest(), options, texts, list(table.vocabulary)])
    arrays = [table.matrix] if targets is None else [table.matrix, targets]
    return digest(said.encode(), read, *(np.ascontiguousarray(each).data for each in arrays))


def _training_of(teacher: Classifier) -> TrainingRun:
    """Return the run that a teacher's numbers begin with."""
    runs = teacher.training.runs
    if not runs or runs[0].kind != "train":
        raise InputError(
            "fold teachers are trained as their teacher was, and this one does not say how: train "
            "it with `embzip train`, or `embzip.tf.train`"
        )
    return runs[0]


def _options_of(
    teacher: Classifier, run: TrainingRun, vectors: Vectors | CompressedEmbedding
) -> dict[str, Any]:
    """Return the options of `train` that made a teacher."""
    config = teacher.config
    options: dict[str, Any] = {name: getattr(config, name) for name in config.defaults()}
    if vectors.tokenizer is None:
        options["lowercase"] = teacher.tokenizer.normalization.lowercase
    return {
        "encoder": config.kind,
        "max_length": teacher.max_length,
        "trainable": run.trainable is not False,
        "random_init": run.random_init,
        "epochs": run.epochs,
        "batch_size": run.batch_size,
        "learning_rate": run.learning_rate,
        "patience": run.patience or run.epochs,
        "optimizer": run.optimizer,
        "class_weights": run.class_weights,
        **options,
    }


def _after(progress: TrainingProgress | None, before: int, total: int) -> TrainingProgress | None:
    """Return what a run tells its progress, as a part of several runs."""
    if progress is None:
        return None
    return lambda done, _, state: progress(before + done, total, state)


def _pruning_of(run: TrainingRun, share: float) -> GradualPruning | None:
    """Return the pruning of a run of so many times the steps."""
    if run.pruning is None:
        return None
    begin, end = (int(share * step) for step in (run.pruning.begin, run.pruning.end))
    return GradualPruning(replace(run.pruning, begin=begin, end=max(end, begin + 1)))


def _same_table(one: Vectors | CompressedEmbedding, other: CompressedEmbedding) -> bool:
    """Return whether a table is another one, in memory or read again from its file."""
    if (one.rows, one.dim) != (other.rows, other.dim):
        return False
    if isinstance(one, Vectors):
        return np.array_equal(one.matrix, other.decode())
    return one.codes.keys() == other.codes.keys() and all(
        np.array_equal(one.codes[name], other.codes[name]) for name in one.codes
    )
