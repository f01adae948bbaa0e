"""Reads Keras' .h5 files as arrays, after checking names, shapes and stored sizes.

The model configuration in a file is only text here; no layer is made from it.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py  # type: ignore[import-untyped]
import numpy as np

from embzip.errors import InputError
from embzip.files.reading import existing_file, is_full
from embzip.files.records import parse_json
from embzip.foreign.formats.names import with_embedding
from embzip.inspection import ArtefactRecord, Role, StoredTensor, make_record

EXPANSION = 100  # how many times a part may grow when it is decompressed
CONFIG_DEEPEST = 200  # objects and lists within each other: models hold models
FREE = 64 * 2**20  # bytes that a compressed part may always decompress to


def open_hdf5(source: Path | BinaryIO, where: str) -> Any:
    """Return an open h5py file, read-only.

    Raises
    ------
    InputError
        If it is damaged or not an HDF5 file.
    """
    try:
        return h5py.File(source, "r")
    except OSError as error:
        raise InputError(
            f"{where}: expected an HDF5 file, and it cannot be read ({str(error)[:120]}): it is "
            "damaged or cut short"
        ) from error


def datasets(file: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, dataset) of all arrays that are stored in the file itself.

    Raises
    ------
    InputError
        For links to other files, virtual data, and arrays much larger than their stored bytes.
    """
    size = int(file.id.get_filesize())
    total = 0
    for name, dataset in _walk(file, where, ""):
        total += _claimed(dataset)  # arrays may share stored bytes, or have FREE bytes each
        if total > max(FREE, EXPANSION * size):
            raise InputError(
                f"{where}: the arrays declare {total:,} bytes or more, but the file has only "
                f"{size:,}: it is damaged or hostile"
            )
        yield name, dataset


def _walk(file: Any, where: str, path: str) -> Iterator[tuple[str, Any]]:
    try:
        for name in file:
            full = f"{path}/{name}".lstrip("/")
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"{where}: links are not followed, and {full} is a link")
            item = file[name]
            if isinstance(item, h5py.Group):
                if full.count("/") > 100:
                    raise InputError(f"{where}: groups are nested more than 100 levels deep")
                yield from _walk(item, where, full)
            elif isinstance(item, h5py.Dataset):
                _check(item, full, where)
                yield full, item
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: damaged ({str(error)[:160]})") from error


def weight_tensors(file: Any, where: str) -> list[StoredTensor]:
    """Return the tensors of an open HDF5 file with their roles."""
    every = list(datasets(file, where))
    training = optimizer_groups(every)
    found = []
    for name, dataset in every:
        text = dataset.dtype.kind in "OS"
        role: Role = "vocabulary" if text else "other_variables"
        if name.startswith(training):
            role = "optimizer"
        elif not text and _reads_embedding(name):
            role = "embedding"
        found.append(
            StoredTensor(
                name,
                role,
                "string" if text else str(dataset.dtype),
                tuple(dataset.shape),
                int(dataset.id.get_storage_size()),
                needed=role != "optimizer",
            )
        )
    return with_embedding(found)


def optimizer_groups(every: Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    """Return the groups of optimizers, each with a slash at its end.

    Keras 3 puts an optimizer beside the variables of its model, and its first variable counts the
    steps; so a layer with that name is none. Keras 2 has a group for it at the root.
    """
    counted = {
        name.removesuffix("vars/0")
        for name, dataset in every
        if f"/{name}".endswith("/optimizer/vars/0")
        and dataset.shape == ()
        and dataset.dtype.kind in "iu"
    }
    return ("optimizer_weights/", *sorted(counted))


def inspect_h5(path: Path) -> ArtefactRecord:
    """Return what takes up the bytes of an .h5 file."""
    existing_file(path)
    with open_hdf5(path, str(path)) as file:
        return make_record(path, "h5", [path], weight_tensors(file, str(path)))


def copy_hdf5(source: Any, file: BinaryIO, where: str) -> None:
    """Copy an HDF5 file without its optimizers and without the training configuration.

    Arrays are copied one by one: the library's own copy of a group never returns for some damaged
    files.
    """
    every = list(datasets(source, where))
    left_out = optimizer_groups(every)
    try:
        with h5py.File(file, "w") as target:
            _copy_attributes(source, target)
            for name, dataset in every:
                if name.startswith(left_out):
                    continue
                made = target.create_dataset(
                    name,
                    data=dataset[()],
                    dtype=dataset.dtype,
                    chunks=dataset.chunks,
                    compression=dataset.compression,
                    compression_opts=dataset.compression_opts,
                    shuffle=dataset.shuffle,
                    fletcher32=dataset.fletcher32,
                    maxshape=dataset.maxshape if dataset.chunks else None,
                )
                _copy_attributes(dataset, made)
            for name in _groups(source):
                if not f"{name}/".startswith(left_out):
                    _copy_attributes(source[name], target.require_group(name))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if is_full(error):  # it is the output that failed
            raise
        raise InputError(f"{where}: damaged ({str(error)[:160]})") from error
    file.seek(0, io.SEEK_END)


def _groups(file: Any, path: str = "") -> Iterator[str]:
    for name in file[path or "/"]:
        full = f"{path}/{name}".lstrip("/")
        if isinstance(file[full], h5py.Group):
            yield full
            yield from _groups(file, full)


def _copy_attributes(source: Any, target: Any) -> None:
    for name, value in source.attrs.items():
        if name != "training_config":
            target.attrs[name] = value


def config_of(file: Any, where: str) -> Any:
    """Return the model configuration of a whole-model .h5 file.

    Raises
    ------
    InputError
        If there is none, because the file contains only variables.
    """
    text = file.attrs.get("model_config")
    if text is None:
        raise InputError(
            f"{where}: expected a model configuration, found only variables: save the whole model "
            "with model.save('model.keras'), or name what they belong to: `embzip rebuild ... "
            "--model ARCHITECTURE.json` (model.to_json()), or a classifier of embzip, "
            "`--model CLASSIFIER.embz`"
        )
    where = f"{where}: its model_config"
    if not isinstance(text, str | bytes):
        raise InputError(f"{where} must be text, found {type(text).__name__}")
    return parse_json(text, where, error=InputError, deepest=CONFIG_DEEPEST)


def _check(dataset: Any, name: str, where: str) -> None:
    if dataset.external is not None or dataset.is_virtual:
        raise InputError(f"{where}: values must be in this file, and those of {name} are not")
    if dataset.shape is None:
        raise InputError(f"{where}: {name} must be an array, and it holds nothing: it is damaged")
    stored = dataset.id.get_storage_size()
    claimed = _claimed(dataset)
    if claimed > max(FREE if stored else 4096, EXPANSION * stored):
        raise InputError(
            f"{where}: {name} declares {dataset.shape} of {dataset.dtype}, {claimed:,} bytes, but "
            f"only {stored:,} are stored: the file is damaged or hostile"
        )


def _claimed(dataset: Any) -> int:
    return int(np.prod(dataset.shape or (1,), dtype=object)) * int(dataset.dtype.itemsize)


def _reads_embedding(name: str) -> bool:
    parts = name.split("/")
    if "vars" in parts:  # Keras 3: layers/embedding_1/vars/0, by the class of the layer
        return "embedding" in parts[parts.index("vars") - 1]
    return parts[-1].partition(":")[0] == "embeddings"
