"""Codes of 1, 2, 4 or 8 bits in bytes: none straddles a byte, the first stands in the lowest bits.

    4 bits, codes 1 2 3   ->   values [0x21], last 0x03

A row's whole bytes are `values`, and a last byte that is not full is `last`, so that unpacking is
one look-up a byte in a table of 256 entries, and nothing has to be cut off.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.ops import ArrayOps
from embzip.types import Arrays

WIDTHS = (1, 2, 4, 8)


def packed_specs(rows: int, count: int, bits: int) -> tuple[ArraySpec, ...]:
    """Return the tensors of `count` codes a row."""
    full, rest = divmod(count, 8 // bits)
    values = ArraySpec("values", "uint8", (rows, full))
    last = ArraySpec("last", "uint8", (rows,))
    return (values,) * bool(full) + (last,) * bool(rest)


def pack(codes: NDArray[np.uint8], bits: int) -> dict[str, NDArray[np.uint8]]:
    """Pack (k, count) codes.

    >>> pack(np.array([[1, 2, 3]], np.uint8), 4)
    {'values': array([[33]], dtype=uint8), 'last': array([3], dtype=uint8)}
    """
    rows, count = codes.shape
    per = 8 // bits
    full, rest = divmod(count, per)
    packed = {}
    if full:
        whole = codes[:, : full * per].reshape(rows, full, per)
        packed["values"] = _joined(whole, bits)
    if rest:
        packed["last"] = _joined(codes[:, full * per :], bits)
    return packed


def byte_tables(points: NDArray[Any], bits: int, count: int) -> dict[str, NDArray[Any]]:
    """Return the tables of `unpack`: the points of every byte's codes.

    Parameters
    ----------
    points
        (2**bits,), what each code stands for.
    count
        Codes a row.
    """
    per = 8 // bits
    shifts = np.arange(per) * bits
    codes = (np.arange(256)[:, None] >> shifts) & (2**bits - 1)
    table = points[codes]
    rest = count % per
    tables = {"byte_points": table} if count >= per else {}
    return tables | ({"last_points": np.ascontiguousarray(table[:, :rest])} if rest else {})


def unpack(codes: Mapping[str, Any], tables: Mapping[str, Any], ops: ArrayOps) -> Any:
    """Return the (k, count) points of packed codes."""
    parts = []
    if "values" in codes:
        values = codes["values"]
        points = ops.take(tables["byte_points"], ops.cast(values, "int32"))
        width = values.shape[1] * tables["byte_points"].shape[1]
        parts.append(ops.reshape(points, (-1, width)))
    if "last" in codes:
        parts.append(ops.take(tables["last_points"], ops.cast(codes["last"], "int32")))
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)


def highest_code(codes: Arrays, bits: int) -> int:
    """Return the largest of all packed codes, padding included."""
    used = np.zeros(256, bool)
    for name in ("values", "last"):
        if name in codes:
            used |= np.bincount(codes[name].reshape(-1), minlength=256) > 0
    found = np.flatnonzero(used)
    return max(int((found >> shift & (2**bits - 1)).max()) for shift in range(0, 8, bits))


def _joined(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    shifts = (np.arange(codes.shape[-1]) * bits).astype(np.uint8)
    joined: NDArray[np.uint8] = np.bitwise_or.reduce(codes << shifts, axis=-1)
    return joined
