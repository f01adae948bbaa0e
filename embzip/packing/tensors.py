"""Packing the tensors of a file: each where it pays, rows' classes as contexts of others."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.row_contexts import RowContexts
from embzip.packing.arrays import read_packed
from embzip.packing.choosing import Classes, pack_array
from embzip.packing.record import MOST_CLASSES, Packed
from embzip.types import Arrays


def pack_tensors(
    tensors: Arrays, *, rows: int, codes: Collection[str], before: Mapping[str, RowContexts]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return tensors of which some are packed, and what the header says of those.

    Parameters
    ----------
    rows
        Of the table.
    codes
        Names of tensors whose first axis must stay one: rows are taken of them.
    before
        What the quantizer says of tensors whose bytes depend on others of a row.
    """
    classes = next(
        (
            Classes(name, np.asarray(tensors[name]))
            for name in sorted(codes)
            if tensors[name].dtype == np.uint8
            and tensors[name].shape == (rows,)
            and 0 < int(np.asarray(tensors[name]).max()) < MOST_CLASSES
        ),
        None,
    )
    stored = dict(tensors)
    record = {}
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        of_rows = classes is not None and classes.name != name and array.shape[:1] == (rows,)
        found = pack_array(
            array,
            axes=1 if name in codes else max(1, array.ndim - 1),
            classes=classes if of_rows and name in codes else None,
            before=before.get(name),
        )
        if found is not None:
            packed, stored[name] = found
            record[name] = packed.to_json()
    return stored, record


def unpack_tensors(
    contents: Mapping[str, NDArray[Any]],
    packed: Mapping[str, Packed],
    *,
    lazy: Collection[str],
    file: str,
) -> dict[str, Any]:
    """Return arrays of their contents: those of `packed` decoded, those of `lazy` when asked for.

    `file` is what errors begin with, as they may come long after opening.

    Raises
    ------
    FileFormatError
        For damaged contents.
    """
    arrays: dict[str, Any] = {}
    for name in sorted(contents, key=lambda name: name in packed and bool(packed[name].classes)):
        arrays[name] = contents[name]
        if name in packed:
            kinds = packed[name].classes
            classes = arrays[kinds] if kinds else None
            array = read_packed(contents[name], packed[name], classes, file=file)
            arrays[name] = array if name in lazy else np.asarray(array)
    return arrays
