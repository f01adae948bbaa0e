"""Names that a user writes: found in any case, and where unknown, told with the nearest one."""

from collections.abc import Iterable

from embzip.errors import EmbzipError, SpecError

_LONGEST = 80  # characters of a name in a message
_SYNONYMS = {"tflite": "litert"}  # LiteRT was called TensorFlow Lite


def chosen(name: str, known: Iterable[str], what: str, error: type[EmbzipError] = SpecError) -> str:
    """Return the known name that is meant, written in any case.

    Parameters
    ----------
    what
        What the names are of, for the message.

    Raises
    ------
    SpecError
        Or `error`, for an unknown name; the message has the nearest known one, and all.

    Examples
    --------
    >>> chosen("INT8", ["float16", "int8"], "dtype")
    'int8'
    >>> chosen("tflite", ["litert", "onnx"], "runtime")  # what it was called
    'litert'
    >>> chosen("itn8", ["float16", "int8"], "dtype")
    Traceback (most recent call last):
    ...
    embzip.errors.SpecError: unknown dtype 'itn8' (did you mean 'int8'?): the known ones are \
float16, int8
    """
    names = list(known)
    written = {other: each for other, each in _SYNONYMS.items() if each in names}
    written |= {each.lower(): each for each in names}
    if isinstance(name, str) and name.lower() in written:
        return written[name.lower()]
    raise error(unknown(name, names, what))


def unknown(name: object, known: Iterable[str], what: str) -> str:
    """Return the message for an unknown name."""
    from difflib import get_close_matches  # imported here: most names are known

    names = list(known)
    written = {other: each for other, each in _SYNONYMS.items() if each in names}
    written |= {each.lower(): each for each in names}
    if isinstance(name, str) and len(name) > _LONGEST:  # a file may hold any
        name = f"{name[:_LONGEST]}..."
    near = get_close_matches(str(name).lower(), written, 1)
    meant = f" (did you mean {written[near[0]]!r}?)" if near else ""
    return f"unknown {what} {name!r}{meant}: the known ones are {', '.join(names)}"
