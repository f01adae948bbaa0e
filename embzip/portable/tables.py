"""The table as other languages read it: a row's codes, and what they stand for.

Every codec comes down to one of four ways of decoding a row, and a matrix behind it where a linear
transform was not folded into the kernels: codes of 1, 2, 4 or 8 bits that are looked up; float16;
float32; and the trellis of `tcq`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.folding import linear_part
from embzip.codecs.ops import numpy_ops
from embzip.codecs.product.pq import Pq
from embzip.codecs.row_classes.allocation import row_sizes
from embzip.codecs.row_classes.index import find
from embzip.codecs.row_classes.moments import decoded_moments
from embzip.codecs.row_classes.tcq import Tcq
from embzip.codecs.row_classes.trellis import trained_trellis
from embzip.codecs.scalar.floats import Float16, Float32
from embzip.codecs.scalar.int4 import Int1, Int2, Int4
from embzip.codecs.scalar.int8 import Int8
from embzip.codecs.scalar.kmeans import Kmeans
from embzip.embedding import CompressedEmbedding
from embzip.errors import UnsupportedModelError
from embzip.types import Arrays, Matrix

ROWS_APART = 16  # of which it is written where they begin
_SUPPORTED = "float32, float16, int8, int4, int2, int1, kmeans, pq and tcq, each behind svd, center"


@dataclass(frozen=True, eq=False)
class Transformation:
    """What a decoded row (inner,) becomes: row @ matrix + offset."""

    matrix: Matrix
    offset: Matrix


@dataclass(frozen=True, eq=False)
class LookedUp:
    """Codes that are looked up, of some bits each, in the bytes of a row.

    Attributes
    ----------
    codes
        (rows, bytes): the first code in the lowest bits of the first byte.
    parts
        (parts, 2): how many numbers a code stands for, and where its entries begin in `points`.
    points
        Numbers, those of a code one after another.
    scale
        (rows,) what a row is multiplied by, or a byte that stands for one of `scales`.
    """

    bits: int
    codes: NDArray[np.uint8]
    parts: NDArray[np.uint32]
    points: Matrix
    scale: NDArray[np.generic] | None = None
    scales: Matrix | None = None


@dataclass(frozen=True, eq=False)
class Floats:
    """Rows as they are, float32 or float16."""

    values: NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Trelliscoded:
    """Rows of `tcq`; a number's value is see `embzip/embz/README.md`.

    Attributes
    ----------
    memory
        Earlier coded bits that a value depends on.
    stream
        The rows' bytes.
    planes
        The class of each row in bit planes (blocks, planes, 8), 64 rows a block, lowest bit first.
    offsets
        Where every 16th row begins.
    sizes
        (classes,) bytes of a row.
    bits, deviation, mean
        (classes, dim).
    moments
        The same deviations and means as they are stored, see `embzip/embz/README.md`.
    values
        For each number of bits that occurs, (windows, 2^(bits-1)) numbers in float16, one after
        another; 0 where no row reads one, which makes them smaller when they are compressed.
    first_value
        (9,) where those of each number of bits begin.
    """

    memory: int
    stream: NDArray[np.uint8]
    planes: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.uint16]
    bits: NDArray[np.uint8]
    deviation: Matrix
    mean: Matrix
    moments: Arrays
    values: NDArray[np.float16]
    first_value: NDArray[np.uint16]


Rows = LookedUp | Floats | Trelliscoded


@dataclass(frozen=True, eq=False)
class PortableTable:
    """A table: `inner` numbers are decoded a row, which the transformation, if any, makes `dim`."""

    rows: int
    inner: int
    dim: int
    decoded: Rows
    transformation: Transformation | None


def portable_table(table: CompressedEmbedding) -> PortableTable:
    """Return a table as other languages read it.

    Raises
    ------
    UnsupportedModelError
        For a codec that no source file decodes; the message has those that one does.
    """
    split = linear_part(table)
    plain, transformation = table, None
    if split is not None:
        plain, matrix, offset = split
        transformation = Transformation(matrix.astype(np.float32), offset.astype(np.float32))
    decoded = _decoded(plain, table.codec.spec)
    return PortableTable(table.rows, plain.dim, table.dim, decoded, transformation)


def _decoded(table: CompressedEmbedding, spec: str) -> Rows:
    quantizer = table.codec.quantizer
    params = {name.removeprefix("0."): np.asarray(array) for name, array in table.params.items()}
    codes = {name: np.asarray(array) for name, array in table.codes.items()}
    if isinstance(quantizer, Tcq):
        return _trelliscoded(quantizer, codes, params, table.rows)
    if isinstance(quantizer, Float32 | Float16):
        return Floats(codes["values"])
    if isinstance(quantizer, Int8):
        octets = (codes["values"].astype(np.int16) + 128).astype(np.uint8)
        points = np.arange(256, dtype=np.float32) - 128
        return LookedUp(8, octets, _one_each(table.dim), points, codes.get("scale"))
    if isinstance(quantizer, Int4 | Int2 | Int1 | Kmeans):
        bits = quantizer.bits if not isinstance(quantizer, Kmeans) else _bits_of(quantizer)
        joined = _joined(codes, table.rows)
        if isinstance(quantizer, Kmeans):
            return LookedUp(bits, joined, _one_each(table.dim), params["centroids"])
        made = quantizer.tables(params, table.dim)
        largest = 2 ** (bits - 1) - (0.5 if quantizer.scale == "row" else 1)
        points = (np.arange(2**bits) - largest).astype(np.float32)
        scale = codes.get("scale")
        return LookedUp(bits, joined, _one_each(table.dim), points, scale, made.get("scales"))
    if isinstance(quantizer, Pq):
        parts: list[tuple[int, int]] = []
        codebooks: list[Matrix] = []
        first = 0
        for name in ("centroids", "narrow"):
            if name in params:
                count, size, width = params[name].shape
                parts += [(width, first + part * size * width) for part in range(count)]
                codebooks.append(params[name].reshape(-1))
                first += params[name].size
        joined = _joined(codes, table.rows)
        every = np.concatenate(codebooks).astype(np.float32)
        return LookedUp(quantizer.bits, joined, np.array(parts, np.uint32), every)
    raise UnsupportedModelError(
        f"a source file decodes {_SUPPORTED} and other linear transforms, and not "
        f"{quantizer.stages[0].name!r} of {spec!r}: `embzip rebuild --codec` stores the table so"
    )


def _bits_of(quantizer: Kmeans) -> int:
    return next(bits for bits in (1, 2, 4, 8) if 2**bits >= quantizer.centroids)


def _one_each(dim: int) -> NDArray[np.uint32]:
    return np.array([(1, 0)] * dim, np.uint32)


def _joined(codes: Arrays, rows: int) -> NDArray[np.uint8]:
    parts = [codes[name].reshape(rows, -1) for name in ("values", "last") if name in codes]
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def _trelliscoded(quantizer: Tcq, codes: Arrays, params: Arrays, rows: int) -> Trelliscoded:
    trellis = trained_trellis(quantizer.states)
    bits = params["bits"]
    sizes = row_sizes(bits)
    _, classes = find(codes, sizes, np.arange(rows))
    ends = np.cumsum(sizes[classes], dtype=np.int64)
    deviation, mean = decoded_moments(params, numpy_ops)
    values: list[Matrix] = []
    first = np.zeros(9, np.uint16)
    for count in sorted(set(bits.reshape(-1).tolist()) - {0}):
        first[count] = sum(len(each) for each in values)
        values.append(trellis.values(count).reshape(-1))
    stream = codes["stream"][: ends[-1] if rows else 0]
    every = np.concatenate([*values, np.zeros(1)])
    used = np.zeros(len(every), np.bool_)
    for index, own in enumerate(bits):
        begin = (ends - sizes[classes])[classes == index]
        used[_values_read(stream, begin, own, first, trellis.memory)] = True
    return Trelliscoded(
        memory=trellis.memory,
        stream=stream,
        planes=codes["classes"],
        offsets=np.concatenate([[0], ends])[:rows:ROWS_APART],
        sizes=sizes.astype(np.uint16),
        bits=bits,
        deviation=np.asarray(deviation, np.float32),
        mean=np.asarray(mean, np.float32),
        moments={name: params[name] for name in ("deviation", "mean", "scale")},
        values=np.where(used, every, 0).astype(np.float16),  # the trellis' own type
        first_value=first,
    )


def _values_read(
    stream: NDArray[np.uint8],
    begin: NDArray[np.int64],
    bits: NDArray[np.uint8],
    first: NDArray[np.uint16],
    memory: int,
) -> NDArray[np.int64]:
    """Return which values the rows of a class read, whose bytes begin there, as numbers."""
    active = bits[bits > 0].astype(np.int64)
    size = -(-int(active.sum()) // 8)
    octets = stream[begin[:, None] + np.arange(size)]
    read = np.unpackbits(octets, axis=1, bitorder="little").astype(np.int64)
    coded, place = read[:, : len(active)], len(active)
    windows = np.zeros_like(coded)
    for back in range(memory + 1):
        windows += np.roll(coded, back, axis=1) << back
    found = [np.zeros(0, np.int64)]
    for column, count in enumerate(active.tolist()):
        free = read[:, place : place + count - 1] @ (1 << np.arange(count - 1))
        found.append(first[count] + (windows[:, column] << count - 1) + free)
        place += count - 1
    return np.concatenate(found)
