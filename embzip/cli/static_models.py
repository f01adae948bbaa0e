"""What `export` writes of a table alone: folders of static models, and a tokenizer.json."""

from pathlib import Path

from embzip.cli.parameters import UsageError
from embzip.cli.results import Result
from embzip.files.outputs import FOLDER
from embzip.files.places import EMBZ_FILE, TOKENIZER, check_places
from embzip.inspection import size_change

STATIC = ("model2vec", "sentence-transformers", "tokenizer")


def export_static(source: Path, to: str, result: Result, **options: object) -> None:
    """Write a table as a folder, or the tokenizer of a file as tokenizer.json."""
    for name, value in options.items():
        if value not in (None, "float32"):
            raise UsageError(f"--{name} does not go with --to {to}: leave it out")
    if to == "tokenizer":
        _export_tokenizer(source, result)
        return
    check_places((source, EMBZ_FILE))
    with result.writing([source], f".{to}", {FOLDER: to}, marker="modules.json") as output:
        from embzip.static_models import export_static as write

        made = write(source, output.path, to=to)
    before = source.stat().st_size
    record = {
        "bytes_before": before, "bytes_after": made.nbytes, "rows": made.rows, "dim": made.dim,
        "dtype": made.dtype, "differs": list(made.differs),
    }  # fmt: skip
    output.show(
        record,
        f"{before:,} -> {made.nbytes:,} bytes, {size_change(before, made.nbytes)}, {made.rows:,} "
        f"rows of {made.dim} in {made.dtype}",
        *(f"{to} differs: {each}" for each in made.differs),
    )


def _export_tokenizer(source: Path, result: Result) -> None:
    check_places((source, TOKENIZER))
    with result.writing([source], ".tokenizer.json", {".json": "tokenizer"}) as output:
        from embzip.files.writing import write_bytes
        from embzip.tokenizers import load_tokenizer
        from embzip.tokenizers.hugging_face_form import hugging_face_form

        form = hugging_face_form(load_tokenizer(source))
        write_bytes(output.path, form.content)
    output.show(
        {"tokens": len(form.rows), "differs": list(form.differs)},
        f"{len(form.rows):,} tokens, {output.nbytes:,} bytes",
        *(f"tokenizer.json differs: {each}" for each in form.differs),
    )
