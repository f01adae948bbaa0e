"""The command that writes classifiers for other runtimes: export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from embzip.cli.terminal import (
    ErrorsOption,
    ForceOption,
    JsonOption,
    ModelArgument,
    OutputOption,
    progress,
    show,
    without_notices,
)
from embzip.corpus import read_texts
from embzip.files import output_path

_SUFFIXES = {"litert": ".tflite", "savedmodel": ".savedmodel", "frozen": ".pb", "onnx": ".onnx"}


def export(
    model: ModelArgument,
    to: Annotated[
        Literal["litert", "savedmodel", "frozen", "onnx"],
        typer.Option("--to", help="What will load it."),
    ] = "litert",
    kernels: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(
            "--kernels", help="How convolution and dense kernels are stored; codes stay codes."
        ),
    ] = "float32",
    compute: Annotated[
        Literal["float32", "int8"],
        typer.Option(
            "--compute",
            help="int8: convolutions and dense layers in whole numbers (litert only); needs "
            "--calibrate.",
        ),
    ] = "float32",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="TEXTS",
            help="Texts like those to come, one a line: they set the ranges of --compute int8.",
        ),
    ] = None,
    errors: ErrorsOption = "strict",
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a classifier or a kit for runtimes without embzip.

    Embedding codes stay codes. A .tflite carries its tokenizer and labels, and `embzip predict`
    and `embzip.load_model` run it. The largest difference of a probability to the classifier
    in NumPy, on the calibration texts or on random ones, is printed.

    A kit becomes one file with one look-up and one output a classifier, called as it is.

    Without -o, NAME.embz becomes NAME.tflite, .savedmodel, .pb or .onnx in the current folder.
    """
    if (compute == "int8") != (calibrate is not None):
        raise typer.BadParameter("--compute int8 and --calibrate TEXTS go together")
    from embzip.classifier.loading import read

    marker = "saved_model.pb" if to == "savedmodel" else None
    path = output_path(model, _SUFFIXES[to], output, force=force, marker=marker)
    loaded = read(model)
    texts = None if calibrate is None else list(read_texts(calibrate, errors=errors))
    with progress("exporting"), without_notices():
        from embzip.tf.export import export

        result = export(loaded, path, to=to, kernels=kernels, calibrate=texts)
    record = {
        "path": str(path),
        "bytes_before": model.stat().st_size,
        "bytes_after": result.nbytes,
        "max_difference": result.max_difference,
    }
    show(
        record,
        f"{record['bytes_before']:,} -> {result.nbytes:,} bytes, probabilities within "
        f"{result.max_difference:.2g} of the classifier's\n{path}",
        as_json=as_json,
    )
