"""Mutilated copies of texts, which a teacher labels for its student.

A teacher knows its training texts by heart, and says little more of them than their labels; what it
thinks of single words and of mixtures shows on texts that were not there. Needs no TensorFlow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DROPPED = 0.2  # share of the words that a thinned copy lacks
_SHORTEST, _LONGEST = 2, 8  # words of a cut copy


@dataclass(frozen=True)
class Copy:
    """A mutilated text, and the two texts that it was made of (twice the same, unless spliced)."""

    text: str
    first: int
    second: int


def mutilated(
    texts: Sequence[str], drawn: NDArray[np.int64], rng: np.random.Generator
) -> list[Copy]:
    """Return a mutilated copy of each drawn text: thinned (40 %), spliced (30 %) or cut (30 %).

    A thinned copy lacks a fifth of the words; a spliced one has the beginning of the text, and the
    end of another; a cut one is 2 to 8 words in a row. A text of one long word, as where words are
    not separated by spaces, is mutilated by characters.

    References
    ----------
    Tang et al. 2019, Distilling Task-Specific Knowledge from BERT into Simple Neural Networks, for
    students that learn from mutilated texts.

    Examples
    --------
    >>> texts = ["one two three four", "five six"]
    >>> copies = mutilated(texts, np.array([0, 0, 1]), np.random.default_rng(3))
    >>> [copy.text for copy in copies]
    ['two three', 'three four', 'five one two three four']
    """
    others = rng.permutation(drawn)
    kinds = rng.random(len(drawn))
    copies = []
    for kind, first, other in zip(kinds, drawn.tolist(), others.tolist(), strict=True):
        words, joint = _words(texts[first])
        second = first
        if kind < 0.4:
            kept = rng.random(len(words)) >= _DROPPED
            made = [word for word, stays in zip(words, kept, strict=True) if stays]
        elif kind < 0.7:
            second = other
            tail, _ = _words(texts[second])
            end = rng.integers(0, max(1, len(tail)))
            made = words[: rng.integers(1, max(1, len(words)) + 1)] + tail[end:]
        else:
            begin = rng.integers(0, max(1, len(words) - _SHORTEST + 1))
            made = words[begin : begin + rng.integers(_SHORTEST, _LONGEST + 1)]
        copies.append(Copy(joint.join(made or words), first, second))
    return copies


def _words(text: str) -> tuple[list[str], str]:
    """Return the words of a text, and what joins them."""
    words = text.split()
    if len(words) == 1 and len(text) > 2 * _LONGEST:
        return list(words[0]), ""
    return words, " "
