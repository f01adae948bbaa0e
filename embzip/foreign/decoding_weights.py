"""What the decoding of a compressed table takes in a file, beside its codes.

Operators and what they look up take the same bytes however few rows there are, so that a small
table as short codes may take more in all than as longer ones. A table is weighed by a file of it
alone.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import SpecError
from embzip.files.writing import temporary_folder
from embzip.foreign.converting import litert_model, onnx_of
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.graph.flat_graphs import FlatGraph, Signature
from embzip.foreign.graph.rebuilding import compressed_tables, decoder
from embzip.foreign.graph.writing import write_frozen, write_saved_model
from embzip.inspection import bytes_on_disk
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.layers.finding import walk
from embzip.types import Matrix

# Codes above this outweigh any decoding, of which the largest measured takes half of it.
_MOST = 400_000
_OTHERS = ("float32", "int8", "int4")


@dataclass(frozen=True)
class DecodingWeight:
    """A table whose decoding takes more bytes of a file than its codes do.

    Attributes
    ----------
    layer
        The layer, or the graph's table.
    codec, format
        How the table is stored, and the kind of file.
    codes, decoding
        Bytes of what the codec stores, and of all else that it takes.
    better, better_bytes
        The codec that takes the fewest bytes of those that keep more of each number, `float32`
        included, and all of its bytes; None where this one takes the fewest.
    """

    layer: str
    codec: str
    format: str
    codes: int
    decoding: int
    better: str | None
    better_bytes: int | None

    @property
    def sentence(self) -> str:
        """The weight in words, with what fits better."""
        told = (
            f"{self.layer}: as {self.format}, {self.codec} takes {self.codes:,} bytes of codes and "
            f"{self.decoding:,} of what decodes them"
        )
        if self.better is None:
            return told
        instead = "leaving it as it is" if self.better == "float32" else f"--codec {self.better}"
        return f"{told}: {instead} would take {self.better_bytes:,} in all, and change less"


def decoding_weight(
    layer: str, embedding: CompressedEmbedding, format: str
) -> DecodingWeight | None:
    """Return what decoding takes where that is more than the codes; else None.

    Parameters
    ----------
    format
        `litert`, `savedmodel`, `frozen` or `onnx`. None is returned of others, such as `keras`,
        whose files hold no graph.

    Examples
    --------
    >>> table = compress(np.random.default_rng(0).normal(size=(500, 16)), "svd|tcq:2")
    >>> weight = decoding_weight("words", table, "frozen")
    >>> weight.decoding > weight.codes, weight.better
    (True, 'int4')
    """
    if format not in ("litert", "savedmodel", "frozen", "onnx") or embedding.nbytes > _MOST:
        return None
    empty = _alone("float32", 1, embedding.dim, format)
    codes = embedding.nbytes
    decoding = _file_bytes(embedding, format) - empty - codes
    if decoding <= codes:
        return None
    rows = sum(array.nbytes for array in embedding.codes.values())
    taken = {
        codec: _alone(codec, *embedding.shape, format) - empty
        for codec in _OTHERS
        if _fewest(codec, embedding) >= rows
    }
    better = min(taken, key=lambda codec: taken[codec], default=None)
    if better is not None and taken[better] >= codes + decoding:
        better = None
    return DecodingWeight(
        layer,
        embedding.codec.spec,
        format,
        codes,
        decoding,
        better,
        None if better is None else taken[better],
    )


def heavy_decodings(
    tables: Iterable[tuple[str, CompressedEmbedding]], format: str
) -> tuple[DecodingWeight, ...]:
    """Return the `decoding_weight` of each table, by its layer, where there is one."""
    found = (decoding_weight(layer, table, format) for layer, table in tables)
    return tuple(weight for weight in found if weight is not None)


def weights_in(path: Path, kind: str, flat: FlatGraph, format: str) -> tuple[DecodingWeight, ...]:
    """Return the heavy decodings of the compressed tables of a file, once exported.

    Of a graph is known what was compressed, and by which codec; numbers like those take their
    place.
    """
    found = _tables(load_keras(path)) if kind == "keras" else _tables_like(flat)
    return heavy_decodings(found, format)


def _tables_like(flat: FlatGraph) -> Iterator[tuple[str, CompressedEmbedding]]:
    for name, spec, rows, dim in compressed_tables(flat):
        try:
            codec = parse_codec(spec)
            if codec.layout(rows, dim).nbytes > _MOST:
                continue
        except SpecError:  # of another version: nothing is said of it
            continue
        yield name, compress(_normal(rows, dim), codec)


def _tables(model: Any) -> Iterator[tuple[str, CompressedEmbedding]]:
    for name, layer in walk(model):
        if isinstance(layer, CompressedEmbeddingLayer):
            shape = (layer.rows, layer.dim)
            yield name, CompressedEmbedding(layer.codec, layer.codes(), layer.params(), *shape)


def _fewest(codec: str, embedding: CompressedEmbedding) -> int:
    """Return the bytes of a table's numbers alone."""
    widths = {"float32": 4.0, "int8": 1.0, "int4": 0.5}
    return math.ceil(widths[codec] * embedding.rows * embedding.dim)


@cache
def _alone(codec: str, rows: int, dim: int, format: str) -> int:
    """Return the bytes of a file of nothing but a table of this codec."""
    return _file_bytes(compress(_normal(rows, dim), codec), format)


def _normal(rows: int, dim: int) -> Matrix:
    return np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)


def _file_bytes(embedding: CompressedEmbedding, format: str) -> int:
    types = tf.int32.as_datatype_enum, tf.float32.as_datatype_enum
    graph = decoder(embedding, "table", [types[0]], [types[1]])
    ends = Signature({"ids": "table/ids_0:0"}, {"rows": "table/rows_0:0"})
    flat = FlatGraph(graph, {"serving_default": ends}).optimized()
    if format == "litert":
        return len(litert_model(flat))
    if format == "onnx":
        return len(onnx_of(flat))
    with temporary_folder() as folder:
        written = folder / "alone.pb"
        (write_frozen if format == "frozen" else write_saved_model)(flat, written)
        return bytes_on_disk(written)
