"""Commands that make a tokenizer from text: build-bpe, build-words."""

from typing import Annotated, Literal

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.clusters import Cluster, running_on
from embzip.cli.parameters import (
    ColumnOptions,
    Corpus,
    Errors,
    Labelled,
    Lowercase,
    Unicode,
    Whole,
    corpus_of,
)
from embzip.cli.results import Result


def build_bpe(
    *corpus: Corpus,
    vocab: Whole = 30000,
    coverage: float = 1.0,
    threads: Whole | None = None,
    lowercase: Lowercase = True,
    unicode: Unicode = "NFC",
    engine: Annotated[Literal["youtokentome", "tokenizers"], CHOICE] = "youtokentome",
    labelled: Labelled = (),
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    cluster: Cluster = None,
    result: Result = Result(),
) -> None:
    """Train a BPE vocabulary, a YouTokenToMe model.

    The file loads in the bare youtokentome package too; the normalization stands behind the
    model as one JSON line. Where the text holds fewer pieces than asked for, a warning says so.

    Without -o, corpus.txt becomes corpus.bpe.model in the current folder.

    Parameters
    ----------
    vocab
        Pieces, special ones included.
    coverage
        Share of the characters that get a piece.
    threads
        Threads of the training; by default all, at most 8.
    engine
        What trains: tokenizers where youtokentome cannot be built; one file format.
    """
    files = corpus_of(corpus, labelled)
    from embzip.tokenizers.building import build_bpe

    formats = dict.fromkeys((".model", ".bpe", ".yttm"), "bpe")
    with (
        result.writing([*corpus, *labelled], ".bpe.model", formats) as made,
        progress("training BPE") as report,
        running_on(cluster),
    ):
        tokenizer = build_bpe(
            files,
            made.path,
            vocab=vocab,
            coverage=coverage,
            threads=threads,
            lowercase=lowercase,
            unicode=unicode,
            engine=engine,
            labelled=labelled,
            errors=errors,
            columns=columns.columns,
            progress=report,
        )
    rows = len(tokenizer.vocabulary)
    record = {
        "kind": tokenizer.kind,
        "rows": rows,
        "normalization": tokenizer.normalization.to_json(),
        "reproducible": tokenizer.reproducible,
    }
    made.show(record, f"{rows:,} pieces")


def build_words(
    *corpus: Corpus,
    min_count: Whole = 2,
    max_vocab: Whole = 220_000,
    lowercase: Lowercase = True,
    unicode: Unicode = "NFC",
    labelled: Labelled = (),
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    cluster: Cluster = None,
    result: Result = Result(),
) -> None:
    r"""Count words and keep the frequent ones as a vocabulary.

    A word is a match of \w+|[^\w\s] in the normalized text, with the combining marks behind its
    letters. The file is UTF-8: one JSON line, then token<TAB>count.

    Without -o, corpus.txt becomes corpus.words.tsv in the current folder.

    Parameters
    ----------
    min_count
        A word must occur at least this often.
    max_vocab
        Keep at most this many, the most frequent.
    """
    files = corpus_of(corpus, labelled)
    from embzip.tokenizers.building import build_words

    formats = {".tsv": "words", ".txt": "words"}
    with (
        result.writing([*corpus, *labelled], ".words.tsv", formats) as made,
        progress("counting words") as report,
        running_on(cluster),
    ):
        tokenizer = build_words(
            files,
            made.path,
            min_count=min_count,
            max_vocab=max_vocab,
            lowercase=lowercase,
            unicode=unicode,
            labelled=labelled,
            errors=errors,
            columns=columns.columns,
            progress=report,
        )
    rows = len(tokenizer.vocabulary)
    record = {
        "kind": tokenizer.kind,
        "rows": rows,
        "normalization": tokenizer.normalization.to_json(),
    }
    made.show(record, f"{rows:,} rows, <PAD> and <UNK> included")
