"""Exports a classifier or a kit to a target by name, and compares its probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.errors import SpecError
from embzip.tf.export.frozen import export_frozen, run_frozen
from embzip.tf.export.graph import FORMS, Model, check_size, heads_of, reach
from embzip.tf.export.litert import export_litert, run_litert
from embzip.tf.export.onnx import export_onnx, run_onnx
from embzip.tf.export.savedmodel import export_savedmodel, run_savedmodel

_TEXTS = 64  # on which outputs are compared


@dataclass(frozen=True)
class Target:
    """How a kind of file is written, and run without embzip."""

    write: Callable[..., None]
    run: Callable[[str | Path, NDArray[np.int32], Sequence[str]], list[NDArray[np.float32]]]


TARGETS = {
    "litert": Target(export_litert, run_litert),
    "savedmodel": Target(export_savedmodel, run_savedmodel),
    "frozen": Target(export_frozen, run_frozen),
    "onnx": Target(export_onnx, run_onnx),
}


@dataclass(frozen=True)
class Export:
    """The size of an export in bytes, and its largest difference from NumPy's probabilities.

    `kernels` are the forms in which it stores kernels: one, except for a kit.
    """

    path: Path
    nbytes: int
    max_difference: float
    kernels: tuple[str, ...]


def export(
    model: Model,
    path: str | Path,
    *,
    to: str = "litert",
    kernels: str | None = None,
    calibrate: Sequence[str] | None = None,
) -> Export:
    """Write a classifier or a kit as a file that another runtime loads without embzip.

    A kit has one look-up, and one output per classifier, with its name; in a .tflite the outputs
    are numbered, and the names are attached.

    Parameters
    ----------
    model
        The classifier or the kit.
    path
        The file to write; for a SavedModel, the folder.
    to
        `litert`, `savedmodel`, `frozen` or `onnx`.
    kernels
        The form of convolution and dense kernels: `float32`, `float16`, `int8` (one scale per
        filter), `int4` or `int2` (fewer levels, also stored in a byte each). None keeps the form in
        which each classifier's own file stores them, and its answers. In a .tflite, the last three
        also round the inputs of kernels, which is faster. Codes and tables of the embedding are
        never changed.
    calibrate
        Only for LiteRT: representative texts. Convolutions and dense layers then compute in int8,
        with ranges that fit these texts.

    Raises
    ------
    SpecError
        For an unknown target or form, or a form that the target does not support.
    InputError
        For a classifier of a kit whose name is not valid for an output; not with litert.
    UnsupportedModelError
        For a model of more than 2 GB, except in a SavedModel.
    MissingPackageError
        If the target's converter is not installed.
    NotFiniteError
        For a model whose answers are no numbers; nothing is written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import embzip, embzip.tf
    >>> table = embzip.Vectors(embzip.Vocabulary(["goal", "vote"]), np.eye(2))
    >>> examples = embzip.make_examples(["sport", "politics"], ["goal", "vote"])
    >>> classifier = embzip.tf.train(examples, table, epochs=1).classifier
    >>> path = pathlib.Path(tempfile.mkdtemp(), "model.tflite")
    >>> export(classifier, path).max_difference < 1e-5
    True
    >>> embzip.load_model(path).predict(["goal"]) == classifier.predict(["goal"])
    True
    """
    to = chosen(to, TARGETS, "target")
    if kernels is not None:
        kernels = chosen(kernels, FORMS, "type of kernels")
    options: dict[str, Any] = {"kernels": kernels}
    if calibrate is not None:
        if to != "litert":
            raise SpecError(
                f"only litert can compute in int8, received calibrate with {to!r}: leave it out"
            )
        options["calibrate"] = calibrate
    if to != "savedmodel":
        check_size(model, path)
    target, heads = TARGETS[to], heads_of(model)
    ids = _padded(model, calibrate)
    # Computed before anything is written: an answer that is no number is an error.
    expected = [head.probabilities_of_ids(ids.tolist()) for head in heads.values()]
    target.write(model, path, **options)
    found = target.run(path, ids, list(heads))
    differences = [
        np.abs(rows - answers).max(initial=0) for rows, answers in zip(found, expected, strict=True)
    ]
    wanted = "int8" if calibrate is not None else kernels
    forms = dict.fromkeys(wanted or head.kernels for head in heads_of(model).values())
    return Export(Path(path), _nbytes(Path(path)), float(max(differences)), tuple(forms))


def _padded(model: Model, texts: Sequence[str] | None) -> NDArray[np.int32]:
    """Return ids (texts, max_length) of the given texts, or random ids of all lengths."""
    limit, rows = reach(model)[0], model.embedding.rows
    padded = np.full((_TEXTS, limit), model.embedding.pad_id, np.int32)
    if texts is None:
        rng = np.random.default_rng(0)
        encoded = [rng.integers(0, rows, rng.integers(0, limit + 1)).tolist() for _ in padded]
    else:
        encoded = [ids[:limit] for ids in model.encode(texts[:_TEXTS])]
    for row, ids in zip(padded, encoded, strict=False):
        row[: len(ids)] = ids
    return padded[: len(encoded)]


def _nbytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
