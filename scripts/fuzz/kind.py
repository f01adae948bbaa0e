"""What a kind of damaged file is.

A reader returns plain values that can be compared, and raises `Wrong` for values that no file may
give, such as a probability that is no number.
"""

import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.fuzz.mutators import PLAIN, Mutator

Reader = Callable[[Path], Any]
WORDS = ["able", "ably", "about", "café", "lion", "people", "say", "tiger", "zoo"]
TEXTS = ["able lion zoo", "", "people say café"]


class Wrong(Exception):
    """A value that no file may give."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    name
        As `--kinds` takes it.
    make
        Writes the sample into an empty folder.
    entry
        What is read, within that folder.
    read
        How embzip reads it.
    files
        What is damaged, where that is not the entry.
    digests
        Whether the file has digests: it is refused, or reads as it was written.
    own
        How its own library reads it; where there is none, any values will do.
    same
        Says whether what embzip read is what its own library reads.
    mutators
        What damages it, beside those of all kinds.
    reseal
        Damages it and makes its digests right again.
    share
        How many of the mutants it gets, 1 for most: some readers take longer.
    """

    name: str
    make: Callable[[Path], None]
    entry: str
    read: Reader
    files: tuple[str, ...] = ()
    digests: bool = False
    own: Reader | None = None
    same: Callable[[Any, Any], bool] = operator.eq
    mutators: tuple[Mutator, ...] = field(default=())
    reseal: Mutator | None = None
    share: float = 1.0

    @property
    def damaged(self) -> tuple[str, ...]:
        """The files that are damaged, within the folder."""
        return self.files or (self.entry,)

    @property
    def every(self) -> tuple[Mutator, ...]:
        """Everything that damages it; what knows its form as often as what does not."""
        often = max(1, len(PLAIN) // max(1, len(self.mutators)))
        return PLAIN + self.mutators * often


def quiet() -> None:
    """Let no warning of a damaged file reach the log: only what is raised counts."""
    warnings.simplefilter("ignore")
