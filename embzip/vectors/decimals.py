"""Rows of text to float32, compiled by numba: what is odd about a row is left to `text_rows`.

A number of at most 19 digits is its digits times a power of ten, in float64. Where that may round
to another float32 than the exact number does, the row is left alone too: so all numbers are those
that Python's `float` gives, rounded to float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.compiling import compiled

_TENS = np.array([float(f"1e{power}") for power in range(300)])
_EXACT = 22  # the largest power of ten that float64 holds
_WHOLE = np.uint64(1 << 53)  # up to here every whole number is one of float64
_NEAR = 2.0**-51  # more than what rounding the digits, the power and the product adds up to
_FULL = np.uint64(10**18)  # one digit more still fits 64 bits

BLANK, TAB, COMMA, LINE_FEED, RETURN = (np.uint8(ord(c)) for c in " \t,\n\r")
_PLUS, _MINUS, _POINT, _SMALL_E, _LARGE_E, _ZERO, _NINE, _QUOTE = (
    np.uint8(ord(c)) for c in '+-.eE09"'
)


@compiled
def _number(text: Any, at: int, end: int, tens: Any) -> tuple[bool, float]:
    """Return whether text[at:end] is a number that is read here, and which."""
    negative = text[at] == _MINUS
    if negative or text[at] == _PLUS:
        at += 1
    digits = np.uint64(0)
    power = 0
    found = fraction = False
    while at < end:
        c = text[at]
        if _ZERO <= c <= _NINE:
            if digits >= _FULL:
                return False, 0.0
            digits = digits * np.uint64(10) + np.uint64(c - _ZERO)
            found = True
            if fraction:
                power -= 1
        elif c == _POINT and not fraction:
            fraction = True
        else:
            break
        at += 1
    if not found:
        return False, 0.0
    if at < end:
        if text[at] != _SMALL_E and text[at] != _LARGE_E:
            return False, 0.0
        at += 1
        down = at < end and text[at] == _MINUS
        if at < end and (down or text[at] == _PLUS):
            at += 1
        if at == end or end - at > 3:
            return False, 0.0
        stated = 0
        while at < end:
            if not _ZERO <= text[at] <= _NINE:
                return False, 0.0
            stated = stated * 10 + int(text[at]) - 48
            at += 1
        power += -stated if down else stated
    if not -290 < power < 290:
        return False, 0.0
    value = float(digits)
    value = value * tens[power] if power >= 0 else value / tens[-power]
    if digits > _WHOLE or not -_EXACT <= power <= _EXACT:
        below, above = value * (1 - _NEAR), value * (1 + _NEAR)
        if np.float32(below) != np.float32(above):
            return False, 0.0
    return True, -value if negative else value


@compiled
def _rows(
    text: Any, dim: int, comma: bool, rows: Any, starts: Any, ends: Any, odd: Any, tens: Any
) -> None:
    at = 0
    for row in range(len(odd)):
        stop = at
        while stop < len(text) and text[stop] != LINE_FEED:
            stop += 1
        following = stop + 1
        while stop > at and (
            text[stop - 1] == BLANK or text[stop - 1] == TAB or text[stop - 1] == RETURN
        ):
            stop -= 1
        good = True
        column = dim
        while column > 0 and good:
            column -= 1
            first = stop
            while first > at:
                c = text[first - 1]
                if (c == COMMA) if comma else (c in (BLANK, TAB)):
                    break
                first -= 1
            good = at < first < stop  # what stands first is the token
            if good:
                good, value = _number(text, first, stop, tens)
                number = np.float32(value)
                good = good and np.isfinite(number)
                rows[row, column] = number
            stop = first - 1
            while not comma and stop > at and (text[stop - 1] == BLANK or text[stop - 1] == TAB):
                stop -= 1
        starts[row], ends[row] = at, stop
        good = good and stop > at
        for place in range(at, stop):
            # Blanks of any kind, and where fields end at commas, those and quotes.
            c = text[place]
            good = good and c > BLANK and not (comma and c in (_QUOTE, COMMA))
        odd[row] = not good
        at = following


def parse(
    text: bytes, lines: int, dim: int, comma: bool, rows: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Read the lines of a text into rows.

    Parameters
    ----------
    lines
        How many it has.
    dim
        Numbers a row: the last so many fields of a line.
    comma
        Whether fields end at commas; else at blanks and tabs.
    rows
        (lines, dim); what stands there is replaced.

    Returns
    -------
    Where the token of each line begins and ends, and which lines are odd: their rows, and their
    tokens, are not read.
    """
    starts, ends = np.zeros(lines, np.int64), np.zeros(lines, np.int64)
    odd = np.zeros(lines, np.bool_)
    _rows(np.frombuffer(text, np.uint8), dim, comma, rows, starts, ends, odd, _TENS)
    return starts, ends, odd
