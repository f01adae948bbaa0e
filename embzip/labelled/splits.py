"""Which labelled examples train and which judge: split by a fixed hash, and checked."""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence

from embzip.errors import InputError
from embzip.labelled.examples import Example


def split_examples(
    examples: Sequence[Example], fraction: float = 0.1
) -> tuple[list[Example], list[Example]]:
    """Split examples into (rest, held out) by a fixed hash of each text.

    A text falls on the same side, whatever the other examples are: so copies of a text are never on
    both sides. Only held-out examples of a label that the rest lacks go back to the rest.

    Examples
    --------
    >>> examples = [Example(text=f"text {number}", label="a") for number in range(20)]
    >>> rest, held_out = split_examples(examples)
    >>> len(rest), [example.text for example in held_out]
    (17, ['text 12', 'text 13', 'text 19'])
    """
    from hashlib import sha256  # imported here: it loads OpenSSL, which serving does not need

    bound = int(fraction * 2**32)
    kept: list[Example] = []
    held_out: list[Example] = []
    for example in examples:
        hashed = sha256(example.text.encode("utf-8", "surrogatepass")).digest()
        (held_out if int.from_bytes(hashed[:4], "big") < bound else kept).append(example)
    seen = {example.label for example in kept}
    kept += [example for example in held_out if example.label not in seen]
    return kept, [example for example in held_out if example.label in seen]


def check_training_labels(examples: Sequence[Example], where: str) -> tuple[str, ...]:
    """Return the sorted labels of training data, or raise if nothing can be learned from it.

    Raises
    ------
    InputError
        If there are fewer than two labels, or fewer than two different texts.
    """
    labels = tuple(sorted({example.label for example in examples}))
    if len(labels) < 2:
        raise InputError(
            f"{where}: training needs at least two different labels, found "
            + (f"only {labels[0]!r}" if labels else "none")
        )
    first = examples[0].text
    if all(example.text == first for example in examples):
        raise InputError(
            f"{where}: training needs at least two different texts, found only {first[:40]!r}"
        )
    return labels


def check_dev(dev: Sequence[Example], training: Iterable[Example], labels: Iterable[str]) -> None:
    """Warn of dev examples that say nothing about new texts.

    Parameters
    ----------
    labels
        What the classifier can answer.

    Warns
    -----
    UserWarning
        With their number: for texts that also stand in training, and for labels that no answer
        can be.

    Raises
    ------
    InputError
        If no example has a known label.

    Examples
    --------
    >>> import warnings
    >>> goal, vote = Example(text="a goal", label="sport"), Example(text="a vote", label="politics")
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     rain = Example(text="rain", label="weather")
    ...     check_dev([goal, rain], [goal, vote], ["politics", "sport"])
    >>> [str(warning.message).partition(",")[0] for warning in caught]
    ['dev shares 1 of its 2 texts with training', 'dev has labels that training lacks']
    """
    known = set(labels)
    foreign = Counter(example.label for example in dev if example.label not in known)
    rows = foreign.total()
    named = ", ".join(repr(label[:40]) for label in sorted(foreign)[:5])
    if rows == len(dev):
        learned_labels = ", ".join(map(repr, sorted(known)[:20]))
        raise InputError(f"dev must have labels of training ({learned_labels}), found only {named}")
    learned = {example.text for example in training}
    shared = [example.text for example in dev if example.text in learned]
    # Warned of here, not at the caller: the same dev is then said once in a process.
    if shared:
        warnings.warn(
            f"dev shares {len(shared):,} of its {len(dev):,} texts with training, such as "
            f"{shared[0][:40]!r}, so its accuracy is too high: remove them from one of the two",
            stacklevel=1,
        )
    if rows:
        warnings.warn(
            f"dev has labels that training lacks, in {rows:,} of its {len(dev):,} texts: {named}; "
            "they count as errors: correct them, or add such texts to training",
            stacklevel=1,
        )
