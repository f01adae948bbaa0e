"""What a classifier is trained to say: its labels, and probabilities in their place."""

from collections import defaultdict
from collections.abc import Sequence

from embzip.corpus import Example
from embzip.errors import InputError
from embzip.labelled.splits import check_training_labels
from embzip.soft_labels import SoftLabels, checked_probabilities
from embzip.types import Matrix


def answered_labels(
    examples: Sequence[Example],
    labels: Sequence[str] | None,
    targets: SoftLabels | Matrix | None,
) -> tuple[str, ...]:
    """Return the labels that a classifier answers with, in the order of its output columns.

    Those that are given, or those of the soft labels, or those of the examples; the latter sorted.

    Raises
    ------
    InputError
        For examples from which nothing can be learned, and for a label that stands twice, that only
        examples have, or that only one of `labels` and soft labels has. The message names it.
    """
    own = check_training_labels(examples, "the training examples")
    soft = targets.labels if isinstance(targets, SoftLabels) else None
    chosen = tuple(labels) if labels is not None else tuple(sorted(soft or own))
    if len({*chosen}) < len(chosen):
        twice = next(label for label in chosen if chosen.count(label) > 1)
        raise InputError(f"labels must be different, and {twice!r} stands twice")
    who = "labels" if soft is None or labels is not None else "the soft labels"
    lacking = sorted({*own} - {*chosen})
    if lacking:
        raise InputError(
            f"{who} must have every label of the training examples, and lack {lacking[0]!r}: add "
            "it, or leave its examples out of training"
        )
    apart = sorted({*chosen} ^ {*(chosen if soft is None else soft)})
    if apart:
        raise InputError(
            f"labels must be those of the soft labels, and only one of both has {apart[0]!r}"
        )
    return chosen


def targets_of(
    targets: SoftLabels | Matrix | None,
    examples: Sequence[Example],
    kept: Sequence[Example],
    labels: Sequence[str],
) -> Matrix | None:
    """Return the (kept, labels) probabilities of the examples that are kept for training.

    Parameters
    ----------
    targets
        Of a matrix, row i belongs to example i.
    examples
        All of them.
    kept
        Some of these, in any order.

    Raises
    ------
    InputError
        For a matrix that is none of probabilities.
    MismatchError
        For a text without soft labels.
    """
    if targets is None:
        return None
    if isinstance(targets, SoftLabels):
        return targets.rows_of(kept, labels)
    checked = checked_probabilities(targets, [example.text for example in examples], labels)
    places = defaultdict[Example, list[int]](list)
    for place, example in enumerate(examples):
        places[example].append(place)
    for each in places.values():
        each.reverse()
    return checked[[places[example].pop() for example in kept]]
