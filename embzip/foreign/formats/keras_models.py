"""Loads a .keras or .h5 file as a model, after checking members, classes and shapes; writes one.

A configuration can name any class and any size. So it is checked first: only classes that belong
to Keras or are registered are made, variables are not allocated, and the shape of every variable
must be in the file.
"""

import copy
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras
import tensorflow as tf
from keras.src.legacy.saving import saving_options, saving_utils
from keras.src.saving.serialization_lib import ObjectSharingScope

from embzip.errors import EmbzipError, InputError, UnsupportedModelError
from embzip.files.reading import existing_file
from embzip.files.records import parse_json
from embzip.files.writing import atomic_write, temporary_folder
from embzip.foreign.formats.hdf5 import (
    CONFIG_DEEPEST,
    config_of,
    datasets,
    open_hdf5,
    optimizer_groups,
)
from embzip.foreign.formats.hdf5_probe import check_attributes
from embzip.foreign.formats.keras2 import modernized
from embzip.foreign.formats.keras_files import (
    CONFIG,
    METADATA,
    SAVED,
    keras_config,
    keras_version,
    member,
    open_keras,
    variables_file,
)
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.layers.small_kernels import unallocated

_MODULES = frozenset(
    {"keras", "keras.layers", "keras.models", "keras.initializers", "keras.regularizers"}
    | {"keras.constraints", "keras.activations", "keras.ops", "keras.dtype_policies"}
    | {"keras.quantizers"}
    | {"keras.src.models.functional", "keras.src.models.sequential", "builtins"}
)
_OPERATIONS = "keras.src.ops."
_CODE = frozenset({"Lambda", "__lambda__", "function", "TFSMLayer", "TorchModuleWrapper"})
_OURS = "embzip>hard_sigmoid_of_keras_2"  # a function of embzip, which only computes
_SMALL = 4096  # numbers; smaller variables are checked only by Keras


def load_keras(path: str | Path, architecture: str | Path | None = None) -> Any:
    """Return the model of a .keras or whole-model .h5 file, not compiled.

    Parameters
    ----------
    architecture
        The .json file (`model.to_json()`) that an .h5 file of variables belongs to.

    Raises
    ------
    InputError
        For a damaged or hostile file: wrong members, or sizes larger than what is stored.
    UnsupportedModelError
        For Lambda layers and classes that neither belong to Keras nor are registered.
    """
    path = existing_file(path)
    if not tf.executing_eagerly():
        raise InputError(
            f"{path}: Keras makes models in TensorFlow 2 only, and this process has turned it off: "
            "call this without tf.compat.v1.disable_v2_behavior()"
        )
    legacy = kind_of(path)[0] != "keras"
    if architecture is not None:
        return _of_parts(path, existing_file(architecture))
    if legacy:
        check_attributes(path)
        with open_hdf5(path, str(path)) as file:
            config = config_of(file, str(path))
            version = _text(file.attrs.get("keras_version"))
            stored = _stored(file, str(path))
    else:
        with open_keras(path) as archive:
            config = keras_config(archive, str(path))
            version = keras_version(archive, str(path))
            with variables_file(archive, str(path), attributes=True) as file:
                stored = _stored(file, str(path))
    if not isinstance(config, dict):
        raise InputError(f"{path}: the model configuration must be a JSON object")
    config.pop("compile_config", None)
    newer = modernized(config, str(path), version)
    changed, config = newer != config, newer
    check_classes(config, str(path))
    try:
        _check_shapes(_outline(copy.deepcopy(config), legacy=legacy), stored, path)
        with temporary_folder() as folder:
            # Keras believes a name: it gets one that fits the content.
            named = Path(folder, "model.h5" if legacy else "model.keras")
            if changed:
                _write_changed(path, named, config, legacy=legacy)
            else:
                named.symlink_to(path.resolve())
            return keras.models.load_model(named, compile=False, safe_mode=True)
    except (*LIBRARY_ERRORS, OSError, ImportError) as error:
        if isinstance(error, EmbzipError):
            raise
        why = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: Keras cannot make the model of this file ({why})") from error


def _of_parts(path: Path, architecture: Path) -> Any:
    """Return the model of an architecture, with the variables of an .h5 file."""
    if kind_of(path)[0] != "h5":
        raise InputError(
            f"{path}: an architecture (.json) belongs to an .h5 file of variables, and this file "
            "has its own: leave it out"
        )
    check_attributes(path)
    with open_hdf5(path, str(path)) as file:
        stored = _stored(file, str(path))
        named = file.get("model_weights", file)
        by_layer = "layer_names" in named.attrs  # as Keras 2 wrote them
        names = {_text(name) for name in named.attrs.get("layer_names", ())}
        holding = {name for name in names if name in named and len(named[name])}
    content = architecture.read_bytes()
    config = parse_json(content, str(architecture), error=InputError, deepest=CONFIG_DEEPEST)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise InputError(
            f"{architecture}: expected the architecture of a Keras model, as model.to_json() has "
            "it: an object with class_name and config"
        )
    legacy = not isinstance(config.get("module"), str)
    version = config.get("keras_version")
    config = modernized(config, str(architecture), version if legacy else "3")
    check_classes(config, str(architecture))
    try:
        _check_shapes(_outline(copy.deepcopy(config), legacy=legacy), stored, path)
        model = _made(config, legacy=legacy)
        own = {layer.name for layer in model.layers if layer.weights}
        with temporary_folder() as folder:
            link = Path(folder, "v.h5" if by_layer else "v.weights.h5")
            link.symlink_to(path.resolve())
            # Layers of one shape could be mixed up, as Keras goes by their order.
            options = {"by_name": True} if by_layer and own == holding else {}
            model.load_weights(link, **options)
        return model
    except (*LIBRARY_ERRORS, OSError, ImportError) as error:
        if isinstance(error, EmbzipError):
            raise
        why = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: Keras cannot load these variables into the model of {architecture} ({why})"
        ) from error


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _write_changed(path: Path, target: Path, config: Any, *, legacy: bool) -> None:
    """Copy a file with another configuration."""
    text = json.dumps(config)
    if legacy:
        shutil.copyfile(path, target)
        with h5py.File(target, "r+") as file:
            file.attrs["model_config"] = text
        return
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as made:
        for member in source.infolist():
            if member.filename == CONFIG:
                made.writestr(CONFIG, text)
                continue
            with source.open(member) as old, made.open(member.filename, "w") as new:
                shutil.copyfileobj(old, new, 2**20)


def write_keras(model: Any, target: str | Path) -> None:
    """Write a .keras file; the target may have any name."""
    with temporary_folder() as folder, atomic_write(target) as file:
        path = folder / "model.keras"
        model.save(path)
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(file, "w") as made:
            for old in source.infolist():
                new = member(old.filename)
                if old.filename == METADATA:
                    facts = json.loads(source.read(old))
                    made.writestr(new, json.dumps({**facts, "date_saved": SAVED}))
                    continue
                with source.open(old) as content, made.open(new, "w", force_zip64=True) as copied:
                    shutil.copyfileobj(content, copied, 2**20)


def check_classes(config: Any, where: str) -> None:
    """Check that a configuration contains no code and no unknown classes.

    Raises
    ------
    InputError
        For a class that is not named by text.
    UnsupportedModelError
        For code, and for classes that neither belong to Keras nor are registered. The message
        names the class and its layer.
    """
    for part in objects_of(config):
        kind, module = part.get("class_name"), part.get("module")
        inner = part.get("config")
        layer = inner.get("name") if isinstance(inner, dict) else None
        own = part.get("registered_name")
        if not all(name is None or isinstance(name, str) for name in (kind, module, own)):
            raise InputError(
                f"{where}: the configuration names a class by text, found {kind!r}, {module!r}, "
                f"{own!r}: it is damaged"
            )
        registered = keras.saving.get_registered_object(own)
        named = f"{module + '.' if isinstance(module, str) else ''}{kind}"
        if kind in _CODE and not (kind == "function" and inner == _OURS):
            raise UnsupportedModelError(
                f"{where}: {layer or 'a part'!r} is a {named}, which would run code from the file: "
                "replace it by Keras layers, or rebuild the model in memory with "
                "embzip.foreign.rebuild_model"
            )
        known = module is None or module in _MODULES or str(module).startswith(_OPERATIONS)
        if not known and registered is None:
            raise UnsupportedModelError(
                f"{where}: {layer or 'a part'!r} is of the class {named}, which does not belong to "
                "Keras: register it with keras.saving.register_keras_serializable, and call "
                "embzip.foreign.rebuild_model on the model in memory"
            )


def objects_of(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a configuration that describe an object: a model, a layer, a policy."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _stored(file: Any, where: str) -> Counter[tuple[int, ...]]:
    every = list(datasets(file, where))
    left_out = optimizer_groups(every)
    return Counter(tuple(data.shape) for name, data in every if not name.startswith(left_out))


def _outline(config: dict[str, Any], *, legacy: bool) -> list[tuple[str, tuple[int, ...]]]:
    """Return the name and shape of every variable of a configuration, without allocating any."""
    for part in objects_of(config):  # states are no variables of a file, and have values
        if isinstance(part.get("config"), dict) and part["config"].get("stateful"):
            part["config"]["stateful"] = False
    # As Keras does when it loads a file: a layer that another one holds too is one layer.
    with unallocated(), ObjectSharingScope():
        model = _made(config, legacy=legacy)
        return [(variable.path, tuple(variable.shape)) for variable in model.variables]


def _made(config: dict[str, Any], *, legacy: bool) -> Any:
    if not legacy:
        return keras.saving.deserialize_keras_object(config, safe_mode=True)
    with saving_options.keras_option_scope(use_legacy_config=True):
        return saving_utils.model_from_config(config)


def _check_shapes(
    claimed: list[tuple[str, tuple[int, ...]]], stored: Counter[tuple[int, ...]], path: Path
) -> None:
    left = stored.copy()
    for name, shape in claimed:
        left[shape] -= 1
        size = 1
        for length in shape:
            size *= length
        if size > _SMALL and left[shape] < 0:
            raise InputError(
                f"{path}: the configuration gives {name!r} the shape {shape}, and no remaining "
                "stored array has it: configuration and variables do not belong together"
            )
