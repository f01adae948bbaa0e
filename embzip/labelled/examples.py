"""One labelled text, and many of them made of what is in memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from embzip.errors import InputError, MismatchError
from embzip.labelled.columns import label_of, text_of
from embzip.labelled.texts import Texts


@dataclass(frozen=True, kw_only=True)
class Example:
    """One labelled text; its fields are named, since files and libraries differ in their order.

    >>> Example(label="sport", text="three goals in ten minutes").label
    'sport'
    """

    label: str
    text: str


def make_examples(labels: Iterable[object], texts: Iterable[str]) -> list[Example]:
    """Return examples of labels and texts in memory: lists, columns of pandas or of `datasets`, ...

    Parameters
    ----------
    labels
        Text, or whole numbers, which become text.
    texts
        As many.

    Raises
    ------
    InputTypeError
        For a text that is no string, or one string in the place of several.
    InputError
        For a label of another type, or an empty one; names the row.
    MismatchError
        Where there are not as many labels as texts.

    Examples
    --------
    >>> make_examples([1, "sport"], ["a vote", "a goal"])[0]
    Example(label='1', text='a vote')
    """
    checked, named = list(Texts(texts)), list(labels)
    if len(named) != len(checked):
        raise MismatchError(
            f"every text needs one label, received {len(named):,} labels and {len(checked):,} texts"
        )
    made = []
    for row, (given, text) in enumerate(zip(named, checked, strict=True)):
        # A number of NumPy is one of Python's after .item().
        label = label_of(given.item() if hasattr(given, "item") else given)
        if not isinstance(label, str) or not label:
            found = f"{len(label)} labels" if label else "an empty one"
            raise InputError(f"row {row}: expected one label, found {found}")
        made.append(Example(label=label, text=text_of(text)))
    return made
