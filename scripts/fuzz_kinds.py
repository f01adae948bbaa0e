"""What a kind of damaged file is, and the list of all.

A reader returns plain values that can be compared, and raises `Wrong` for values that no file may
give, such as a probability that is no number. The kinds themselves are in `fuzz_embz`, `fuzz_texts`
and `fuzz_frameworks`, and what puts right digests on damage in `fuzz_reseal`.
"""

import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.fuzz_mutators import PLAIN, Mutator

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


def kinds() -> tuple[Kind, ...]:
    """Return every kind, those of frameworks last."""
    return (*plain_kinds(), *frameworks())


def plain_kinds() -> tuple[Kind, ...]:
    """Return the kinds that need no TensorFlow."""
    from scripts.fuzz_embz import embz_kinds
    from scripts.fuzz_texts import text_kinds

    return (*embz_kinds(), *text_kinds())


def frameworks() -> tuple[Kind, ...]:
    """Return the kinds that need TensorFlow."""
    from scripts.fuzz_frameworks import framework_kinds

    return framework_kinds()


def quiet() -> None:
    """Let no warning of a damaged file reach the log: only what is raised counts."""
    warnings.simplefilter("ignore")
