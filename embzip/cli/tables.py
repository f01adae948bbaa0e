"""Commands whose result is a table of float32 rows: train-vectors, transfer."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.clusters import Cluster, running_on
from embzip.cli.parameters import (
    ColumnOptions,
    Corpus,
    Errors,
    Input,
    Labelled,
    Seed,
    Table,
    UsageError,
    Whole,
    corpus_of,
)
from embzip.cli.results import TABLES, Output, Result, write_table
from embzip.cli.terminal import log
from embzip.files.locations import file_at
from embzip.files.names import is_url
from embzip.files.places import COUNTS, TABLE, TOKENIZER, check_places
from embzip.files.signatures import signature_of

if TYPE_CHECKING:
    from embzip.embedding import CompressedEmbedding
    from embzip.vectors.base import Vectors


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How vectors of other programs are read.

    Attributes
    ----------
    words
        The tokens of a .npy, .npz or safetensors table, one a line.
    format
        How to read foreign vectors; auto looks at the file.
    tensor
        Which table of a .npz or safetensors file.
    skip_bad
        Leave out rows that cannot be read, and take a header with a wrong number of rows.
    limit
        Read so many rows, the first ones.
    duplicates
        A token that stands twice: refuse the file, or keep the first row.
    """

    words: Input | None = None
    format: Annotated[Literal["auto", "text", "binary", "npy"], CHOICE] = "auto"
    tensor: str | None = None
    skip_bad: bool = False
    limit: Whole | None = None
    duplicates: Annotated[Literal["error", "first"], CHOICE] = "error"

    def read(
        self, path: str | Path, errors: Errors = "strict", made: Output | None = None
    ) -> "Vectors | CompressedEmbedding":
        """Return the table of a .embz file or of foreign vectors, and note what was changed."""
        from embzip.embz.format import load
        from embzip.embz.shards import manifest_in
        from embzip.vectors.base import read_vectors

        path = manifest_in(file_at(path))
        if (is_url(path) or os.path.isfile(path)) and signature_of(path).kind == "embz":
            if self != Reading():
                first = next(name for name, value in vars(self).items() if value not in _UNSET)
                raise UsageError(f"--{first.replace('_', '-')} does not go with a .embz file")
            return load(path)
        vectors = read_vectors(path, **vars(self), errors=errors)
        if made is not None:
            made.changed = vectors.changed
        return vectors


_UNSET = (None, False, "auto", "error")


def train_vectors(
    *corpus: Corpus,
    tokenizer: Path,
    method: Annotated[Literal["word2vec", "ppmi"], CHOICE] = "ppmi",
    dim: Whole = 300,
    window: Whole = 5,
    epochs: Whole | None = None,
    sg: Annotated[bool | None, Parameter(negative="--cbow")] = None,
    negative: Whole | None = None,
    sample: float | None = None,
    smoothing: float | None = None,
    shift: Whole | None = None,
    exponent: float | None = None,
    workers: Whole = 1,
    seed: Seed = 0,
    labelled: Labelled = (),
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    cluster: Cluster = None,
    result: Result = Result(),
) -> None:
    """Train vectors for a tokenizer's rows.

    ppmi counts once what stands near what, takes the positive mutual information of the counts, and
    keeps its largest singular vectors: seconds, and the same vectors each time. word2vec goes
    through the corpus again and again.

    The .embz file holds the tokenizer with the table, and counts. -o FILE.txt or FILE.vec writes
    word2vec text instead, -o FILE.bin word2vec binary: rows alone, the most frequent first.

    Without -o, corpus.txt becomes corpus.vectors.embz in the current folder.

    Parameters
    ----------
    tokenizer
        What build-bpe or build-words wrote, a tokenizer.json of Hugging Face, a sentencepiece
        model, a .keras file with a TextVectorization layer, or a .embz, whose own is taken.
    method
        How they are trained.
    dim
        Numbers a row.
    window
        Tokens of context on each side.
    epochs
        Of word2vec: passes over the text; by default, and with 0, so many that ten million tokens
        are read, at least 5 and at most 30.
    sg
        Of word2vec: skip-gram, the default, or bag of words, which is faster.
    negative
        Of word2vec: tokens drawn at random for each token of the text; by default 5.
    sample
        Of word2vec: tokens above this share of the text are partly left out; by default 0.001, and
        0 leaves none out.
    smoothing
        Of ppmi: power of the contexts' counts, 0 to 1; by default 0.75.
    shift
        Of ppmi: its logarithm is taken from the mutual information; by default 1.
    exponent
        Of ppmi: power of the singular values, 0 to 1; by default 0.5.
    workers
        Threads of word2vec. With more than 1, each run gives other vectors.
    """
    files = corpus_of(corpus, labelled, (tokenizer, TOKENIZER))
    from embzip.vectors.training import train_vectors

    with (
        result.writing([*corpus, *labelled, tokenizer], ".vectors.embz", TABLES) as made,
        progress("training vectors", lines=True) as report,
        running_on(cluster),
    ):
        vectors = train_vectors(
            files,
            tokenizer,
            method=method,
            dim=dim,
            window=window,
            epochs=epochs,
            sg=sg,
            negative=negative,
            sample=sample,
            smoothing=smoothing,
            shift=shift,
            exponent=exponent,
            workers=workers,
            seed=seed,
            labelled=labelled,
            errors=errors,
            columns=columns.columns,
            progress=report,
        )
        write_table(vectors, made)
    rows = len(vectors.vocabulary)
    unknown = vectors.unknown_rate
    again = method == "ppmi" or workers == 1
    if not again:
        log("several threads give other vectors each time; --workers 1 gives the same, slower")
    made.show(
        {"rows": rows, "dim": dim, "unknown_rate": unknown, "reproducible": again},
        f"{rows:,} rows of {dim}, {unknown:.4f} of the corpus's tokens unknown to the tokenizer",
    )


def transfer(
    vectors: Table,
    /,
    *,
    tokenizer: Path,
    counts: Input | None = None,
    ridge: float = 0.1,
    reading: Reading = Reading(),
    errors: Errors = "strict",
    result: Result = Result(),
) -> None:
    """Make rows for pieces from the rows of words.

    The mean of a word's pieces is to come near the word's row, by weighted least squares. Words
    without counts weigh by their place in the file (Zipf's law), which should stand by falling
    frequency; where words stand in alphabetical order, they weigh alike. Which it was is printed,
    with the share of the words' energy that the pieces explain.

    Without -o, NAME.vec becomes NAME.transferred.embz in the current folder.

    Parameters
    ----------
    tokenizer
        What build-bpe wrote; it cuts the words into pieces.
    counts
        How often words stand in your text: token<TAB>count lines, or what build-words wrote. By
        default the table's own counts.
    ridge
        How strongly a row is drawn to the mean of the words.
    """
    check_places((vectors, TABLE), (tokenizer, TOKENIZER), (counts, COUNTS))
    from embzip.tokenizers import load_tokenizer
    from embzip.tokenizers.counts import read_counts
    from embzip.vectors.transferring import transfer

    with (
        result.writing(
            [vectors, tokenizer, counts, reading.words], ".transferred.embz", TABLES
        ) as made,
        progress("transferring") as report,
    ):
        chosen = load_tokenizer(tokenizer)
        known = None if counts is None else read_counts(counts)
        table = reading.read(vectors, errors, made)
        done = transfer(table, chosen, counts=known, ridge=ridge, progress=report)
        write_table(done.vectors, made)
    record = {
        "rows": done.vectors.rows,
        "dim": done.vectors.dim,
        "explained_energy": done.explained_energy,
        "deciles": list(done.deciles),
        "weighting": done.weighting,
        "words": done.words,
        "skipped": done.skipped,
        "unused": done.unused,
        "unknown_rate": done.unknown_rate,
    }
    shares = " ".join(f"{share:.2f}" for share in done.deciles)
    made.show(
        record,
        f"{done.words:,} words, weighed by {done.weighting}, {done.skipped:,} skipped -> "
        f"{done.vectors.rows:,} rows of {done.vectors.dim}; {done.unused:,} pieces are in no word",
        f"{done.unknown_rate:.4f} of the words' tokens unknown to the tokenizer",
        f"explained energy {done.explained_energy:.4f}; of each tenth, by falling weight: {shares}",
    )
