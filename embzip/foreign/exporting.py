"""Writes a model of Keras or TensorFlow for another runtime; codes of its tables stay codes.

The model is read as one checked graph, as for slimming, so that decoding stays in it. What was
written is run once beside the model, on synthetic inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.errors import InputError, MismatchError, UnsupportedModelError
from embzip.files.writing import write_bytes
from embzip.foreign.converting import litert_model, onnx_of, run_litert, run_onnx
from embzip.foreign.decoding_weights import DecodingWeight, weights_in
from embzip.foreign.formats.graphs import Flow, node_name
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.graph.flat_graphs import FlatGraph, flat_graph, naming
from embzip.foreign.graph.rebuilding import found_tables
from embzip.foreign.graph.writing import write_frozen, write_saved_model
from embzip.foreign.inspecting import inspect
from embzip.foreign.profiling import least_rows, synthetic
from embzip.foreign.running import TEXT, ArrayModel, open_model, signature_of
from embzip.inspection import bytes_on_disk
from embzip.types import Arrays

TARGETS = ("litert", "savedmodel", "frozen", "onnx")
_ROWS = 8  # on which the answers are compared
_TEXTS = ("", "a", "the match ended in a draw after extra time", "1 2 3", "Ä, 無", "x y z " * 9)


@dataclass(frozen=True)
class ForeignExport:
    """A model that was written for another runtime.

    Attributes
    ----------
    bytes_before, bytes_after
        Of the whole files.
    max_difference
        The largest difference of a number in the outputs, on synthetic inputs; None where there
        are only texts, or the model does not run on such inputs.
    rows
        How many rows each run takes, where the runtime must know it; None for any number.
    decoding
        What decoding takes of the file, of each compressed table where it is more than the codes.
    """

    path: Path
    format: str
    bytes_before: int
    bytes_after: int
    max_difference: float | None
    rows: int | None
    decoding: tuple[DecodingWeight, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields but the path, ready for `json.dumps`."""
        return {key: value for key, value in asdict(self).items() if key != "path"}


def export_model(
    path: str | Path,
    target: str | Path,
    *,
    to: str = "litert",
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
) -> ForeignExport:
    """Write a model of Keras or TensorFlow as a file that another runtime loads without embzip.

    Parameters
    ----------
    path
        A .keras or .h5 file, a SavedModel, a frozen graph, or a checkpoint with its .meta.
    target
        The file to write; for a SavedModel, the folder.
    to
        `litert`, `savedmodel`, `frozen` or `onnx`.
    outputs, inputs
        As in `embzip.foreign.slim`.

    Raises
    ------
    SpecError
        For an unknown target.
    UnsupportedModelError
        For a model that reads texts or has hash tables, except to a SavedModel, and for one that
        the converter or the runtime refuses; the message has the operators.
    InputError
        For a damaged or hostile file, and a frozen graph of 2 GB.
    MissingPackageError
        If the target's converter or runtime is not installed.
    """
    to = chosen(to, TARGETS, "target")
    kind, own = kind_of(path)
    if kind == "tflite":
        raise InputError(
            f"{own}: a .tflite file is exported already: pass the model that it was made from"
        )
    stored = inspect(own)
    flat = _single(own, flat_graph(own, outputs, inputs))
    model = ArrayModel(own, flat)
    asked = _inputs(model, least_rows(flat))
    with naming(own):
        _check_texts(flat, model, to)
        expected = _answers(model, asked)
        small = flat.optimized()
        rows: int | None
        run: Callable[[], Arrays]
        if to in ("frozen", "savedmodel"):
            (write_frozen if to == "frozen" else write_saved_model)(small, Path(target))
            rows, run = None, partial(_run_written, target, asked)
        elif to == "onnx":
            content, rows = onnx_of(small), None
            run = partial(run_onnx, content, asked)
        else:
            content, rows = _litert(own, kind, small, outputs, inputs)
            run = partial(run_litert, content, asked, rows)
        largest = None if expected is None else _difference(expected, run())
        if to in ("onnx", "litert"):
            write_bytes(target, content)
    return ForeignExport(
        Path(target),
        to,
        stored.total,
        bytes_on_disk(Path(target)),
        largest,
        rows,
        weights_in(own, kind, small, to),
    )


def _litert(
    path: Path, kind: str, flat: FlatGraph, outputs: Sequence[str], inputs: Sequence[str]
) -> tuple[bytes, int | None]:
    """Convert a graph; a recurrent layer of Keras needs a known number of rows, and gets 1."""
    try:
        return litert_model(flat), None
    except UnsupportedModelError:
        if kind not in ("keras", "h5"):
            raise
    one = flat_graph(path, outputs, inputs, rows=1).optimized()
    return litert_model(one), 1


def _single(path: Path, flat: FlatGraph) -> FlatGraph:
    """Return a graph with one signature, for runtimes that have no more."""
    name = signature_of(path, flat)
    return replace(flat, signatures={"serving_default": flat.signatures[name]})


def _check_texts(flat: FlatGraph, model: ArrayModel, to: str) -> None:
    reads = [name for name, slot in model.inputs.items() if slot.dtype == TEXT]
    held = flat.tables.keys() & {node.name for node in flat.graph.node}
    if to == "frozen":
        reads = []  # its nodes may be of texts
    if to == "savedmodel" or not (reads or held):
        return
    nodes = Flow(flat.graph.node).nodes
    ids = [
        node_name(nodes[read].input[1]) for _, ends in found_tables(flat).values() for read in ends
    ]
    near = f", as {ids[0]!r}, the ids of a table" if ids else ""
    raise UnsupportedModelError(
        f"a model as {to} has no {'texts' if reads else 'hash tables'}, and this one has: write a "
        f"SavedModel (--to savedmodel), or cut the graph behind them (--input NODE{near})"
    )


def _inputs(model: ArrayModel, rows: int) -> dict[str, NDArray[Any]]:
    """Return synthetic inputs of a few rows."""
    rng = np.random.default_rng(0)
    texts = any(slot.dtype == TEXT for slot in model.inputs.values())
    count = len(_TEXTS) if texts else _ROWS
    made = {}
    for name, slot in model.inputs.items():
        shape = (None, None) if slot.shape is None else slot.shape
        lengths = tuple(-1 if length is None else length for length in shape)
        if slot.dtype == TEXT:
            made[name] = np.array(_TEXTS, object).reshape((-1, 1)[: len(shape)])
        elif not shape:  # such as the share of numbers that dropout keeps, or whether it does
            made[name] = np.array(slot.dtype != "bool", slot.dtype)
        else:
            some = [
                synthetic(rng, name, lengths, slot.dtype, rows)
                for _ in range(count if shape[0] is None else 1)
            ]
            made[name] = np.concatenate(some)
    return made


def _answers(model: ArrayModel, inputs: Arrays) -> Arrays | None:
    """Return what a model says of synthetic inputs; None of one that takes only others."""
    try:
        return model.run(inputs)
    except (InputError, MismatchError):
        return None


def _run_written(path: str | Path, inputs: Arrays) -> Arrays:
    return open_model(path).run(inputs)


def _difference(expected: Arrays, found: Arrays) -> float | None:
    """Return the largest difference; outputs have the same names, or at least the same order."""
    largest = None
    ordered = found if expected.keys() != found.keys() else {name: found[name] for name in expected}
    for before, after in zip(expected.values(), ordered.values(), strict=True):
        if before.dtype.kind in "fiu":
            apart = np.abs(before.astype(np.float64) - after.astype(np.float64)).max(initial=0)
            largest = max(largest or 0.0, float(apart))
    return largest
