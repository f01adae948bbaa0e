"""Commands whose result is a compressed table: compress, append."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.clusters import Cluster, running_on
from embzip.cli.parameters import (
    Errors,
    Input,
    Meta,
    Pack,
    Seed,
    Table,
    UsageError,
    Whole,
    facts_of,
)
from embzip.cli.results import EMBZ, Output, Result
from embzip.cli.tables import Reading
from embzip.files.locations import files_at
from embzip.files.names import is_url
from embzip.files.outputs import FOLDER
from embzip.files.places import CLASSIFIER, COUNTS, EXAMPLES, TABLE, TEXTS, check_places
from embzip.files.remote import nbytes_of
from embzip.inspection import bytes_on_disk, size_change

if TYPE_CHECKING:
    from embzip.types import Matrix


Shards = Annotated[
    Whole | None,
    Parameter(
        metavar="N",
        help="Write a folder: manifest.embz, and the codes in N files. Every command that reads a "
        "table takes the folder.",
    ),
]


def compress(
    vectors: Table,
    /,
    *,
    codec: Annotated[str, Parameter(metavar="SPEC")],
    texts: Input | None = None,
    labelled: Annotated[Input | None, Parameter(metavar="FILE")] = None,
    counts: Input | None = None,
    metric_of: Annotated[Path | None, Parameter(metavar="MODEL.embz")] = None,
    seed: Seed = 0,
    meta: Meta = (),
    pack: Pack = False,
    errors: Errors = "strict",
    shards: Shards = None,
    cluster: Cluster = None,
    reading: Reading = Reading(),
    result: Result = Result(),
) -> None:
    """Compress a table with a codec.

    Rows keep their number and their ids; nothing is inserted. Of a classifier's file the
    embedding is taken: `embzip rebuild MODEL.embz --codec SPEC` compresses a whole classifier.

    Texts like those that the table will read, or counts of their tokens, say which rows matter:
    errors are weighed by the square root of the counts. By default they are weighed by the table's
    own counts, where it has any.

    Without -o, NAME.embz becomes NAME.compressed.embz in the current folder.

    Parameters
    ----------
    codec
        A chain such as 'svd:64|int8': {stages}. `embzip codecs` explains each. The size of
        auto:300KB is the file's.
    texts
        Texts, one a line, in which the table's tokens are counted.
    labelled
        A file of label<TAB>text lines instead, of which the text is read.
    counts
        The counts instead: token<TAB>count lines, or what build-words wrote.
    metric_of
        A classifier over a table of as many columns, whose kernels say which directions matter.
    """
    if sum(given is not None for given in (texts, labelled, counts)) > 1:
        raise UsageError("give one of --texts, --labelled and --counts")
    facts = facts_of(meta)
    check_places(
        (vectors, TABLE),
        (reading.words, TEXTS),
        (texts, TEXTS),
        (labelled, EXAMPLES),
        (counts, COUNTS),
        (metric_of, CLASSIFIER),
    )
    from embzip.table_files import compress_file
    from embzip.tokenizers.counts import read_counts

    inputs = [vectors, reading.words, texts, labelled, counts, metric_of]
    with (
        _written(result, inputs, "compressed", shards) as made,
        progress("compressing") as report,
        running_on(cluster),
    ):
        table = reading.read(vectors, errors, made)
        embedding = compress_file(
            table,
            made.path,
            codec,
            counts=None if counts is None else read_counts(counts),
            texts=texts or labelled,
            labelled=labelled is not None,
            errors=errors,
            metric=None if metric_of is None else _metric_of(metric_of),
            pack=pack,
            meta=facts,
            shards=shards,
            seed=seed,
            progress=report,
        )
    read = [file for name in (vectors, reading.words) if name for file in files_at(name)]
    before = sum(nbytes_of(file) if is_url(file) else bytes_on_disk(Path(file)) for file in read)
    record = {
        "codec": embedding.codec.spec,
        "rows": embedding.rows,
        "dim": embedding.dim,
        "embedding_bytes": embedding.nbytes,
        "bytes_before": before,
        "file_bytes": made.nbytes,
    }
    made.show(
        record,
        f"{embedding.rows:,} rows of {embedding.dim} as {embedding.codec.spec}: "
        f"{embedding.nbytes:,} bytes, {embedding.rows * embedding.dim * 4:,} as float32; the file "
        f"with its vocabulary {made.nbytes:,}, from {before:,}: "
        f"{size_change(before, made.nbytes)}",
    )


def append(
    table: Annotated[Path, Parameter(name="TABLE.embz", help="A compressed table.")],
    vectors: Annotated[Input, Parameter(name="WORDS.vec", help="New tokens and their rows.")],
    /,
    *,
    pack: Pack = False,
    errors: Errors = "strict",
    shards: Shards = None,
    cluster: Cluster = None,
    reading: Reading = Reading(),
    result: Result = Result(),
) -> None:
    """Add rows to a compressed table, encoded by what is stored of it; nothing is fitted anew.

    float32, float16, int8, int4, int2, int1, kmeans, pq, rq, mixed and tcq take new rows, behind
    svd, center, opq, normalize and coarse too. Of a table with a word tokenizer, which keeps its
    words in order, rows get new ids: a classifier's file is refused.

    Without -o, NAME.embz becomes NAME.appended.embz in the current folder.
    """
    check_places((table, TABLE), (vectors, TABLE), (reading.words, TEXTS))
    from embzip.table_files import append_file

    inputs = [table, vectors, reading.words]
    with (
        _written(result, inputs, "appended", shards) as made,
        progress("appending"),
        running_on(cluster),
    ):
        added = reading.read(vectors, errors, made)
        longer = append_file(table, added, made.path, pack=pack, shards=shards)
    record = {
        "codec": longer.table.codec.spec,
        "rows": longer.table.rows,
        "appended": longer.appended,
        "snr_db": longer.snr_db,
        "file_bytes": made.nbytes,
    }
    made.show(
        record,
        f"{longer.appended:,} rows appended: {longer.table.rows:,} rows of {longer.table.dim} as "
        f"{longer.table.codec.spec}; SNR of the new ones {longer.snr_db:.2f} dB; the file "
        f"{made.nbytes:,} bytes",
    )


def _written(
    result: Result, inputs: Sequence[str | Path | None], done: str, shards: int | None
) -> AbstractContextManager[Output]:
    """Return what `Result.writing` does, for a file or for a folder of shards."""
    if shards is None:
        return result.writing(inputs, f".{done}.embz", EMBZ)
    from embzip.embz.shards import MANIFEST

    return result.writing(inputs, f".{done}", {FOLDER: "table in shards"}, marker=MANIFEST)


def _metric_of(model: Path) -> "Matrix":
    from embzip.classifier import load_classifier
    from embzip.classifier.rebuilding import reading_metric

    return reading_metric(load_classifier(model))
