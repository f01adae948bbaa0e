"""The container under .embz: a safetensors file with a digest of every tensor and of the header.

It is read and written here and not by the safetensors library, which knows no digests, takes paths
instead of open files (a file is written under another name and then renamed), and orders tensors
in its own way. Every length is compared with the file's size before anything is allocated. Tests
compare both. What tensors mean is said in `embzip.embz.format`, the bytes in this folder's README.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.errors import EmbzipError, FileFormatError, InputError
from embzip.files.limits import MOST_HEADER
from embzip.files.reading import digest
from embzip.files.records import Fields, parse_json, shown
from embzip.files.signatures import signature_of

VERSION = 1  # of the format; the only one
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
}
_NAMES = {name: code for code, name in _DTYPES.items()}


@dataclass(frozen=True)
class Header:
    """A checked header: our record, and where each tensor lies."""

    record: Fields
    specs: dict[str, ArraySpec]
    offsets: dict[str, int]
    digests: dict[str, str]
    nbytes: int
    digest: str


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Make one FileFormatError that names the file, and what in it, of what is raised."""
    try:
        yield
    except EmbzipError as error:
        if isinstance(error, FileFormatError) and str(path) in str(error):
            raise
        raise FileFormatError(f"{path}: {what}{error}") from error


def write_container(
    file: BinaryIO, record: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
) -> None:
    """Write tensors as little-endian, C-contiguous safetensors, with digests in the record.

    The widest items come first, so that every tensor is aligned; equal widths stand by name.
    """
    plain = {name: _plain(tensors[name]) for name in _order(tensors)}
    file.write(_head(record, plain, [digest(_bytes_of(array)) for array in plain.values()]))
    for array in plain.values():
        file.write(_bytes_of(array))


def container_nbytes(record: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> int:
    """Return the bytes that `write_container` writes; of the tensors only the layout is read."""
    plain = {name: tensors[name] for name in _order(tensors)}
    head = _head(record, plain, [digest(b"")] * len(plain))
    return len(head) + sum(array.nbytes for array in plain.values())


def _order(tensors: Mapping[str, NDArray[Any]]) -> list[str]:
    return sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))


def _head(
    record: Mapping[str, Any], plain: Mapping[str, NDArray[Any]], digests: list[str]
) -> bytes:
    """Return what stands before the bytes of tensors, which follow in this order."""
    entries: dict[str, dict[str, Any]] = {}
    at = 0
    for name, array in plain.items():
        entries[name] = {
            "dtype": _NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    full: dict[str, Any] = {**record, "digests": digests}
    full["header_digest"] = _header_digest(full, entries)
    head = {"__metadata__": {"embzip": _json(full)}, **entries}
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MOST_HEADER:
        raise InputError(
            f"the header of a .embz file has at most {MOST_HEADER:,} bytes, and this one would "
            f"have {len(text):,}: keep fewer classifiers in a file"
        )
    return len(text).to_bytes(8, "little") + text


def read_header(file: BinaryIO, path: Path) -> Header:
    """Read and check everything in front of the tensors' bytes.

    Raises
    ------
    FileFormatError
        For anything but a header that `write_container` wrote, whole and unchanged.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or not 2 <= length <= min(size - 8, MOST_HEADER):
        raise FileFormatError(f"{path}: {_no_header(path, size, length)}")
    head = _object(file.read(length), f"{path}: not a .embz file: its header")
    record = _record(head.pop("__metadata__", None), path)
    specs: dict[str, ArraySpec] = {}
    offsets: dict[str, int] = {}
    for name, entry in head.items():
        specs[name], offsets[name] = _entry(name, entry, path)
    at = 0
    order = sorted(offsets, key=lambda name: (offsets[name], specs[name].nbytes))
    for name in order:
        if offsets[name] != at:
            raise FileFormatError(
                f"{path}: tensor {name!r} starts at byte {offsets[name]} of the data, expected "
                f"{at}: tensors must follow each other without holes or overlaps"
            )
        at += specs[name].nbytes
    if 8 + length + at != size:
        raise FileFormatError(
            f"{path}: expected {8 + length + at} bytes by its header, found {size}: "
            "the file is cut short or has bytes after its end"
        )
    digests = record.pop("digests", None)
    stated = record.pop("header_digest", None)
    if not isinstance(digests, list) or len(digests) != len(specs):
        raise FileFormatError(f"{path}: the header must have a digest of every tensor")
    if stated != _header_digest({**record, "digests": digests}, head):
        raise FileFormatError(f"{path}: the header does not match its digest: it was changed")
    return Header(
        Fields(record, "the header"),
        specs,
        {name: 8 + length + offset for name, offset in offsets.items()},
        dict(zip(order, digests, strict=True)),
        8 + length,
        stated,
    )


def _no_header(path: Path, size: int, length: int) -> str:
    """Return what is wrong with a file that is shorter than its header."""
    found = signature_of(path)
    if found.kind == "embz" and length <= MOST_HEADER:
        return f"cut short: its header has {length:,} bytes, and the file {size:,}: obtain it again"
    if found.kind == "embz":
        return f"damaged: it announces a header of {length:,} bytes, above the limit of the format"
    return f"expected a .embz file, found {found}"


def read_tensor(
    file: BinaryIO, path: Path, header: Header, name: str, *, mmap: bool
) -> NDArray[Any]:
    """Return one tensor: read and compared with its digest, or mapped and not compared.

    Raises
    ------
    FileFormatError
        Where the file has become shorter, or the bytes do not match their digest.
    """
    spec = header.specs[name]
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    if mmap and spec.nbytes:
        return np.memmap(path, dtype, "r", header.offsets[name], spec.shape)
    file.seek(header.offsets[name])
    array = np.empty(spec.shape, dtype)
    if spec.nbytes:
        view = _bytes_of(array)
        read = 0
        while read < spec.nbytes:
            count = file.readinto(view[read:])  # type: ignore[attr-defined]  # open() returns one
            if not count:
                raise FileFormatError(
                    f"{path}: tensor {name!r}: expected {spec.nbytes} bytes, found {read}: "
                    "the file became shorter"
                )
            read += count
    if digest(_bytes_of(array)) != header.digests[name]:
        raise FileFormatError(f"{path}: tensor {name!r} does not match its digest: it was changed")
    return array


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    # safetensors stores whatever buffer it gets: a transpose would be written as wrong values.
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _header_digest(record: Mapping[str, Any], entries: Mapping[str, Any]) -> str:
    return digest(_json({"record": record, "tensors": entries}).encode("utf-8", "surrogatepass"))


def _object(text: bytes | str, where: str) -> dict[str, Any]:
    head = parse_json(text, where)
    if not isinstance(head, dict):
        raise FileFormatError(f"{where} is not a JSON object")
    return head


def _record(metadata: object, path: Path) -> dict[str, Any]:
    text = metadata.get("embzip") if isinstance(metadata, dict) and len(metadata) == 1 else None
    if not isinstance(text, str):
        raise FileFormatError(
            f"{path}: a safetensors file, but not a .embz file: no record: give its table to "
            "embzip.compress as an array"
        )
    record = _object(text, f"{path}: not a .embz file: its record")
    found = record.get("version")
    if type(found) is not int:
        raise FileFormatError(f"{path}: not a .embz file: its record has no version")
    if found != VERSION:
        raise FileFormatError(
            f"{path}: a file in version {shown(found)} of the .embz format, and this embzip reads "
            f"version {VERSION} only: make the file anew with this embzip"
        )
    return record


def _entry(name: str, entry: object, path: Path) -> tuple[ArraySpec, int]:
    if isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"}:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if (
            isinstance(dtype, str)
            and dtype in _DTYPES
            and _whole_numbers(shape)
            and _whole_numbers(offsets)
            and len(offsets) == 2
        ):
            size = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
            if offsets[1] - offsets[0] == size:
                return ArraySpec(name, _DTYPES[dtype], tuple(shape)), offsets[0]
    raise FileFormatError(
        f"{path}: tensor {name!r}: its dtype, shape and offsets do not fit each other: "
        f"{shown(entry)}"
    )


def _whole_numbers(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= 8
        and all(
            isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
            for value in values
        )
    )
