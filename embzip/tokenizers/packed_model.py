"""Packs a YTTM model into columns of small integers, for a general-purpose compressor.

The model's text compresses to 4.2 bytes per merge, the columns to 2.5: first the left parts of all
merges, then the right parts, each split into four byte planes, of which the upper ones are nearly
all zero. The order of lines, the ids and the record are kept, so the file is restored exactly.
"""

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embzip.errors import FileFormatError, InputError
from embzip.files.records import parse_json
from embzip.tokenizers.yttm_model import YttmModel

# Little-endian: characters, merges, unk, pad, bos, eos.
_HEADER = np.dtype("<i4")
_HEADER_FIELDS = 6
_MOST_RECORD = 1 << 16  # bytes; embzip's own take 300


def pack(model: YttmModel, fields: Mapping[str, object] | None) -> bytes:
    """Return a model and the fields of its record (None if it has no record) as bytes.

    >>> model = YttmModel.parse(b"3 1\\n9601 4\\n97 5\\n98 6\\n4 5 7\\n1 0 2 3\\n", "tiny")
    >>> unpack(pack(model, {"lowercase": True}), 8) == (model, {"lowercase": True})
    True
    """
    characters = np.array(model.codepoints, np.int64).reshape(-1, 2)
    merges = np.array(model.merges, np.int64).reshape(-1, 3)
    header = (len(characters), len(merges), model.unk_id, model.pad_id, model.bos_id, model.eos_id)
    columns = [characters[:, 0], _steps(characters[:, 1])]
    columns += [merges[:, 0], merges[:, 1], _steps(merges[:, 2])]
    record = b"" if fields is None else json.dumps(fields, sort_keys=True).encode()
    if len(record) > _MOST_RECORD:
        raise InputError(
            f"the record of a BPE model has at most {_MOST_RECORD:,} bytes, found {len(record):,}: "
            "remove its last line"
        )
    return np.array(header, _HEADER).tobytes() + b"".join(map(_planes, columns)) + record


def packed_limit(rows: int) -> int:
    """Return the most bytes that a packed model of so many pieces can take."""
    return _HEADER.itemsize * (_HEADER_FIELDS + 3 * rows) + _MOST_RECORD


def unpack(content: bytes, rows: int) -> tuple[YttmModel, dict[str, object] | None]:
    """Undo `pack`; `rows` is the number of pieces, special ids included.

    Raises
    ------
    FileFormatError
        For bytes of the wrong length, or a record that is not JSON.
    TokenizerError
        For a model that breaks a rule.
    """
    start = _HEADER_FIELDS * _HEADER.itemsize
    if len(content) < start:
        raise FileFormatError(
            f"a packed BPE model has at least {start} bytes, found {len(content)}: the file is cut "
            "short"
        )
    n, m, unk, pad, bos, eos = np.frombuffer(content, _HEADER, _HEADER_FIELDS).tolist()
    end = start + 4 * (2 * n + 3 * m)
    if n < 0 or m < 0 or end > len(content):
        raise FileFormatError(
            f"the packed BPE model declares {n} characters and {m} merges, for which its "
            f"{len(content)} bytes are too few: the file is damaged"
        )
    pieces = n + m + sum(index >= 0 for index in (unk, pad, bos, eos))
    if pieces != rows:
        raise FileFormatError(
            f"expected a BPE model of {rows} pieces, as many as the table has rows, found {pieces}"
        )
    columns: list[NDArray[np.int64]] = []
    for length in (n, n, m, m, m):
        planes = np.frombuffer(content, np.uint8, 4 * length, start).reshape(4, length)
        columns.append(np.ascontiguousarray(planes.T).view("<u4").ravel().astype(np.int64))
        start += 4 * length
    codepoints, ids, left, right, new = columns
    model = YttmModel(
        tuple(zip(codepoints.tolist(), _unstep(ids).tolist(), strict=True)),
        tuple(zip(left.tolist(), right.tolist(), _unstep(new).tolist(), strict=True)),
        unk,
        pad,
        bos,
        eos,
    )
    if end == len(content):
        return model, None
    fields = parse_json(content[end:], "the record of the BPE model")
    if not isinstance(fields, dict):
        raise FileFormatError(
            f"the record of the BPE model must be a JSON object, found {content[end:][:60]!r}"
        )
    return model, fields


def _steps(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each id minus its predecessor minus 1: all zeros if ids are numbered in order."""
    return (np.diff(ids, prepend=-1) - 1) % (1 << 32)


def _unstep(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    return (np.cumsum(steps + 1) - 1) % (1 << 32)


def _planes(column: NDArray[np.int64]) -> bytes:
    return column.astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()
