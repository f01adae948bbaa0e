"""The command prune, and what it can choose rows by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.clusters import Cluster, running_on
from embzip.cli.parameters import ColumnOptions, Errors, Input, Table, UsageError, Whole
from embzip.cli.results import TABLES, Result, write_table
from embzip.cli.tables import Reading
from embzip.corpus import read_texts
from embzip.engine import map_texts
from embzip.errors import InputError
from embzip.files.places import CLASSIFIER, EXAMPLES, TABLE, TEXTS, check_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embzip.vectors.base import Table as AnyTable


@dataclass(frozen=True)
class _Choice:
    """The input of the scores: a table, the file it came from, and texts in its ids."""

    path: str | Path
    table: "AnyTable"
    texts: Sequence[Sequence[int]]


def _by_count(_: _Choice) -> "NDArray[np.float64] | None":
    return None  # what the library does by itself


def _by_norm(choice: _Choice) -> "NDArray[np.float64]":
    from embzip.vectors.base import vectors_of
    from embzip.vectors.pruning import by_norm

    return by_norm(vectors_of(choice.table))


def _by_sensitivity(choice: _Choice) -> "NDArray[np.float64]":
    from embzip.classifier import load_classifier
    from embzip.classifier.sensitivities import sensitivity

    classifier = load_classifier(choice.path)
    limit = classifier.config.max_length
    return sensitivity(classifier, [text[:limit] for text in choice.texts])


_BY: dict[str, Callable[[_Choice], "NDArray[np.float64] | None"]] = {
    "count": _by_count,
    "norm": _by_norm,
    "sensitivity": _by_sensitivity,
    "coverage": _by_norm,
}


def prune(
    vectors: Table,
    /,
    *,
    max_vocab: Whole | None = None,
    min_count: Whole | None = None,
    by: Annotated[Literal["count", "norm", "sensitivity", "coverage"], CHOICE] = "count",
    texts: Input | None = None,
    labelled: Annotated[Input | None, Parameter(metavar="FILE")] = None,
    remap: bool = False,
    reading: Reading = Reading(),
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    cluster: Cluster = None,
    result: Result = Result(),
) -> None:
    """Drop rows of a table; special rows are kept.

    Give --max-vocab, --min-count, or both. A table without counts is taken to stand in order of
    frequency; one in alphabetical order is refused. Reported is the share of running tokens that
    still have a row. BPE tables are not pruned: their pieces make up one another. --by sensitivity
    takes a classifier's file. A classifier gets its pruned table by `embzip rebuild MODEL.embz
    --embedding PRUNED.embz`.

    Without -o, NAME.embz becomes NAME.pruned.embz in the current folder.

    Parameters
    ----------
    max_vocab
        Keep this many tokens, the best.
    min_count
        Keep tokens counted at least this often.
    by
        count: the most frequent; norm: the longest rows; sensitivity: what a classifier's answers
        change most without; coverage: the longest rows, but one token of each text first.
    texts
        What sensitivity and coverage look at: texts, one a line.
    labelled
        A file of label<TAB>text lines instead, of which the text is read.
    remap
        Dropped words read the most similar row that is kept.
    """
    if max_vocab is None and min_count is None:
        raise UsageError("give --max-vocab, --min-count, or both")
    needs_texts = by in ("sensitivity", "coverage")
    if (texts is not None) + (labelled is not None) != needs_texts:
        raise UsageError(
            "--texts or --labelled, one of them, goes with --by sensitivity and --by coverage, and "
            "only"
        )
    place = CLASSIFIER if by == "sensitivity" else TABLE
    check_places((vectors, place), (texts, TEXTS), (labelled, EXAMPLES))
    source = texts if labelled is None else labelled
    from embzip.vectors.pruning import prune

    inputs = [vectors, source, reading.words]
    with (
        result.writing(inputs, ".pruned.embz", TABLES) as made,
        progress("pruning"),
        running_on(cluster),
    ):
        if remap and made.format != "embz":
            raise UsageError("--remap needs a .embz file: word2vec files hold rows only")
        table = reading.read(vectors, errors, made)
        ids: list[list[int]] = []
        if source is not None:
            if table.tokenizer is None:
                raise InputError(
                    f"{vectors}: a foreign table has no tokenizer to read {source} with: train the "
                    "vectors (`embzip train-vectors`), or prune by count or norm"
                )
            read = read_texts(
                source, labelled=labelled is not None, errors=errors, columns=columns.columns
            )
            ids = [text for block in map_texts(table.tokenizer.encode, read) for text in block]
            if not any(set(text) - set(table.tokenizer.vocabulary.special_ids) for text in ids):
                raise InputError(f"{source}: expected text with tokens of the table, found none")
        pruned = prune(
            table,
            max_vocab=max_vocab,
            min_count=min_count,
            scores=_BY[by](_Choice(vectors, table, ids)),
            cover=ids if by == "coverage" else None,
            remap=remap,
        )
        write_table(pruned.vectors, made)
    covered = (
        "" if pruned.coverage is None else f", {pruned.coverage:.4f} of running tokens covered"
    )
    mapped = f", {pruned.remapped:,} words read a similar row" if remap else ""
    record = {
        "rows_before": pruned.rows_before,
        "rows_after": pruned.rows_after,
        "coverage": pruned.coverage,
        "remapped": pruned.remapped,
    }
    made.show(
        record,
        f"{pruned.rows_before:,} -> {pruned.rows_after:,} rows{covered}{mapped}",
    )
