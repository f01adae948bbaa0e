"""The command that writes tables for other programs, and reads fastText's classifiers: convert."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.parameters import Errors, Json, Table
from embzip.cli.results import Result
from embzip.cli.tables import Reading
from embzip.files.locations import file_at
from embzip.files.places import TABLE, TEXTS, check_places
from embzip.files.signatures import signature_of

_FORMATS = {
    ".vec": "text", ".txt": "text", ".bin": "binary", ".npy": "npy", ".safetensors": "safetensors",
    ".embz": "embz",
}  # fmt: skip
_To = Literal["text", "binary", "glove", "npy", "safetensors", "embz"]


def convert(
    vectors: Table,
    output: Annotated[Path, Parameter(name="OUT")],
    /,
    *,
    to: Annotated[_To | None, CHOICE] = None,
    reading: Reading = Reading(),
    errors: Errors = "strict",
    as_json: Json = False,
) -> None:
    """Write a table of any kind, decoded, for other programs.

    OUT is word2vec text (.vec, .txt) or binary (.bin), with the most frequent tokens first; or an
    array (.npy, .safetensors) of all rows, with its tokens beside in OUT.words.txt, one a line.
    --to glove leaves the header of word2vec text out.

    OUT.embz is a table in float32; of a supervised model of fastText (.bin, .ftz) it is a
    classifier, whose answers are fastText's, and which `embzip distill` takes as a teacher.

    Parameters
    ----------
    output
        The file to write, replacing what is there; its suffix decides the format.
    to
        Another format than that of the suffix.
    """
    check_places((vectors, TABLE), (reading.words, TEXTS))
    from embzip.classifier.of_fasttext import read_fasttext
    from embzip.compression import compress
    from embzip.embz.format import save
    from embzip.vectors.converting import convert as write
    from embzip.vectors.fasttext import is_supervised

    formats = {end: name for end, name in _FORMATS.items() if to in (None, name)}
    if to == "glove":
        formats = {".txt": "glove", ".vec": "glove"}
    result = Result(output, as_json=as_json)
    with result.writing([vectors, reading.words], "", formats) as made, progress("converting"):
        vectors = file_at(vectors)
        fasttext = not Path(vectors).is_dir() and signature_of(vectors).kind == "fasttext"
        if made.format == "embz" and fasttext and is_supervised(vectors):
            model = read_fasttext(vectors)
            model.save(made.path)
            shape, labels = model.embedding.shape, len(model.labels)
        else:
            table, labels = reading.read(vectors, errors, made), 0
            shape = (len(table.vocabulary or ()), table.dim)
            if made.format == "embz":
                save(compress(table, "float32"), made.path, counts=True)
            else:
                write(table, made.path, made.format)
    record = {"format": made.format, "rows": shape[0], "dim": shape[1], "labels": labels}
    told = f"{shape[0]:,} rows of {shape[1]} as {made.format}, {made.nbytes:,} bytes"
    made.show(record, told + (f", a classifier of {labels} labels" if labels else ""))
