"""Commands whose result is an embedding table: train-vectors, transfer, compress."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embzip.cli.terminal import (
    CorpusArgument,
    ErrorsOption,
    ForceOption,
    Format,
    FormatOption,
    JsonOption,
    LabelledOption,
    OutputOption,
    PackOption,
    SeedOption,
    VectorsArgument,
    WordsOption,
    progress,
    show,
)
from embzip.files import output_path

if TYPE_CHECKING:
    from embzip.embedding import CompressedEmbedding
    from embzip.vectors.base import Vectors


def train_vectors(
    corpus: CorpusArgument,
    tokenizer: Annotated[
        Path,
        typer.Option(
            "--tokenizer",
            metavar="FILE",
            help="What build-bpe or build-words wrote.",
            show_default=False,
        ),
    ],
    dim: Annotated[int, typer.Option("--dim", help="Numbers a row.")] = 300,
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the text.")] = 5,
    window: Annotated[int, typer.Option("--window", help="Tokens of context on each side.")] = 5,
    sg: Annotated[bool, typer.Option("--sg/--cbow", help="Skip-gram, or bag of words.")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Threads; by default all cores. Only 1 is reproducible."),
    ] = None,
    seed: SeedOption = 0,
    deterministic: Annotated[
        bool,
        typer.Option("--deterministic", help="One thread: same input and seed, same vectors."),
    ] = False,
    labelled: LabelledOption = False,
    errors: ErrorsOption = "strict",
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train word2vec vectors for a tokenizer's rows.

    The .embz file holds the tokenizer with the table. -o FILE.txt or FILE.vec writes word2vec
    text instead, -o FILE.bin word2vec binary.

    Without -o, corpus.txt becomes corpus.vectors.embz in the current folder.
    """
    from embzip.vectors.training import train_vectors

    path = output_path(corpus[0], ".vectors.embz", output, force=force)
    with progress("training vectors") as report:
        vectors = train_vectors(
            corpus,
            tokenizer,
            dim=dim,
            epochs=epochs,
            window=window,
            sg=sg,
            workers=workers,
            seed=seed,
            deterministic=deterministic,
            labelled=labelled,
            errors=errors,
            progress=report,
        )
        write_table(vectors, path)
    rows = len(vectors.vocabulary)
    show(
        {"path": str(path), "rows": rows, "dim": dim},
        f"{rows:,} rows of {dim}\n{path}",
        as_json=as_json,
    )


def transfer(
    vectors: VectorsArgument,
    tokenizer: Annotated[
        Path,
        typer.Option(
            "--tokenizer",
            metavar="FILE",
            help="What build-bpe wrote; it cuts the words into pieces.",
            show_default=False,
        ),
    ],
    counts: Annotated[
        Path | None,
        typer.Option(
            "--counts",
            metavar="FILE",
            help="How often words stand in your text: token<TAB>count lines, or what build-words "
            "wrote. By default the table's own counts.",
        ),
    ] = None,
    ridge: Annotated[
        float,
        typer.Option("--ridge", help="How strongly a row is drawn to the mean of the words."),
    ] = 0.1,
    words: WordsOption = None,
    format: FormatOption = "auto",
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make rows for pieces from the rows of words.

    The mean of a word's pieces is to come near the word's row, by weighted least squares. Words
    without counts weigh by their place in the file (Zipf's law), which should stand by falling
    frequency; where words stand in code point order, they weigh alike. Which it was is printed,
    with the share of the words' energy that the pieces explain.

    Without -o, NAME.vec becomes NAME.transferred.embz in the current folder.
    """
    from embzip.tokenizers import load_tokenizer
    from embzip.tokenizers.counts import read_counts
    from embzip.vectors.transferring import transfer

    path = output_path(vectors, ".transferred.embz", output, force=force)
    with progress("transferring") as report:
        chosen = load_tokenizer(tokenizer)
        known = None if counts is None else read_counts(counts)
        done = transfer(
            read_table(vectors, words=words, format=format),
            chosen,
            counts=known,
            ridge=ridge,
            progress=report,
        )
        write_table(done.vectors, path)
    record = {
        "path": str(path),
        "rows": done.vectors.rows,
        "dim": done.vectors.dim,
        "explained_energy": done.explained_energy,
        "deciles": list(done.deciles),
        "weighting": done.weighting,
        "words": done.words,
        "skipped": done.skipped,
        "unused": done.unused,
    }
    shares = " ".join(f"{share:.2f}" for share in done.deciles)
    show(
        record,
        f"{done.words:,} words, weighed by {done.weighting}, {done.skipped:,} skipped -> "
        f"{done.vectors.rows:,} rows of {done.vectors.dim}; {done.unused:,} pieces are in no word\n"
        f"explained energy {done.explained_energy:.4f}; of each tenth, by falling weight: {shares}"
        f"\n{path}",
        as_json=as_json,
    )


def compress(
    vectors: VectorsArgument,
    codec: Annotated[
        str,
        typer.Option(
            "--codec",
            metavar="SPEC",
            help="A chain such as 'svd:64|int8': float32, float16, int8, int4, int2, int1, "
            "kmeans:K, sparse:N, rows:K, pq:M, rq:M; before them svd:R, svd:energy=0.95, center, "
            "topdim:N, opq:M, normalize.",
            show_default=False,
        ),
    ],
    words: WordsOption = None,
    format: FormatOption = "auto",
    seed: SeedOption = 0,
    pack: PackOption = False,
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compress a table with a codec.

    Rows keep their number and their ids; nothing is inserted. Of a classifier's file the
    embedding is taken: `embzip rebuild MODEL.embz --codec SPEC` compresses a whole classifier.

    Without -o, NAME.embz becomes NAME.compressed.embz in the current folder.
    """
    from embzip.compression import compress
    from embzip.embz.format import save

    path = output_path(vectors, ".compressed.embz", output, force=force)
    with progress("compressing") as report:
        embedding = compress(
            read_table(vectors, words=words, format=format), codec, seed=seed, progress=report
        )
        save(embedding, path, pack=pack)
    record = {
        "path": str(path),
        "codec": embedding.codec.spec,
        "rows": embedding.rows,
        "dim": embedding.dim,
        "embedding_bytes": embedding.nbytes,
        "file_bytes": path.stat().st_size,
    }
    show(
        record,
        f"{embedding.rows:,} rows of {embedding.dim} as {embedding.codec.spec}: "
        f"{embedding.nbytes:,} bytes, {embedding.rows * embedding.dim * 4:,} as float32; the file "
        f"with its vocabulary {record['file_bytes']:,}\n{path}",
        as_json=as_json,
    )


def read_table(
    path: Path, *, words: Path | None = None, format: Format = "auto"
) -> "Vectors | CompressedEmbedding":
    """Return the table of a .embz file or of foreign vectors."""
    from embzip.embz.format import load
    from embzip.vectors.base import read_vectors

    if path.suffix == ".embz":
        if words is not None or format != "auto":
            raise typer.BadParameter("--words and --format do not go with a .embz file")
        return load(path)
    return read_vectors(path, words=words, format=format)


def write_table(vectors: "Vectors", path: Path) -> None:
    """Write a table as the suffix says: word2vec text or binary, else .embz with counts."""
    from embzip.compression import compress
    from embzip.embz.format import save
    from embzip.vectors.base import write_vectors

    if path.suffix in (".txt", ".vec", ".bin"):
        write_vectors(vectors, path, binary=path.suffix == ".bin")
    else:
        save(compress(vectors, "float32"), path, counts=True)  # to prune and to weight by later
