"""Mutilated copies of texts, which a teacher labels for its student.

A teacher knows its training texts by heart, and says little more of them than their labels; what it
thinks of single words and of mixtures shows on texts that were not there. Needs no TensorFlow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

_DROPPED = 0.2  # share of the words that a thinned copy lacks
_SWAPPED = 0.3  # share of a swapped copy's words for which a near one is looked for
_SHORTEST, _LONGEST = 2, 8  # words of a cut copy


@dataclass(frozen=True)
class Copy:
    """A mutilated text, and the two texts that it was made of (twice the same, unless spliced).

    Attributes
    ----------
    parts
        What stands between the spaces of the copy.
    """

    parts: list[str]
    first: int
    second: int

    @property
    def text(self) -> str:
        """The copy as one string."""
        return " ".join(self.parts)


def mutilated(
    texts: Sequence[str],
    drawn: NDArray[np.int64],
    rng: np.random.Generator,
    near: Mapping[str, Sequence[str]],
) -> Iterator[Copy]:
    """Yield a mutilated copy of each drawn text.

    Thinned (30 %): it lacks a fifth of the units. Spliced (22.5 %): the beginning of the text, and
    the end of another. Cut (22.5 %): 2 to 8 units in a row. Swapped (25 %): near words take the
    place of some; where none did, it is thinned.

    Parameters
    ----------
    near
        The words that may take a word's place, of those that have any.

    References
    ----------
    Tang et al. 2019, Distilling Task-Specific Knowledge from BERT into Simple Neural Networks, for
    students that learn from mutilated texts.

    Examples
    --------
    >>> texts = ["one two three four", "five six"]
    >>> drawn, near = np.array([0, 0, 1, 0]), {"one": ["1"], "four": ["4"]}
    >>> copies = mutilated(texts, drawn, np.random.default_rng(3), near)
    >>> [copy.text for copy in copies]
    ['one two three 4', 'one two three four', 'five six one two three four', 'three four']
    """
    others = rng.permutation(drawn)
    kinds = rng.random(len(drawn))
    for kind, first, other in zip(kinds, drawn.tolist(), others.tolist(), strict=True):
        units, are_words = _units(texts[first])
        second = first
        if kind < 0.225:
            second = other
            tail, _ = _units(texts[second])
            end = rng.integers(0, max(1, len(tail)))
            made = units[: rng.integers(1, max(1, len(units)) + 1)] + tail[end:]
        elif kind < 0.45:
            begin = rng.integers(0, max(1, len(units) - _SHORTEST + 1))
            made = units[begin : begin + rng.integers(_SHORTEST, _LONGEST + 1)]
        else:
            made = _swapped(units, rng, near) if are_words and kind >= 0.75 else units
            if made == units:
                kept = rng.random(len(units)) >= _DROPPED
                made = list(compress(units, kept))
        made = made or units
        yield Copy(made if are_words else ["".join(made)], first, second)


def _units(text: str) -> tuple[list[str], bool]:
    """Return a text's words, and True; or the characters of one long word."""
    words = text.split()
    if len(words) == 1 and len(words[0]) > 2 * _LONGEST:  # where no spaces separate words
        return list(words[0]), False
    return words, True


def _swapped(
    units: Sequence[str], rng: np.random.Generator, near: Mapping[str, Sequence[str]]
) -> list[str]:
    made = list(units)
    for place in np.flatnonzero(rng.random(len(units)) < _SWAPPED).tolist():
        if words := near.get(units[place]):
            made[place] = words[int(rng.integers(len(words)))]
    return made
