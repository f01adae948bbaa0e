"""The command that writes classifiers for other runtimes: export."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.parameters import Errors, Model, UsageError
from embzip.cli.results import Result
from embzip.cli.terminal import without_notices
from embzip.corpus import read_texts
from embzip.files.outputs import FOLDER
from embzip.files.places import CLASSIFIER, TEXTS, check_places
from embzip.inspection import size_change

_FORMATS = {
    ".tflite": "litert",
    ".savedmodel": "savedmodel",
    ".pb": "frozen",
    ".onnx": "onnx",
    FOLDER: "savedmodel",
}


def export(
    model: Model,
    /,
    *,
    to: Annotated[Literal["litert", "savedmodel", "frozen", "onnx"] | None, CHOICE] = None,
    kernels: Annotated[Literal["float32", "float16", "int8", "int4", "int2"] | None, CHOICE] = None,
    compute: Annotated[Literal["float32", "int8"], CHOICE] = "float32",
    calibrate: Annotated[Path | None, Parameter(metavar="TEXTS")] = None,
    errors: Errors = "strict",
    result: Result = Result(),
) -> None:
    """Write a classifier or a kit for runtimes without embzip.

    Embedding codes stay codes. A .tflite carries its tokenizer and labels, and `embzip predict`
    and `embzip.load_model` run it. The largest difference of a probability to the classifier
    in NumPy, on the calibration texts or on random ones, is printed.

    A kit becomes one file with one look-up and one output a classifier, called as it is.

    Without -o, NAME.embz becomes NAME.tflite, .savedmodel, .pb or .onnx in the current folder.

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
    """
    if (compute == "int8") != (calibrate is not None):
        raise UsageError("--compute int8 and --calibrate TEXTS go together")
    check_places((model, CLASSIFIER), (calibrate, TEXTS))
    from embzip.classifier.loading import read

    formats = {end: name for end, name in _FORMATS.items() if to in (None, name)}
    end = next(iter(formats))
    with result.writing([model, calibrate], end, formats, marker="saved_model.pb") as output:
        loaded = read(model)
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
