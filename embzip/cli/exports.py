"""The command that writes classifiers, tables and tokenizers for other runtimes: export."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.parameters import Errors, Input, UsageError
from embzip.cli.results import STREAM, Output, Result
from embzip.cli.static_models import STATIC, export_static
from embzip.cli.terminal import without_notices
from embzip.corpus import read_texts
from embzip.files.outputs import FOLDER
from embzip.files.places import OUR_OR_FOREIGN, TEXTS, check_places
from embzip.inspection import size_change

if TYPE_CHECKING:
    from embzip.classifier import Classifier, Kit

SOURCES = ("javascript", "html", "c")  # `embzip.portable` writes them
_FORMATS = {
    ".tflite": "litert",
    ".savedmodel": "savedmodel",
    ".pb": "frozen",
    ".onnx": "onnx",
    ".mjs": "javascript",
    ".js": "javascript",
    ".html": "html",
    ".c": "c",
    FOLDER: "savedmodel",
}

_To = Literal[
    "litert",
    "savedmodel",
    "frozen",
    "onnx",
    "javascript",
    "html",
    "c",
    "model2vec",
    "sentence-transformers",
    "tokenizer",
]


def export(
    model: Annotated[
        Path,
        Parameter(
            name="MODEL", help="A classifier's .embz file, or a model of Keras or TensorFlow."
        ),
    ],
    /,
    *,
    to: Annotated[_To | None, CHOICE] = None,
    kernels: Annotated[Literal["float32", "float16", "int8", "int4", "int2"] | None, CHOICE] = None,
    compute: Annotated[Literal["float32", "int8"], CHOICE] = "float32",
    calibrate: Annotated[Input | None, Parameter(metavar="TEXTS")] = None,
    node: Annotated[list[str] | None, Parameter(metavar="NAME")] = None,
    fed: Annotated[list[str] | None, Parameter(name="--input", metavar="NAME")] = None,
    errors: Errors = "strict",
    result: Result = Result(),
) -> None:
    """Write a classifier or a kit for runtimes without embzip.

    Embedding codes stay codes. A .tflite carries its tokenizer and labels, and `embzip predict`
    and `embzip.load_model` run it. The largest difference of a probability to the classifier
    in NumPy, on the calibration texts or on random ones, is printed.

    A kit becomes one file with one look-up and one output a classifier, called as it is.

    javascript (an ES module), html (a page with a text field) and c (C99 and its header) are
    source without dependencies: tokenizer, table and kernels as in MODEL.embz, decoded as they are
    read.

    --to model2vec and sentence-transformers write a folder of a table, or of a classifier whose
    encoder is mean, that those libraries load: texts become the mean of their rows. Codes of int8
    stay codes for model2vec. --to tokenizer writes the tokenizer of a .embz, or of a tokenizer's
    file, as a tokenizer.json of Hugging Face. What is otherwise there than in embzip is printed.

    Of a .keras or .h5 file, SavedModel, frozen graph or checkpoint, rebuilt or not, the graph goes
    along as it is, to litert, savedmodel, frozen or onnx; what decodes a table is part of it, and
    is said where it takes more than the codes. Models that read texts become SavedModels, or are
    cut by --input.

    Without -o, NAME.embz becomes NAME.tflite, .savedmodel, .pb, .onnx, .mjs, .html, .c,
    .model2vec, .sentence-transformers or .tokenizer.json in the current folder.

    Parameters
    ----------
    to
        What will load it; by default what the suffix of -o says, else litert.
    kernels
        How convolution and dense kernels are stored; by default as in MODEL.embz, which changes no
        answer. int4 and int2 take a byte a number here too. In a .tflite, those and int8, given
        here, also round what kernels read: faster, less exact.
    compute
        int8: convolutions and dense layers in whole numbers (litert only); needs --calibrate.
    calibrate
        Texts like those to come, one a line: they set the ranges of --compute int8.
    node
        What a model of Keras or TensorFlow ends in; a node, or an output. Repeatable.
    fed
        A node of its graph that becomes an input, as ids behind a text's preparation. Repeatable.
    """
    if (compute == "int8") != (calibrate is not None):
        raise UsageError("--compute int8 and --calibrate TEXTS go together")
    if to in STATIC:
        export_static(model, to, result, kernels=kernels, compute=compute, calibrate=calibrate)
        return
    check_places((model, OUR_OR_FOREIGN), (calibrate, TEXTS))
    from embzip.artefacts import is_foreign
    from embzip.classifier.loading import read
    from embzip.foreign.formats.kinds import find_prefix

    with without_notices():  # TensorFlow reads which checkpoint of a folder is the latest
        foreign = is_foreign(model) or find_prefix(model) is not None
    if foreign:
        if to in SOURCES or kernels is not None or calibrate is not None:
            raise UsageError(
                "a model of Keras or TensorFlow goes to litert, savedmodel, frozen or onnx, with "
                "numbers and kernels as they are"
            )
        _foreign(model, to, result, node or (), fed or ())
        return
    if node or fed:
        raise UsageError("--node and --input are for models of Keras and TensorFlow")

    if to == "c" and result.output == STREAM:
        raise UsageError("-o - is for one file, and C is a source and its header: name it")
    formats = {end: name for end, name in _FORMATS.items() if to in (None, name)}
    end = next(iter(formats))
    with result.writing([model, calibrate], end, formats, marker="saved_model.pb") as output:
        loaded = read(model)
        if output.format in SOURCES:
            if kernels is not None or calibrate is not None:
                raise UsageError(
                    f"{output.format} keeps kernels as they are: leave --kernels and --compute out"
                )
            _source(loaded, model, output)
            return
        texts = None if calibrate is None else list(read_texts(calibrate, errors=errors))
        with progress("exporting"), without_notices():
            from embzip.tf.export import export

            made = export(loaded, output.path, to=output.format, kernels=kernels, calibrate=texts)
    before = model.stat().st_size
    record = {
        "bytes_before": before,
        "bytes_after": made.nbytes,
        "kernels": list(made.kernels),
        "max_difference": made.max_difference,
    }
    output.show(
        record,
        f"{before:,} -> {made.nbytes:,} bytes, {size_change(before, made.nbytes)}, kernels "
        f"{' and '.join(made.kernels)}, probabilities within {made.max_difference:.2g} of the "
        "classifier's",
    )


def _foreign(
    model: Path, to: str | None, result: Result, nodes: Sequence[str], fed: Sequence[str]
) -> None:
    """Write a model of Keras or TensorFlow, and say what it takes."""
    formats = {
        end: name for end, name in _FORMATS.items() if name not in SOURCES and to in (None, name)
    }
    with (
        result.writing([model], next(iter(formats)), formats, marker="saved_model.pb") as output,
        progress("exporting"),
        without_notices(),
    ):
        from embzip.foreign.exporting import export_model

        made = export_model(model, output.path, to=output.format, outputs=nodes, inputs=fed)
    before, after = made.bytes_before, made.bytes_after
    line = f"{before:,} -> {after:,} bytes, {size_change(before, after)}"
    if made.max_difference is not None:
        line += f", outputs within {made.max_difference:.2g} of the model's"
    else:
        line += ", outputs not compared: no numbers, or none for synthetic inputs"
    if made.rows is not None:
        line += f"; each run takes {made.rows} row, as its recurrent layers need a known number"
    output.show(made.to_json(), line, *(each.sentence for each in made.decoding))


def _source(loaded: "Classifier | Kit", model: Path, output: Output) -> None:
    """Write source, and say what it takes."""
    from embzip.portable.exporting import export_source, facts_of

    before = model.stat().st_size
    with progress("exporting"):
        made = export_source(
            loaded,
            output.path,
            to=output.format,
            title=output.name.stem,
            facts=facts_of(model),
        )
    record = {"bytes_before": before, "bytes_after": made.nbytes}
    line = f"{before:,} -> {made.nbytes:,} bytes of source"
    if output.format == "c":
        record |= {"flash_bytes": made.flash_bytes, "ram_bytes": made.ram_bytes}
        line += (
            f" and header; {made.flash_bytes:,} bytes of constants in flash beside the code, "
            f"{made.ram_bytes:,} of RAM"
        )
    output.show(record, line)
