"""Arrays and names as C source."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_TYPES = {
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "int32": "int32_t",
    "float16": "uint16_t",  # as bits: C99 has no such type
    "float32": "float",
}
_WIDTH = 100  # of a line


def constant(name: str, array: NDArray[np.generic]) -> str:
    """Return a constant array; one of no numbers gets one, as C has none of no length.

    >>> print(constant("sizes", np.array([1, 2], np.uint8)))
    static const uint8_t sizes[2] = {
    1,2,
    };
    """
    flat = array.reshape(-1)
    if not len(flat):
        flat = np.zeros(1, array.dtype)
    if flat.dtype == np.float16:
        flat = flat.view(np.uint16)
    kind = _TYPES[array.dtype.name]
    written = map(_float, flat.tolist()) if flat.dtype == np.float32 else map(str, flat.tolist())
    return f"static const {kind} {name}[{len(flat)}] = {{\n{_lines(written)}}};"


def narrowed(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return whole numbers in two bytes where they fit."""
    fits = int(np.asarray(array, np.int64).max(initial=0)) < 2**16
    return array.astype(np.uint16) if fits else array.astype(np.uint32)


def literal(text: str) -> str:
    """Return a string of C that holds a text in UTF-8, in ASCII.

    Characters that end a string, begin an escape or could make a trigraph are written as octal
    numbers of three digits, which no digit behind them can make longer.

    >>> print(literal('say "é"?'))
    "say \\042\\303\\251\\042\\077"
    """
    plain = re.compile(rb"[A-Za-z0-9 _.,:;()+*/=<>!#$%&'@^`{|}~\[\]-]")
    coded = text.encode("utf-8", "backslashreplace")
    parts = (bytes([byte]) for byte in coded)
    return '"' + "".join(p.decode() if plain.fullmatch(p) else f"\\{p[0]:03o}" for p in parts) + '"'


def comment(text: str) -> str:
    """Return a text that ends no comment and no line."""
    return re.sub(r"[^\x20-\x7e]|\*/|/\*|\?\?|\\", "?", text)


def defines(values: Sequence[tuple[str, object]]) -> str:
    """Return a line for each constant; a flag is 0 or 1."""
    return "\n".join(
        f"#define {name} {int(value) if isinstance(value, bool) else value}"
        for name, value in values
    )


def _float(number: float) -> str:
    return f"{number.hex()}f" if number else "0"


def _lines(written: Iterable[str]) -> str:
    lines, line = [], ""
    for number in written:
        if len(line) + len(number) + 1 > _WIDTH:
            lines.append(line)
            line = ""
        line += number + ","
    return "\n".join([*lines, line]) + "\n"
