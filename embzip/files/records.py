"""JSON and tables from files, and the shape of what they say: missing keys, wrong types, nesting.

A reader takes the keys of a record through `Fields`, so that whatever is wrong with one is a single
EmbzipError that names the file and the key. What the values mean, the reader knows.
"""

import json
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from embzip.choices import unknown
from embzip.errors import EmbzipError, FileFormatError, InputError

Value = TypeVar("Value")

_MOST = 1 << 19  # objects and lists of one text
_KINDS: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
}


def parse_json(
    content: bytes | str,
    where: str,
    *,
    error: type[EmbzipError] = FileFormatError,
    deepest: int = 32,
    most: int = _MOST,
) -> Any:
    """Return what a JSON text says.

    Parameters
    ----------
    content
        The text, or its UTF-8; lone surrogates may stand in it.
    where
        The file, or the part of it; messages begin with it.
    deepest
        How many objects and lists may stand within each other; our own records have six.
    most
        How many there may be.

    Raises
    ------
    FileFormatError
        Or the given `error`: for anything but JSON, a key that stands twice in an object, objects
        or lists nested deeper, and more than 524,288 of them.

    Examples
    --------
    >>> parse_json(b'{"rows": 3}', "a.embz")
    {'rows': 3}
    >>> parse_json("[" * 5000, "a.embz")
    Traceback (most recent call last):
    embzip.errors.FileFormatError: a.embz is JSON nested more than 32 deep
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8", "surrogatepass")
        many = text.count("[") + text.count("{") > most  # each takes 60 to 230 bytes in memory
        value = None if many else json.loads(text, object_pairs_hook=_no_duplicates)
        deep = _is_deep(value, deepest)
    except RecursionError:
        deep = True
    except ValueError as found:
        raise error(f"{where} is not JSON ({str(found)[:200]})") from found
    if many:
        raise error(f"{where} holds more than {most:,} objects and lists")
    if deep:
        raise error(f"{where} is JSON nested more than {deepest} deep")
    return value


@dataclass(frozen=True)
class Fields:
    """The keys of an object or a table, each checked when it is taken.

    Attributes
    ----------
    values
        The object.
    where
        The file, and the part of it, which messages begin with.
    error
        What is raised.
    remedy
        What to do about a key that is missing.

    Examples
    --------
    >>> fields = Fields.of({"rows": 3, "codec": "int8"}, "a.embz")
    >>> fields.whole("rows"), fields.take("codec", str)
    (3, 'int8')
    >>> fields.take("dim", int)
    Traceback (most recent call last):
    embzip.errors.FileFormatError: a.embz: the key 'dim' is missing: the file is damaged
    """

    values: Mapping[str, Any]
    where: str
    error: type[EmbzipError] = FileFormatError
    remedy: str = "the file is damaged"

    @classmethod
    def of(cls, value: object, where: str, error: type[EmbzipError] = FileFormatError) -> "Fields":
        """Return the fields of what was parsed; raises unless it is an object."""
        if not isinstance(value, dict):
            raise error(f"{where}: expected an object with keys, found {shown(value)}")
        return cls(value, where, error)

    @classmethod
    def of_user(cls, value: Mapping[str, Any], where: str) -> "Fields":
        """Return the fields of a table that a user wrote: errors are InputError."""
        return cls(value, where, InputError, "add it")

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def take(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        """Return the value of a key after checking its type; without a default it must be there.

        `kind` is str, int, float (then an int will do), bool, dict or list.
        """
        if key not in self.values:
            if default is None:
                raise self.error(f"{self.where}: the key {key!r} is missing: {self.remedy}")
            return default
        value = self.values[key]
        accepted = int | float if kind is float else kind
        if not isinstance(value, accepted) or (kind is not bool and isinstance(value, bool)):
            raise self.wrong(key, _KINDS[kind], value)
        if kind is float and isinstance(value, int) and abs(value) > sys.float_info.max:
            raise self.wrong(key, f"a number up to {sys.float_info.max:.0e}", value)
        return kind(value)  # type: ignore[call-arg]  # an int becomes the float that was asked for

    def whole(
        self, key: str, *, least: int = 0, most: int = 2**48, default: int | None = None
    ) -> int:
        """Return a whole number in `least` to `most`."""
        value = self.take(key, int, default)
        if not least <= value <= most:
            raise self.wrong(key, f"a whole number in {least}..{most}", value)
        return value

    def choice(self, key: str, known: Iterable[str]) -> str:
        """Return one of some known texts."""
        value, names = self.take(key, str), list(known)
        if value not in names:
            raise self.wrong(key, f"one of {', '.join(names)}", value)
        return value

    def texts(self, key: str, default: list[str] | None = None) -> list[str]:
        """Return a list of texts."""
        return [*self._each(key, str, self.take(key, list, default))]

    def wholes(self, key: str, *, least: int = 0, most: int = 2**48) -> list[int]:
        """Return a list of whole numbers in `least` to `most`."""
        numbers = [*self._each(key, int, self.take(key, list))]
        for number in numbers:
            if not least <= number <= most:
                raise self.wrong(key, f"whole numbers in {least}..{most}", number)
        return numbers

    def fields(self, key: str, default: dict[str, Any] | None = None) -> "Fields":
        """Return the fields of an object within this one."""
        inner = self.take(key, dict, default)
        return Fields(inner, f"{self.where}, {key}", self.error, self.remedy)

    def only(self, known: Iterable[str]) -> None:
        """Raise for a key that is not in `known`; the message lists them."""
        names = list(known)
        others = sorted(set(self.values) - set(names))
        if others:
            raise self.error(f"{self.where}: {unknown(others[0], names, 'key')}")

    def _each(self, key: str, kind: type[Value], values: list[Any]) -> Iterator[Value]:
        for index, value in enumerate(values):
            yield Fields({f"{key}[{index}]": value}, self.where, self.error).take(
                f"{key}[{index}]", kind
            )

    def wrong(self, key: str, rule: str, value: object) -> EmbzipError:
        """Return the error for a value that breaks a rule."""
        return self.error(f"{self.where}: {key} must be {rule}, received {shown(value)}")


def shown(value: object) -> str:
    """Return a value for a message: in one line, cut where it is long.

    >>> shown(["a"] * 5000)
    "['a', 'a', 'a', 'a', 'a', 'a', ...]"
    """
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shown(key)} stands twice")
        found[key] = value
    return found


def _is_deep(value: Any, deepest: int) -> bool:
    level: list[Iterable[Any]] = [[value]]
    for _ in range(deepest + 1):
        level = [
            each.values() if isinstance(each, dict) else each
            for values in level
            for each in values
            if isinstance(each, dict | list)
        ]
        if not level:
            return False
    return True
