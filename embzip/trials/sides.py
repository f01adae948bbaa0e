"""The texts of a search as one cached step: what is learned, what chooses, what the gate reads.

train.tsv     learned from
dev.tsv       one half of dev: it ends trainings, and ranks trials
gate.tsv      the other half: read once, at the end
texts.txt     the texts of train.tsv, then those without labels that are none of dev
corpus.json   how many there are

A fold of it holds out a part of train.tsv, as its gate.tsv, and learns from the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from embzip.corpus import Example, read_examples, read_texts
from embzip.errors import InputError
from embzip.files.seen import SeenFiles
from embzip.labelled.columns import Columns
from embzip.labelled.splits import check_dev, check_training_labels, split_examples
from embzip.labelled.writing import write_examples, write_lines
from embzip.pipeline.making import examples_of_side
from embzip.pipeline.steps import Step, write_json
from embzip.sources import in_short
from embzip.types import Progress

_LEAST = 10  # texts of each half of dev
_FILES = ("train", "dev", "more")
SIDES = ("train", "dev", "gate")
FOLDS = 5  # parts of the training texts on which a recipe is repeated


@dataclass(frozen=True)
class Texts:
    """The files that a search learns from; its workers know their digests alone.

    Attributes
    ----------
    train, dev
        Labelled; without dev, a tenth of train is held out.
    more
        Texts without labels.
    columns
        Of the labelled ones; None for the usual.
    """

    train: SeenFiles
    dev: SeenFiles = field(default_factory=SeenFiles)
    more: SeenFiles = field(default_factory=SeenFiles)
    columns: Columns | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the digests of all files, and the columns."""
        digests = {name: list(getattr(self, name).digests) for name in _FILES}
        return {**digests, "columns": None if self.columns is None else asdict(self.columns)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Texts":
        """Return what is known of texts elsewhere."""
        files = {name: SeenFiles(digests=tuple(record[name])) for name in _FILES}
        columns = record["columns"]
        return cls(**files, columns=None if columns is None else Columns(**columns))


def corpus_step(texts: Texts) -> Step:
    """Return the step that makes the sides of a search."""

    train, held_out = texts.train.paths, texts.dev.paths

    def make(folder: Path, _: Sequence[Path], progress: Progress) -> None:
        if not train:
            raise InputError(
                f"{folder.parent}: the texts that this search began with are gone from here, or "
                "changed: run the command again, which makes them anew"
            )
        with texts.train.unchanged(), texts.dev.unchanged(), texts.more.unchanged():
            training = read_examples(train, columns=texts.columns)
            if held_out:
                dev = read_examples(held_out, columns=texts.columns)
            else:
                training, dev = split_examples(training)
            further = list(read_texts(texts.more.paths))
        if texts.more.paths and not any(map(str.strip, further)):
            raise InputError(
                f"{in_short(texts.more.paths)}: the further texts hold no text: leave them out, or "
                "name files that do"
            )
        labels = check_training_labels(training, in_short(train))
        if held_out:
            check_dev(dev, training, labels)
        choosing, kept = halves(dev)
        if min(len(choosing), len(kept)) < _LEAST:
            raise InputError(
                f"{in_short(held_out or train)}: one half of dev chooses and the other is kept for "
                f"the gate, each of at least {_LEAST} texts; found {len(choosing)} and "
                f"{len(kept)}: add examples, or name a larger file as dev"
            )
        # What a student learned from tells nothing of new texts.
        judging, learned = ({example.text for example in side} for side in (dev, training))
        more = [text for text in further if text not in judging]
        _write_sides(folder, training, choosing, kept, more)
        record = {
            "train": len(training),
            "choosing": len(choosing),
            "gate": len(kept),
            "unlabelled": len(more),
            "left_out": len(further) - len(more),
            "shared": sum(example.text in learned for example in dev),
            "labels": list(labels),
            "missing": {
                name: sorted({*labels} - {each.label for each in side})
                for name, side in (("half that chooses", choosing), ("gate", kept))
            },
        }
        write_json(folder / "corpus.json", record)

    return Step("corpus", texts.to_json(), (), make)


def fold_step(corpus: Step, fold: int) -> Step:
    """Return the step that holds out one of `FOLDS` parts of a corpus' training texts.

    What is left, and the texts of the gate, which judge no more, are learned from. The half of dev
    that chooses ends trainings, as before. What equals a text that is held out is left out.
    """

    def make(folder: Path, folders: Sequence[Path], progress: Progress) -> None:
        train, dev, gate = (examples_of_side(folders[0], side) for side in SIDES)
        held_out = [example for example in train if fold_of(example) == fold]
        judging = {example.text for example in held_out}
        training = [example for example in (*train, *gate) if example.text not in judging]
        labels = check_training_labels(training, f"all folds but {fold}")
        choosing = [
            example for example in dev if example.label in labels and example.text not in judging
        ]
        every = list(read_texts(folders[0] / "texts.txt"))
        more = [text for text in every[len(train) :] if text not in judging]
        _write_sides(folder, training, choosing, held_out, more)

    return Step("fold", {"fold": fold, "folds": FOLDS}, (corpus,), make)


def fold_of(example: Example) -> int:
    """Return which of the `FOLDS` parts of the training texts an example is in."""
    return _hash_of(example)[30] % FOLDS


def halves(dev: Iterable[Example]) -> tuple[list[Example], list[Example]]:
    """Split dev into what chooses and what is kept for the gate, by a fixed hash of each text.

    It is independent of what `split_examples` and `embzip.tf.fold_of` go by.

    Examples
    --------
    >>> choosing, kept = halves(Example(text=f"text {number}", label="a") for number in range(100))
    >>> len(choosing), len(kept), choosing[0].text
    (48, 52, 'text 2')
    """
    choosing: list[Example] = []
    kept: list[Example] = []
    for example in dev:
        (kept if _hash_of(example)[31] & 1 else choosing).append(example)
    return choosing, kept


def _hash_of(example: Example) -> bytes:
    return sha256(example.text.encode("utf-8", "surrogatepass")).digest()


def _write_sides(
    folder: Path,
    training: Sequence[Example],
    choosing: Sequence[Example],
    gate: Sequence[Example],
    more: Sequence[str],
) -> None:
    for name, side in (("train", training), ("dev", choosing), ("gate", gate)):
        write_examples(folder / f"{name}.tsv", side)
    write_lines(folder / "texts.txt", [*(each.text for each in training), *more])
