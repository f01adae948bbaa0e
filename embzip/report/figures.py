"""Figures and texts as a person reads them; a missing one is a dash. Knows no record."""

from collections.abc import Sequence
from typing import Any

DASH = "–"


def megabytes(size: float | None) -> str:
    """Return bytes as MB (10^6) with about three digits.

    >>> megabytes(41_234_567), megabytes(1_304_000), megabytes(38_400), megabytes(None)
    ('41.2 MB', '1.30 MB', '0.0384 MB', '–')
    """
    return DASH if size is None else f"{digits(size / 1e6)} MB"


def fraction(value: float | None) -> str:
    """Return a fraction with three decimals and no leading zero.

    >>> fraction(0.8251), fraction(1.0), fraction(None)
    ('.825', '1.000', '–')
    """
    return DASH if value is None else f"{value:.3f}".removeprefix("0")


def signed(value: float | None) -> str:
    """Return a difference of fractions with its sign.

    >>> signed(-0.0031), signed(0.011), signed(0.0)
    ('-.003', '+.011', '.000')
    """
    if value is None:
        return DASH
    text = fraction(abs(value))
    if text == ".000":
        return text
    return ("-" if value < 0 else "+") + text


def points(value: float) -> str:
    """Return hundredths, in words.

    >>> points(1), points(0.5)
    ('1 point', '0.5 points')
    """
    return f"{value:g} point{'' if value == 1 else 's'}"


def times(value: float | None) -> str:
    """Return a ratio such as `31.2x`."""
    return DASH if value is None else f"{digits(value)}x"


def times_less(ratio: float | None, otherwise: str) -> str:
    """Return how many times less something is, for a column that says so, or that it is more.

    >>> times_less(31.2, "larger"), times_less(0.5, "larger")
    ('31.2x', '2.00x larger')
    """
    return times(ratio) if not ratio or ratio >= 1 else f"{times(1 / ratio)} {otherwise}"


def whole(value: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return DASH if value is None else f"{value:,}"


def measured(value: float | None, unit: str) -> str:
    """Return about three digits and a unit, such as `12.3 dB`."""
    return DASH if value is None else f"{digits(value)} {unit}"


def divergence(value: float | None) -> str:
    """Return a divergence in nats, without the unit.

    >>> divergence(0.01234), divergence(3e-9), divergence(0.0)
    ('0.0123', '< 0.00001', '0')
    """
    return "< 0.00001" if value and abs(value) < 1e-5 else measured(value, "").rstrip()


def p_value(value: float | None) -> str:
    """Return a probability, the smallest as a bound."""
    if value is None:
        return DASH
    return "< .001" if value < 0.001 else fraction(value)


def digits(value: float) -> str:
    """Return about three digits, never in scientific notation."""
    size = abs(value)
    if size == 0:
        return "0"
    bounds = ((99.95, 0), (9.995, 1), (0.9995, 2), (0.09995, 3), (0.009995, 4), (0.0009995, 5))
    return f"{value:,.{next((places for low, places in bounds if size >= low), 6)}f}"


def plain(text: Any) -> str:
    """Return text with what no terminal or page should receive replaced: controls, surrogates.

    >>> plain("red\\x1b[31m")
    'red\\ufffd[31m'
    """
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text))


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names with commas between; of many, the first, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
