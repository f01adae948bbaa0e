"""What a given teacher must share with a search, and what it may have seen of its texts."""

from collections.abc import Sequence
from pathlib import Path

from embzip.classifier import load_classifier
from embzip.classifier.text_digests import TextDigest
from embzip.errors import MismatchError
from embzip.pipeline.making import examples_of_side
from embzip.trials.sides import SIDES


def check_labels(known: Sequence[str], labels: Sequence[str], path: str | Path) -> None:
    """Raise MismatchError unless a teacher has the labels of the training texts."""
    apart = sorted({*known} ^ {*labels})
    if apart:
        has, lacks = ("the teacher", "train") if apart[0] in known else ("train", "the teacher")
        raise MismatchError(
            f"{path}: a teacher has the labels of the training texts: {has} has {apart[0]!r}, "
            f"which {lacks} has not: train it on these texts"
        )


def doubts(teacher: Path, corpus: Path) -> list[str]:
    """Return what is to be said of a teacher that may have seen the gate's texts.

    Parameters
    ----------
    corpus
        The folder of the search's sides.
    """
    record = load_classifier(teacher).training
    train, choosing, gate = (
        [example.text for example in examples_of_side(corpus, side)] for side in SIDES
    )
    if record.trained_on(TextDigest.of([*train, *choosing, *gate])):
        return [
            "the teacher was trained on the gate's texts, which it knows by heart: what the gate "
            "says of it is too good; train it without dev"
        ]
    if record.chosen_on(TextDigest.of([*choosing, *gate])):
        return [
            "the teacher chose its epoch by all of dev, the gate's texts included: there it is a "
            "little too good, and the verdict a little too strict"
        ]
    if record.trained_on(TextDigest.of(train)):
        return []
    return [
        "whether the teacher has seen the gate's texts is not known: it was trained on others than "
        "these training texts"
    ]
