"""Weights out of TensorFlow's files, and into a model that was built in code: training goes on.

A file is read as data, no graph or layer of it runs. Optimizer state is left out: a new optimizer
begins with moments of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.errors import InputError, MismatchError
from embzip.tf.artefacts import kind_of
from embzip.tf.artefacts.bundles import OBJECT_GRAPH, Bundle, read_objects
from embzip.tf.artefacts.checkpoints import find_prefix, read_meta, variables
from embzip.tf.artefacts.frozen import role_of_constant
from embzip.tf.artefacts.graphs import Flow, read_graph
from embzip.tf.artefacts.hdf5 import EXPANSION, FREE, open_hdf5, weight_tensors
from embzip.tf.artefacts.keras_files import open_keras
from embzip.tf.artefacts.keras_files import weights_of as weights_member
from embzip.tf.artefacts.record import StoredTensor
from embzip.tf.artefacts.saved_models import read_meta_graph
from embzip.tf.artefacts.tensor_protos import shape_of

Arrays = dict[str, NDArray[Any]]
_WEIGHTS = ("embedding", "other_weights")
_LISTED = 12  # names in a message


def weights_of(path: str | Path) -> Arrays:
    """Return the weights of a TensorFlow or Keras file, by the names they have there.

    Parameters
    ----------
    path
        A checkpoint of TF1 or TF2 (folder, prefix or file), full or slim; a frozen graph; a
        SavedModel; a .h5 or .keras file.

    Returns
    -------
    Arrays of floating numbers. Optimizer state, counters and texts are left out. In a frozen
    graph every floating constant with an axis is taken for a weight.

    Raises
    ------
    InputError
        For a damaged file, one of another format, and one without weights.
    MissingFileError
        Where it, or a part of it, is missing.

    Examples
    --------
    >>> import keras, tempfile
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="dense")])
    >>> path = f"{tempfile.mkdtemp()}/checkpoint"
    >>> _ = tf.train.Checkpoint(model=model).write(path)
    >>> sorted(array.shape for array in weights_of(path).values())
    [(4, 5), (5,)]
    """
    kind, own = kind_of(path)
    if kind not in _READERS:
        raise InputError(
            f"{own}: the weights of a {kind} file are not read: use the checkpoint, SavedModel, "
            "frozen graph or Keras file that it was made from"
        )
    found = {name: array for name, array in _READERS[kind](own) if array.dtype.kind in "fV"}
    if not found:
        raise InputError(f"{own}: holds no weights: nothing but counters, texts or whole numbers")
    for name, array in found.items():
        if not np.isfinite(array.astype(np.float32)).all():
            raise InputError(f"{own}: the weight {name!r} holds numbers that are not finite")
    return found


def load_weights(
    model: Any, path: str | Path, names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Give the weights of a file to a Keras model that was built in code.

    A weight takes the array of its name: the same path, or one that ends in the other
    (`tower/conv/kernel` and `conv/kernel`), or the name of its layer; and of its shape, but for
    leading axes of 1. What is left goes by shape, where only one assignment is possible. A file
    may hold more than the model takes. The model is changed only when all weights are found.

    Parameters
    ----------
    model
        A built `keras.Model`; a compiled one keeps its optimizer.
    path
        As in `weights_of`.
    names
        Where names do not agree: {path of the model's weight: name in the file}; paths are Keras',
        such as `conv/kernel`, without the name of the model.

    Returns
    -------
    dict of str to str
        What each weight of the model, by its path, was called in the file.

    Raises
    ------
    InputError
        As in `weights_of`; and for `names` that the model or the file does not have.
    MismatchError
        For a weight that no array fits, or that several fit; lists them with their shapes.

    Examples
    --------
    >>> import keras, tempfile
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="dense")])
    >>> path = f"{tempfile.mkdtemp()}/checkpoint"
    >>> _ = tf.train.Checkpoint(model=model).write(path)
    >>> other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="other")])
    >>> load_weights(other, path)["other/bias"]
    'model/_functional/_operations/1/bias'
    """
    stored = weights_of(path)
    # Some models put their own name before the paths of their weights.
    targets = {weight.path.removeprefix(f"{model.name}/"): weight for weight in model.weights}
    if len(targets) != len(model.weights):
        raise MismatchError("several weights of the model have one path: name its layers apart")
    chosen = _assignment(
        {name: tuple(weight.shape) for name, weight in targets.items()},
        {name: array.shape for name, array in stored.items()},
        dict(names or {}),
        str(path),
    )
    for target, source in chosen.items():
        weight = targets[target]
        weight.assign(stored[source].reshape(tuple(weight.shape)).astype(weight.dtype))
    return chosen


def _assignment(
    targets: Mapping[str, tuple[int, ...]],
    sources: Mapping[str, tuple[int, ...]],
    names: dict[str, str],
    where: str,
) -> dict[str, str]:
    """Return the name of the array that each weight takes."""
    for target, source in names.items():
        for name, known, owner in ((target, targets, "the model"), (source, sources, where)):
            if name not in known:
                listed = ", ".join(sorted(known)[:_LISTED])
                raise InputError(f"{owner} has no weight {name!r}: it has {listed}")
    chosen = dict(names)
    for target, shape in targets.items():
        named = chosen.get(target) or next((s for s in sources if _clean(s) == target), None)
        if named is not None and _bare(sources[named]) != _bare(shape):
            raise MismatchError(
                f"{where}: the weight {named!r} has the shape {sources[named]}, the model's "
                f"{target!r} has {shape}"
            )
    for agree in _AGREEMENTS:
        moved = True
        while moved:
            left = [t for t in targets if t not in chosen]
            free = [s for s in sources if s not in chosen.values()]
            fits = {
                t: [s for s in free if _bare(sources[s]) == _bare(targets[t]) and agree(t, s)]
                for t in left
            }
            wanted = [s for found in fits.values() for s in found]
            sure = {t: f[0] for t, f in fits.items() if len(f) == 1 and wanted.count(f[0]) == 1}
            chosen |= sure
            moved = bool(sure)
    for target, shape in targets.items():
        if target not in chosen:
            alike = [t for t in targets if t not in chosen and _bare(targets[t]) == _bare(shape)]
            raise MismatchError(
                f"{where}: which array is the model's {', '.join(map(repr, alike[:_LISTED]))} of "
                f"shape {shape} is not clear: candidates are {fits[target][:_LISTED] or 'none'}; "
                "say it by names={weight: array}"
            )
    return {target: chosen[target] for target in targets}


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without leading axes of 1: convolutions are stored with and without them."""
    return _bare(shape[1:]) if len(shape) > 1 and shape[0] == 1 else shape


def _clean(name: str) -> str:
    return name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").removesuffix(":0")


def _ends_alike(target: str, source: str) -> bool:
    source = _clean(source)
    return target.endswith(f"/{source}") or source.endswith(f"/{target}")


# From the strictest to the shape alone.
_AGREEMENTS: tuple[Callable[[str, str], bool], ...] = (
    lambda target, source: target == _clean(source),
    _ends_alike,
    lambda target, source: _clean(source) in (target, *target.split("/")[:-1]),
    lambda target, source: True,
)


def _checkpoint(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    prefix = find_prefix(path)
    if prefix is None:
        raise InputError(f"{path}: no checkpoint here")
    yield from _variables(Bundle(prefix), read_meta(prefix))


def _variables(bundle: Bundle, meta: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    graph = bundle.object_graph()
    objects = {} if graph is None else read_objects(graph)
    for tensor in _kept(variables(bundle, meta)):
        if tensor.name != OBJECT_GRAPH:
            known = objects.get(tensor.name)
            name = known.paths[0] if known else _clean(tensor.name)
            yield name, np.asarray(bundle.read(tensor.name))


def _frozen(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    yield from _constants(read_graph(path).node, path)


def _saved_model(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    if (path / "variables" / "variables.index").is_file():
        yield from _variables(Bundle(path / "variables" / "variables"), None)
        return
    graph = read_meta_graph(path).graph_def
    yield from _constants(graph.node, path)
    for function in graph.library.function:
        yield from _constants(function.node_def, path)


def _constants(nodes: Any, path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the constants that are weights; one of equal numbers may be stored as one of them."""
    flow = Flow(nodes)
    tables = {table for _, table in flow.gathered()}
    for node in nodes:
        if node.op != "Const" or role_of_constant(node, tables) not in _WEIGHTS:
            continue
        tensor = node.attr["value"].tensor
        claimed = int(np.prod(shape_of(tensor.tensor_shape), dtype=object)) * 4
        if not 0 <= claimed <= max(FREE, EXPANSION * tensor.ByteSize()):
            raise InputError(
                f"{path}: the constant {node.name!r} says it has {claimed:,} bytes, and "
                f"{tensor.ByteSize():,} are stored: refused"
            )
        try:
            yield node.name, tf.make_ndarray(tensor)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: the constant {node.name!r} is damaged ({error})") from error


def _h5(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with open_hdf5(path, str(path)) as file:
        yield from _arrays(file, path)


def _keras(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with open_keras(path) as archive, weights_member(archive, str(path)) as file:
        yield from _arrays(file, path)


def _arrays(file: Any, path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    for tensor in _kept(weight_tensors(file, str(path))):
        try:
            yield tensor.name, file[tensor.name][()]
        except (OSError, RuntimeError) as error:
            raise InputError(f"{path}: {tensor.name} cannot be read ({error})") from error


def _kept(tensors: Any) -> Iterator[StoredTensor]:
    return (tensor for tensor in tensors if tensor.role in _WEIGHTS and tensor.dtype != "string")


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, NDArray[Any]]]]] = {
    "checkpoint": _checkpoint,
    "frozen": _frozen,
    "h5": _h5,
    "keras": _keras,
    "savedmodel": _saved_model,
}
