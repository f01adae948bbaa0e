"""Commands that make a tokenizer from text: build-bpe, build-words."""

from typing import Annotated, Literal

import typer

from embzip.cli.terminal import (
    CorpusArgument,
    ErrorsOption,
    ForceOption,
    JsonOption,
    LabelledOption,
    LowercaseOption,
    OutputOption,
    UnicodeOption,
    progress,
    show,
)
from embzip.files import output_path


def build_bpe(
    corpus: CorpusArgument,
    vocab: Annotated[int, typer.Option("--vocab", help="Pieces, special ones included.")] = 30000,
    coverage: Annotated[
        float, typer.Option("--coverage", help="Share of the characters that get a piece.")
    ] = 1.0,
    threads: Annotated[
        int | None,
        typer.Option("--threads", help="Threads of the training; by default all, at most 8."),
    ] = None,
    lowercase: LowercaseOption = True,
    unicode: UnicodeOption = "NFC",
    engine: Annotated[
        Literal["youtokentome", "tokenizers"],
        typer.Option(
            "--engine",
            help="What trains: tokenizers where youtokentome cannot be built; one file format.",
        ),
    ] = "youtokentome",
    labelled: LabelledOption = False,
    errors: ErrorsOption = "strict",
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a BPE vocabulary, a YouTokenToMe model.

    The file loads in the bare youtokentome package too; the normalization stands behind the
    model as one JSON line. Where the text holds fewer pieces than asked for, a warning says so.

    Without -o, corpus.txt becomes corpus.bpe.model in the current folder.
    """
    from embzip.tokenizers.building import build_bpe

    path = output_path(corpus[0], ".bpe.model", output, force=force)
    with progress("training BPE") as report:
        tokenizer = build_bpe(
            corpus,
            path,
            vocab=vocab,
            coverage=coverage,
            threads=threads,
            lowercase=lowercase,
            unicode=unicode,
            engine=engine,
            labelled=labelled,
            errors=errors,
            progress=report,
        )
    rows = len(tokenizer.vocabulary)
    record = {
        "path": str(path),
        "kind": tokenizer.kind,
        "rows": rows,
        "normalization": tokenizer.normalization.to_json(),
        "reproducible": tokenizer.reproducible,
    }
    show(record, f"{rows:,} pieces\n{path}", as_json=as_json)


def build_words(
    corpus: CorpusArgument,
    min_count: Annotated[
        int, typer.Option("--min-count", help="A word must occur at least this often.")
    ] = 2,
    max_vocab: Annotated[
        int, typer.Option("--max-vocab", help="Keep at most this many, the most frequent.")
    ] = 220_000,
    lowercase: LowercaseOption = True,
    unicode: UnicodeOption = "NFC",
    labelled: LabelledOption = False,
    errors: ErrorsOption = "strict",
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Count words and keep the frequent ones as a vocabulary.

    A word is a match of \w+|[^\w\s] in the normalized text. The file is UTF-8: one JSON line,
    then token<TAB>count.

    Without -o, corpus.txt becomes corpus.words.tsv in the current folder.
    """
    from embzip.tokenizers.building import build_words

    path = output_path(corpus[0], ".words.tsv", output, force=force)
    with progress("counting words") as report:
        tokenizer = build_words(
            corpus,
            path,
            min_count=min_count,
            max_vocab=max_vocab,
            lowercase=lowercase,
            unicode=unicode,
            labelled=labelled,
            errors=errors,
            progress=report,
        )
    rows = len(tokenizer.vocabulary)
    record = {
        "path": str(path),
        "kind": tokenizer.kind,
        "rows": rows,
        "normalization": tokenizer.normalization.to_json(),
    }
    show(record, f"{rows:,} rows, <PAD> and <UNK> included\n{path}", as_json=as_json)
