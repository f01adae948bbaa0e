"""Files of compressed tables: a table compressed into one, and one with further rows.

A size that is named, as in `auto:300KB`, is the written file's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embzip.compression import compress
from embzip.corpus import read_texts
from embzip.embedding import CompressedEmbedding
from embzip.embz.budgets import file_codec
from embzip.embz.format import read, save
from embzip.embz.meta import meta_of
from embzip.errors import InputError
from embzip.evaluation.distortion import reconstruction
from embzip.files.lines import Errors
from embzip.sources import Labelled, Paths
from embzip.types import Matrix, Progress
from embzip.vectors.base import Vectors, vectors_of
from embzip.vectors.counting import counts_in, row_counts


def compress_file(
    vectors: Vectors | CompressedEmbedding,
    target: str | Path,
    codec: str,
    *,
    counts: Mapping[str, int] | None = None,
    texts: Paths | None = None,
    labelled: Labelled = False,
    errors: Errors = "strict",
    metric: Matrix | None = None,
    pack: bool = False,
    meta: Mapping[str, str] | None = None,
    shards: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> CompressedEmbedding:
    """Compress a table and write it as a .embz file; a size that `auto` names is the file's.

    Parameters
    ----------
    vectors, codec, metric, seed, progress
        As in `embzip.compress`.
    target
        The .embz file.
    counts, texts
        Rows weigh by the square root of their tokens' counts: of these, or those in a corpus, one
        of both; by default of the table's own, where it has any.
    labelled, errors
        How the corpus is read, as in `read_texts`.
    pack
        Whether tensors are entropy coded; the file is then smaller than `auto` was told, or as
        large.
    meta, shards
        Facts by name, and files, as in `embzip.save`.

    Raises
    ------
    SpecError
        For a size that no chain reaches; the message has the least.
    InputError
        Where no token of the table was counted, and as in `embzip.compress`.
    """
    counted = _counted(vectors, counts, texts, labelled, errors)
    bound = file_codec(codec, vectors)
    embedding = compress(
        vectors,
        bound.codec,
        weights=None if counted is None else np.sqrt(np.maximum(counted, 1)),
        metric=metric,
        seed=seed,
        progress=progress,
    )
    save(embedding, target, pack=pack, most=bound.most, meta=meta, shards=shards)
    return embedding


@dataclass(frozen=True, eq=False)
class Appended:
    """A table with further rows: how many there are, and 10 log10 of their energy over errors."""

    table: CompressedEmbedding
    appended: int
    snr_db: float


def append_file(
    path: str | Path,
    vectors: Vectors | CompressedEmbedding,
    target: str | Path,
    *,
    pack: bool = False,
    shards: int | None = None,
) -> Appended:
    """Append rows to the table of a .embz file; see `CompressedEmbedding.append`.

    Parameters
    ----------
    path, target
        Files, or folders of tables in shards.
    shards
        As in `embzip.save`.

    Raises
    ------
    InputError
        For a classifier's file, and as in `append`.
    """
    stored = read(path)
    if stored.heads:
        raise InputError(
            f"{path} is a classifier, whose rows were trained with its kernels: append to the "
            "table that it was trained on, and train or rebuild it over that"
        )
    new = vectors_of(vectors)
    longer = stored.embedding.append(new)
    counts, meta = longer.counts is not None, meta_of(path)
    save(longer, target, counts=counts, pack=pack, meta=meta, shards=shards)
    ids = new.ordinary_ids()
    known = longer.vocabulary
    places = [] if known is None else [known[new.vocabulary.token(i)] for i in ids.tolist()]
    near = reconstruction(new.matrix[ids], longer[places])
    return Appended(longer, len(ids), near.snr_db)


def _counted(
    vectors: Vectors | CompressedEmbedding,
    counts: Mapping[str, int] | None,
    texts: Paths | None,
    labelled: Labelled,
    errors: Errors,
) -> NDArray[np.int64] | None:
    if counts is None and texts is None:
        return None
    if counts is not None and texts is not None:
        raise InputError("rows weigh by counts or by texts: give one of both")
    if vectors.vocabulary is None:
        raise InputError("this table has no tokens to be counted: pass weights to `compress`")
    if counts is not None:
        return row_counts(vectors.vocabulary, counts)
    found = read_texts(texts or [], labelled=labelled, errors=errors)
    return counts_in(found, vectors.vocabulary, vectors.tokenizer)
