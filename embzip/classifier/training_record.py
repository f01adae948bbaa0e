"""How a classifier was trained, and digests of the texts that it has seen.

A file stores this in some 200 bytes a run, without names of files, machines or times, so that equal
runs make equal files. What stands elsewhere in the file is not repeated: the encoder's options,
`max_length`, and whether texts are lower-cased.

Only whole sets of texts are known again, never single ones (a list of them would cost more than a
small classifier). What the vectors were trained on before is not known here.
"""

from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, Self, get_args

import numpy as np

from embzip.choices import unknown
from embzip.classifier.schedules import PolynomialSchedule
from embzip.classifier.text_digests import TextDigest
from embzip.classifier.training_options import Optimizer, check_training_options
from embzip.errors import InputError
from embzip.files.limits import MOST, check_size
from embzip.files.records import Fields

KINDS = ("train", "tune", "distill")
_OPTIMIZERS = tuple(name for name in get_args(Optimizer) if name != "auto")
_MOST_TEXTS = 2**48


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One run of `embzip.tf.train`, `tune` or `distill`: its options, and what it has seen.

    Attributes
    ----------
    kind
        `train`, which starts from random kernels; `tune`, which goes on from what was there; or
        `distill`, which goes on from what was left of it.
    training, dev
        The texts that the numbers come from, and those that chose among the epochs.
    held_out
        Whether dev was held out of the examples, a tenth by a fixed hash of the texts (all of them
        where that is none; then `dev` equals `training`); it was given otherwise.
    epochs, best_epoch
        How many were asked for, and which one was kept, from 1.
    batch_size, learning_rate, optimizer, seed
        As in `embzip.tf.train`; of the optimizers, the one that was chosen.
    dev_accuracy
        What dev says of the classifier as it is stored, to four digits; of the last run alone, and
        None where the table or a kernel was coded since.
    patience, trainable, random_init
        Of `train`; None or False where a run has no such option. Of `distill`: `patience`.
    interrupted
        Whether Ctrl-C ended the run before its time, so that the same options make another model.
    pruning
        Of `train`: the schedule in steps, or None.
    soft
        Of `train`: whether it learned probabilities, another model's word, instead of labels.
    class_weights
        Of `train`: whether rare labels counted more, `balanced`, or not, `none`.
    params, quantize
        Of `tune`.
    copies, labels, folds, rounded_epochs
        Of `distill`: copies of each text, how much labels counted, fold teachers, and epochs while
        numbers were read as the file rounds them.
    """

    kind: str
    training: TextDigest
    dev: TextDigest
    held_out: bool
    epochs: int
    best_epoch: int
    batch_size: int
    learning_rate: float
    optimizer: str
    seed: int
    dev_accuracy: float | None = None
    patience: int | None = None
    trainable: bool | None = None
    random_init: bool = False
    interrupted: bool = False
    pruning: PolynomialSchedule | None = None
    params: bool = False
    quantize: bool = False
    soft: bool = False
    class_weights: str = "none"
    copies: int | None = None
    labels: float = 0.0
    folds: int = 0
    rounded_epochs: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(unknown(self.kind, KINDS, "kind of training"))
        check_size("epochs", self.epochs)
        check_size("batch_size", self.batch_size)
        for name in ("patience", "copies"):
            number = getattr(self, name)
            if number is not None:
                check_size(name, number, least=int(name == "patience"))
        for name in ("folds", "rounded_epochs"):
            check_size(name, getattr(self, name), least=0)
        for name in ("labels", "dev_accuracy"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise InputError(f"{name} must lie in 0..1, received {share}")
        if not 1 <= self.best_epoch <= self.epochs:
            raise InputError(
                f"best_epoch must lie in 1..{self.epochs} (epochs), received {self.best_epoch}"
            )
        if self.optimizer not in _OPTIMIZERS:
            raise InputError(unknown(self.optimizer, _OPTIMIZERS, "optimizer"))
        check_training_options(
            learning_rate=self.learning_rate,
            seed=self.seed,
            class_weights=self.class_weights,
        )
        for name, texts in (("training", self.training), ("dev", self.dev)):
            if not texts.count:
                raise InputError(f"a run has texts for {name}, received none")

    def to_json(self) -> dict[str, Any]:
        """Return what a file stores; options that are off are left out."""
        record: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or (field.default is not MISSING and value == field.default):
                continue
            if isinstance(value, TextDigest):
                value = [value.count, value.digest]
            elif isinstance(value, PolynomialSchedule):
                value = asdict(value)
            elif isinstance(value, np.generic):  # no JSON
                value = value.item()
            record[field.name] = value
        return record

    @classmethod
    def from_record(cls, record: Fields) -> Self:
        """Return the run that a file's record describes.

        Raises
        ------
        FileFormatError, InputError, SpecError
            For missing or unknown keys, values of the wrong type, and values out of range.
        """
        record.only(field.name for field in fields(cls))
        return cls(
            kind=record.choice("kind", KINDS),
            training=_texts(record, "training"),
            dev=_texts(record, "dev"),
            held_out=record.take("held_out", bool),
            epochs=record.whole("epochs"),
            best_epoch=record.whole("best_epoch"),
            batch_size=record.whole("batch_size"),
            learning_rate=record.take("learning_rate", float),
            optimizer=record.choice("optimizer", _OPTIMIZERS),
            seed=record.whole("seed"),
            dev_accuracy=record.take("dev_accuracy", float) if "dev_accuracy" in record else None,
            patience=record.whole("patience") if "patience" in record else None,
            trainable=record.take("trainable", bool) if "trainable" in record else None,
            random_init=record.take("random_init", bool, False),
            interrupted=record.take("interrupted", bool, False),
            pruning=_schedule(record.fields("pruning")) if "pruning" in record else None,
            params=record.take("params", bool, False),
            quantize=record.take("quantize", bool, False),
            soft=record.take("soft", bool, False),
            class_weights=record.take("class_weights", str, "none"),
            copies=record.whole("copies") if "copies" in record else None,
            labels=record.take("labels", float, 0.0),
            folds=record.whole("folds") if "folds" in record else 0,
            rounded_epochs=record.whole("rounded_epochs") if "rounded_epochs" in record else 0,
        )


@dataclass(frozen=True)
class TrainingRecord:
    """The runs that made a classifier's numbers, the first one first.

    It is empty where nothing is known, as of a classifier that was made in code. If the first run
    is no `train`, what came before is not known.

    What it says is true of the past: rebuilding, factorizing or a kit change no text that was seen.
    So yes is certain, and no means that the record cannot tell: texts may have been seen one by
    one, or by the vectors.

    Attributes
    ----------
    runs
        Each run that the numbers come from; a tuning that was not kept is none.

    Examples
    --------
    >>> train, dev = TextDigest.of(["a goal", "the vote"]), TextDigest.of(["a draw"])
    >>> run = TrainingRun(
    ...     kind="train", training=train, dev=dev, held_out=True, epochs=5, best_epoch=2,
    ...     batch_size=64, learning_rate=0.001, optimizer="adam", seed=0,
    ... )
    >>> record = TrainingRecord((run,))
    >>> record.trained_on(train), record.trained_on(dev), record.chosen_on(dev)
    (True, False, True)
    >>> record.has_seen(TextDigest.of(["a draw", "a goal", "the vote"]))
    True
    >>> record.measured(2 / 3).runs[-1].dev_accuracy
    0.6667
    """

    runs: tuple[TrainingRun, ...] = ()

    def then(self, run: TrainingRun) -> "TrainingRecord":
        """Return the record after one more run, of which alone dev's word counts."""
        return TrainingRecord((*self.measured(None).runs, run))

    def measured(self, accuracy: float | None) -> "TrainingRecord":
        """Return the record with the accuracy on the last run's dev, None where it is not known."""
        if not self.runs:
            return self
        known = None if accuracy is None else round(float(accuracy), 4)
        return TrainingRecord((*self.runs[:-1], replace(self.runs[-1], dev_accuracy=known)))

    def trained_on(self, texts: TextDigest) -> bool:
        """Return whether these are the training texts of a run."""
        return any(run.training == texts for run in self.runs)

    def chosen_on(self, texts: TextDigest) -> bool:
        """Return whether these are the texts by which a run chose its epoch."""
        return any(run.dev == texts for run in self.runs)

    def has_seen(self, texts: TextDigest) -> bool:
        """Return whether these are a run's training texts, its dev, or both together."""
        return any(texts in (run.training, run.dev, run.training + run.dev) for run in self.runs)

    def widest(self, kind: str) -> "TrainingRecord":
        """Return the record after one more run, of the most bytes that a run of its kind takes."""
        most = TextDigest(_MOST_TEXTS, "f" * 16)
        own: dict[str, Any] = {"params": True, "quantize": True}
        if kind == "distill":
            own = {"copies": MOST["copies"], "labels": 1 / 3, "folds": MOST["folds"]}
            own |= {"rounded_epochs": MOST["rounded_epochs"]}
            own |= {"patience": MOST["patience"], "interrupted": True}
        run = TrainingRun(
            kind=kind,
            training=most,
            dev=most,
            held_out=False,
            epochs=MOST["epochs"],
            best_epoch=MOST["epochs"],
            batch_size=MOST["batch_size"],
            learning_rate=1.2345678901234567e-100,
            optimizer=max(_OPTIMIZERS, key=len),
            seed=2**32 - 1,
            dev_accuracy=0.1234,
            **own,
        )
        return self.then(run)

    def to_json(self) -> list[dict[str, Any]]:
        """Return what a file stores."""
        return [run.to_json() for run in self.runs]

    @classmethod
    def from_record(cls, record: Fields) -> Self:
        """Return the record of a classifier from the key `training` of a file's record, if there.

        Raises
        ------
        FileFormatError, InputError, SpecError
            As in `TrainingRun.from_record`.
        """
        runs = record.take("training", list, [])
        where = f"{record.where}, training"
        return cls(
            tuple(
                TrainingRun.from_record(Fields.of(run, f"{where}[{index}]", record.error))
                for index, run in enumerate(runs)
            )
        )


def _texts(record: Fields, key: str) -> TextDigest:
    pair = record.take(key, list)
    if len(pair) != 2:
        raise record.wrong(key, "a count and a digest", pair)
    named = replace(
        record, values={"count": pair[0], "digest": pair[1]}, where=f"{record.where}, {key}"
    )
    return TextDigest(named.whole("count"), named.take("digest", str))


def _schedule(record: Fields) -> PolynomialSchedule:
    record.only(field.name for field in fields(PolynomialSchedule))
    return PolynomialSchedule(
        final=record.take("final", float),
        end=record.whole("end"),
        initial=record.take("initial", float),
        begin=record.whole("begin"),
        frequency=record.whole("frequency"),
        exponent=record.take("exponent", float),
    )
