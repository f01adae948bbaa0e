"""Slims an artefact: removes what only training needs, and copies variables bit for bit.

Graphs are flattened (`flat_graphs`), pruned, folded and written again. No code in a file runs; a
Keras model is made, from checked classes, only to convert a Keras file into another format.
"""

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from embzip.errors import InputError
from embzip.files.writing import atomic_folder, atomic_write, copy_file, temporary_folder
from embzip.foreign.formats.bundle_writing import write_bundle
from embzip.foreign.formats.bundles import OBJECT_GRAPH, Bundle
from embzip.foreign.formats.hdf5 import copy_hdf5, open_hdf5
from embzip.foreign.formats.hdf5_probe import check_attributes
from embzip.foreign.formats.keras_files import (
    CONFIG,
    METADATA,
    WEIGHTS,
    keras_config,
    member,
    open_keras,
    variables_file,
)
from embzip.foreign.formats.keras_models import load_keras, objects_of, write_keras
from embzip.foreign.formats.kinds import find_prefix, kind_of
from embzip.foreign.graph.flat_graphs import flat_graph, naming
from embzip.foreign.graph.writing import write_frozen, write_saved_model
from embzip.foreign.inspecting import inspect
from embzip.inspection import bytes_on_disk


@dataclass(frozen=True)
class SlimResult:
    """What was written, what was left out, and whether the file was copied as it was."""

    format: str
    bytes_before: int
    bytes_after: int
    dropped: tuple[str, ...]
    copied: bool = False


def slim(
    path: str | Path,
    target: str | Path,
    *,
    to: str | None = None,
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
) -> SlimResult:
    """Write an artefact with only what inference needs.

    Parameters
    ----------
    path
        A checkpoint of TF1 or TF2, a SavedModel, a frozen graph, a .keras or an .h5 file.
    target
        The file to write; for a checkpoint its prefix, for a SavedModel a new folder.
    to
        `checkpoint`, `frozen`, `savedmodel`, `keras` or `h5`; None keeps the format.
    outputs
        The outputs of a graph that are kept: nodes, or names of signature outputs.
    inputs
        Nodes of a graph that become its inputs: what only they need is left out.

    Raises
    ------
    InputError
        For a damaged file, a format that cannot be slimmed, or a graph with ambiguous outputs.
    """
    kind, own = kind_of(path)
    to = kind if to is None else to.lower()
    target = Path(target)
    if (kind, to) not in _GRAPHS | _WEIGHTS.keys():
        possible = sorted(end for start, end in _GRAPHS | _WEIGHTS.keys() if start == kind)
        raise InputError(
            f"{own}: a {kind} file cannot be slimmed to {to}: "
            + (
                f"choose {' or '.join(possible)}"
                if possible
                else "it already contains only what inference needs"
            )
        )
    if (outputs or inputs) and (kind, to) not in _GRAPHS:
        raise InputError(
            f"{own}: inputs and outputs choose a part of a graph, and {to} files have no graph: "
            "leave them out"
        )
    record = inspect(own)
    unread = {t.name for t in record.tensors if t.role == "optimizer"}
    if (kind, to) in _GRAPHS:
        flat = flat_graph(own, outputs, inputs)
        with naming(own):
            flat = flat.optimized()
        (write_frozen if to == "frozen" else write_saved_model)(flat, target)
        unread |= {t.name for t in record.tensors if not t.needed}
    else:
        _WEIGHTS[kind, to](own, target, unread)
    made = SlimResult(to, record.total, bytes_on_disk(target), tuple(sorted(unread)))
    whole = kind == to and to in _COPIES and not (inputs or outputs)
    if whole and made.bytes_after > made.bytes_before:
        _COPIES[to](own, target)  # it was slim already
        return SlimResult(to, record.total, record.total, (), copied=True)
    return made


def _checkpoint(path: Path, target: Path, dropped: set[str]) -> None:
    source = find_prefix(path)
    if source is None:
        raise InputError(f"{path}: expected a checkpoint, found none")
    bundle = Bundle(source)
    graph = bundle.object_graph()
    content = b"" if graph is None else _without(graph, dropped)

    def value(name: str) -> Any:
        return tf.constant(content) if name == OBJECT_GRAPH else bundle.tensor(name)

    names = [name for name in bundle.names() if name not in dropped]
    if not set(names) - {OBJECT_GRAPH}:
        raise InputError(f"{path}: contains only what training needs, so nothing would be left")
    write_bundle(target, names, value, bundle)


def _without(graph: Any, dropped: set[str]) -> bytes:
    """Return an object graph without references to the tensors that were left out."""
    for node in graph.nodes:
        kept = [a for a in node.attributes if a.checkpoint_key not in dropped]
        if len(kept) != len(node.attributes):
            del node.attributes[:]
            node.attributes.extend(kept)
        del node.slot_variables[:]
    content: bytes = graph.SerializeToString()
    return content


def _variables(path: Path, target: Path, dropped: set[str]) -> None:
    if not (path / "variables" / "variables.index").is_file():
        raise InputError(f"{path}: a checkpoint needs variables, and this SavedModel has none")
    _checkpoint(path / "variables" / "variables", target, dropped)


def _keras_of_h5(path: Path, target: Path, dropped: set[str]) -> None:
    del dropped  # a model that is not compiled has no optimizer
    write_keras(load_keras(path), target)


def _h5(path: Path, target: Path, dropped: set[str]) -> None:
    del dropped  # optimizers have groups of their own
    check_attributes(path)
    with open_hdf5(path, str(path)) as source, atomic_write(target) as file:
        copy_hdf5(source, file, str(path))


def _keras(path: Path, target: Path, dropped: set[str]) -> None:
    del dropped
    with open_keras(path) as archive, atomic_write(target) as file:
        config = keras_config(archive, str(path))
        for part in objects_of(config):
            if "compile_config" in part:  # nested models can be compiled too
                part["compile_config"] = None
        with (
            temporary_folder() as folder,
            (folder / "weights.h5").open("w+b") as weights,
            zipfile.ZipFile(file, "w") as slim_archive,
        ):
            slim_archive.writestr(member(METADATA), archive.read(METADATA))
            slim_archive.writestr(member(CONFIG), json.dumps(config))
            with variables_file(archive, str(path), attributes=True) as source:
                copy_hdf5(source, weights, str(path))
            weights.seek(0)
            with slim_archive.open(member(WEIGHTS), "w", force_zip64=True) as copy:
                while block := weights.read(2**20):
                    copy.write(block)
            for asset in archive.infolist():
                if asset.filename.startswith("assets/"):
                    slim_archive.writestr(member(asset.filename), archive.read(asset))


def _copy_folder(path: Path, target: Path) -> None:
    with atomic_folder(target, marker="saved_model.pb") as folder:
        for file in path.rglob("*"):
            if file.is_file():
                copied = folder / file.relative_to(path)
                copied.parent.mkdir(parents=True, exist_ok=True)
                copy_file(file, copied)


_COPIES: dict[str, Callable[[Path, Path], None]] = {
    "frozen": copy_file,
    "keras": copy_file,
    "h5": copy_file,
    "savedmodel": _copy_folder,
}
_Writer = Callable[[Path, Path, set[str]], None]
_WEIGHTS: dict[tuple[str, str], _Writer] = {
    ("checkpoint", "checkpoint"): _checkpoint,
    ("savedmodel", "checkpoint"): _variables,
    ("h5", "h5"): _h5,
    ("h5", "keras"): _keras_of_h5,
    ("keras", "keras"): _keras,
}
_GRAPHS = {
    (start, end)
    for start in ("checkpoint", "savedmodel", "frozen", "keras", "h5")
    for end in ("frozen", "savedmodel")
}
