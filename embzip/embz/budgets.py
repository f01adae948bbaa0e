"""Sizes that a user names: `auto:300KB` bounds the whole file, and not the table alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from embzip.codecs.auto import Auto, Measure
from embzip.codecs.chain import Codec
from embzip.codecs.registry import parse_codec
from embzip.embedding import CompressedEmbedding
from embzip.embz.contents import contents_of, words_of
from embzip.types import Arrays
from embzip.vectors.base import Vectors

Table = Vectors | CompressedEmbedding
Made = Callable[[CompressedEmbedding], tuple[CompressedEmbedding, Sequence[Arrays]]]


@dataclass(frozen=True)
class FileCodec:
    """A codec, and the bytes that the file may have; None where no size was named."""

    codec: Codec
    most: int | None = None


def file_codec(codec: str, table: Table, made: Made | None = None) -> FileCodec:
    """Return a codec whose `auto` bounds a .embz file; a size a row bounds the table, as always.

    Vocabulary, heads and header are counted for each chain that `auto` considers: what folds into
    the kernels makes them smaller.

    Parameters
    ----------
    table
        What will be compressed.
    made
        Returns the embedding and the heads that a compressed table becomes; by default it is the
        embedding, without heads. Its codes are empty and must not be read.

    Raises
    ------
    SpecError
        For a codec that does not parse.

    Examples
    --------
    >>> from embzip.vectors.base import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> vectors = Vectors(Vocabulary([f"w{i}" for i in range(500)]), np.eye(500, 20))
    >>> from embzip.compression import compress
    >>> chain = file_codec("auto:4KB", vectors)
    >>> chain.most, compress(vectors, chain.codec).nbytes < 3500
    (4000, True)
    """
    words = words_of(table.tokenizer, table.vocabulary) if most_of(codec) is not None else {}

    def measure(chain: Codec, rows: int, dim: int) -> int:
        embedding = unfilled(chain, table)
        heads: Sequence[Arrays] = ()
        if made is not None:
            embedding, heads = made(embedding)
        return contents_of(embedding, heads, words).nbytes

    return measured(codec, measure)


def measured(codec: str, measure: Measure) -> FileCodec:
    """Return a codec whose `auto` bounds what `measure` says of a chain; others as they are."""
    parsed, most = parse_codec(codec), most_of(codec)
    if most is None or not isinstance(parsed.quantizer, Auto):
        return FileCodec(parsed)
    return FileCodec(Codec((), replace(parsed.quantizer, measure=measure)), most)


def most_of(codec: str) -> int | None:
    """Return the size of a file that a codec names, None where it names none or one a row.

    >>> most_of("auto:300KB"), most_of("auto:25B/row"), most_of("int8")
    (300000, None, None)
    """
    auto = parse_codec(codec).quantizer
    named = isinstance(auto, Auto) and not auto.budget.endswith("/row")
    return auto.nbytes(1) if named and isinstance(auto, Auto) else None


def unfilled(chain: Codec, table: Table) -> CompressedEmbedding:
    """Return a table of a chain whose codes take no memory, and whose params are all 1."""
    layout = chain.layout(table.rows, table.dim)
    return CompressedEmbedding(
        chain,
        {code.name: np.broadcast_to(np.zeros((), code.dtype), code.shape) for code in layout.codes},
        {param.name: np.ones(param.shape, param.dtype) for param in layout.params},
        table.rows,
        table.dim,
        table.vocabulary,
        table.tokenizer,
    )
