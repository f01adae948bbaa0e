"""The same artefact without what only training needs; weights are copied, bit for bit.

Checkpoints stay checkpoints, and .keras and .h5 files what they are; a checkpoint with its .meta
also becomes a frozen graph. Nothing in a file runs.
"""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import tensorflow as tf

from embzip.errors import InputError, OutputError
from embzip.files import atomic_write, write_bytes
from embzip.tf.artefacts import inspect, kind_of
from embzip.tf.artefacts.bundles import OBJECT_GRAPH, Bundle
from embzip.tf.artefacts.checkpoints import find_prefix, read_meta
from embzip.tf.artefacts.graphs import Flow
from embzip.tf.artefacts.hdf5 import open_hdf5
from embzip.tf.artefacts.keras_files import (
    CONFIG,
    METADATA,
    WEIGHTS,
    keras_config,
    open_keras,
    weights_of,
)
from embzip.tf.surgery import chosen_outputs, freeze


@dataclass(frozen=True)
class SlimResult:
    """What was written, and what was not."""

    format: str
    bytes_before: int
    bytes_after: int
    dropped: tuple[str, ...]


def slim(path: str | Path, target: str | Path) -> SlimResult:
    """Write an artefact with only what inference needs.

    Parameters
    ----------
    path
        A checkpoint of TF1 or TF2, a .keras or an .h5 file.
    target
        The file to write; for a checkpoint its prefix.

    Raises
    ------
    InputError
        For a damaged file, or a format that is not slimmed.
    """
    kind, own = kind_of(path)
    if kind not in _WRITERS:
        raise InputError(
            f"{own}: a {kind} file is not slimmed: only checkpoints, .keras and .h5 files are"
        )
    target = Path(target)
    record = inspect(own)
    dropped = {tensor.name for tensor in record.tensors if tensor.role == "optimizer"}
    _WRITERS[kind](own, target, dropped)
    return SlimResult(kind, record.total, inspect(target).total, tuple(sorted(dropped)))


def freeze_checkpoint(
    path: str | Path, target: str | Path, outputs: Sequence[str] = ()
) -> SlimResult:
    """Write a frozen graph from a TF1 checkpoint and its .meta.

    Parameters
    ----------
    path
        The checkpoint: its folder, prefix or one of its files.
    target
        The .pb file to write.
    outputs
        Names of the nodes it ends in; by default the only one that can be meant.

    Raises
    ------
    InputError
        Without a .meta file, above 2 GB, or where the output is not clear.
    """
    kind, own = kind_of(path)
    source = find_prefix(own) if kind == "checkpoint" else None
    if source is None:
        raise InputError(f"{own}: expected a checkpoint, found {kind}: only those are frozen")
    bundle, meta = Bundle(source), read_meta(source)
    if meta is None:
        raise InputError(f"{source}: has no .meta file, so there is no graph that could be frozen")
    flow = Flow(meta.graph_def.node)
    chosen = chosen_outputs(flow, outputs)
    frozen = freeze(meta.graph_def, bundle.shape, bundle.read, chosen)
    write_bytes(target, frozen.SerializeToString(deterministic=True))
    left = {node.name for node in frozen.node}
    dropped = tuple(name for name in bundle.names() if name not in left)
    return SlimResult("frozen", inspect(own).total, Path(target).stat().st_size, dropped)


def _checkpoint(path: Path, target: Path, dropped: set[str]) -> None:
    source = find_prefix(path)
    if source is None:
        raise InputError(f"{path}: no checkpoint here")
    bundle = Bundle(source)
    names = [name for name in bundle.names() if name not in dropped]
    values = {name: bundle.read(name) for name in names}
    graph = bundle.object_graph()
    if graph is not None:
        values[OBJECT_GRAPH] = _without(graph, dropped)
    parts = (".data-00000-of-00001", ".index")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        try:
            tf.raw_ops.SaveV2(
                prefix=f"{folder}/part",
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=[tf.constant(values[name]) for name in names],
            )
            for end in parts:  # the index last: without it, a prefix is no checkpoint
                Path(f"{folder}/part{end}").replace(f"{target}{end}")
        except (tf.errors.OpError, OSError) as error:
            raise OutputError(f"{target}: writing failed ({error})") from error


def _without(graph: Any, dropped: set[str]) -> bytes:
    """Return an object graph whose nodes name no tensor that was left out."""
    for node in graph.nodes:
        kept = [a for a in node.attributes if a.checkpoint_key not in dropped]
        if len(kept) != len(node.attributes):
            del node.attributes[:]
            node.attributes.extend(kept)
        del node.slot_variables[:]
    content: bytes = graph.SerializeToString()
    return content


def _h5(path: Path, target: Path, dropped: set[str]) -> None:
    del dropped  # they stand in a group of their own
    with open_hdf5(path, str(path)) as source, atomic_write(target) as file:
        _copy(source, file, "optimizer_weights")


def _keras(path: Path, target: Path, dropped: set[str]) -> None:
    del dropped
    with open_keras(path) as archive, atomic_write(target) as file:
        config = keras_config(archive, str(path))
        if isinstance(config, dict):
            config["compile_config"] = None
        with zipfile.ZipFile(file, "w") as slim_archive, tempfile.TemporaryFile() as weights:
            slim_archive.writestr(_member(METADATA), archive.read(METADATA))
            slim_archive.writestr(_member(CONFIG), json.dumps(config))
            with weights_of(archive, str(path)) as source:
                _copy(source, weights, "optimizer")
            weights.seek(0)
            with slim_archive.open(_member(WEIGHTS), "w", force_zip64=True) as member:
                while block := weights.read(2**20):
                    member.write(block)
            for asset in archive.infolist():
                if asset.filename.startswith("assets/"):
                    slim_archive.writestr(_member(asset.filename), archive.read(asset))


def _copy(source: Any, file: Any, left_out: str) -> None:
    """Copy a whole HDF5 file but one group of its root, and the settings of training."""
    with h5py.File(file, "w") as target:
        for name, value in source.attrs.items():
            if name != "training_config":
                target.attrs[name] = value
        for name in source:
            if name != left_out:
                source.copy(name, target)
    file.seek(0, io.SEEK_END)


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # same input, same bytes


_WRITERS: dict[str, Callable[[Path, Path, set[str]], None]] = {
    "checkpoint": _checkpoint,
    "h5": _h5,
    "keras": _keras,
}
