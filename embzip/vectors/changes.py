"""What a user accepts of a file of vectors, and what of it was left out or changed.

Nothing is dropped silently: each thing is counted here, and said in one line.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal, cast, get_args

from embzip.choices import chosen
from embzip.errors import InputError
from embzip.files.limits import check_size
from embzip.files.lines import Errors

Duplicates = Literal["error", "first"]


@dataclass(frozen=True)
class Accepted:
    """What is accepted of a file of vectors.

    Attributes
    ----------
    skip_bad
        Whether rows that cannot be read are left out, and a header's number of rows may be wrong.
    limit
        How many rows are read, the first ones; None for all.
    duplicates
        `first` keeps the first row of a token that stands several times.
    errors
        `replace` puts U+FFFD in the place of invalid UTF-8.

    Raises
    ------
    SpecError, InputError
        For other values.
    """

    skip_bad: bool = False
    limit: int | None = None
    duplicates: Duplicates = "error"
    errors: Errors = "strict"

    def __post_init__(self) -> None:
        duplicates = chosen(self.duplicates, get_args(Duplicates), "duplicates")
        object.__setattr__(self, "duplicates", cast(Duplicates, duplicates))
        errors = chosen(self.errors, get_args(Errors), "errors")
        object.__setattr__(self, "errors", cast(Errors, errors))
        if self.limit is not None:
            check_size("rows", self.limit)


@dataclass
class Changes:
    """How many rows of a file were left out or changed.

    Attributes
    ----------
    bad_rows
        Rows that could not be read.
    duplicates
        Rows whose token had one already.
    replaced
        Tokens with invalid UTF-8.
    declared
        How many rows more, or fewer, the header declares than there are.
    first
        Where the first bad row is, and what is wrong with it.
    """

    bad_rows: int = 0
    duplicates: int = 0
    replaced: int = 0
    declared: int = 0
    first: str = ""

    def to_json(self) -> dict[str, int]:
        """Return the numbers that are not 0."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in named if value and name != "first"}

    def __str__(self) -> str:
        said = []
        if self.bad_rows:
            said.append(f"{_many(self.bad_rows, 'row')} left out, the first in {self.first}")
        if self.duplicates:
            said.append(f"{_many(self.duplicates, 'row')} left out whose token stood there already")
        if self.replaced:
            said.append(f"invalid UTF-8 replaced by U+FFFD in {_many(self.replaced, 'token')}")
        if self.declared:
            more = "more" if self.declared > 0 else "fewer"
            said.append(
                f"the header declares {_many(abs(self.declared), 'row')} {more} than it has"
            )
        return "; ".join(said)


class Gathered:
    """The tokens of a file as they are read: decoded, counted, told apart."""

    def __init__(self, accepted: Accepted) -> None:
        self.accepted = accepted
        self.tokens: list[str] = []
        self.changes = Changes()
        self._seen: set[str] | None = set() if accepted.duplicates == "first" else None

    @property
    def full(self) -> bool:
        """Whether there are as many rows as are to be read."""
        return self.accepted.limit is not None and len(self.tokens) >= self.accepted.limit

    def bad(self, where: str, found: str, expected: str) -> None:
        """Count a row that cannot be read, or raise InputError if those are not accepted."""
        if not self.accepted.skip_bad:
            raise InputError(
                f"{where}: expected {expected}, found {found}: correct it, or pass --skip-bad "
                "(skip_bad=True) to leave such rows out"
            )
        self.changes.first = self.changes.first or f"{where.rpartition(', ')[2]} ({found})"
        self.changes.bad_rows += 1

    def add(self, token: bytes, where: Any) -> bool:
        """Take a token, and say whether its row is kept; `where()` names the row."""
        try:
            text = token.decode()
        except UnicodeDecodeError as error:
            if self.accepted.errors == "strict":
                raise InputError(
                    f"{where()}: expected a token in UTF-8, found {token[:80]!r}: write the "
                    "vectors again in UTF-8, or pass --errors replace (errors='replace')"
                ) from error
            text = token.decode("utf-8", "replace")
            self.changes.replaced += 1
        return self.take(text)

    def add_all(self, tokens: list[bytes], first: Any) -> list[bool] | None:
        """Take many tokens, and say which are kept; None stands for all."""
        if self._seen is None and tokens:
            try:
                self.tokens += b"\n".join(tokens).decode().split("\n")
            except UnicodeDecodeError:
                pass
            else:
                return None
        return [self.add(token, lambda i=i: first(i)) for i, token in enumerate(tokens)]

    def take(self, text: str) -> bool:
        """Take a token, and say whether its row is kept."""
        if self._seen is not None:
            if text in self._seen:
                self.changes.duplicates += 1
                return False
            self._seen.add(text)
        self.tokens.append(text)
        return True


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)
