"""Weights out of TensorFlow's files, and into a model that was built in code: training goes on.

A file is read as data, no graph or layer of it runs. Optimizer state is left out: a new optimizer
begins with moments of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, MismatchError
from embzip.foreign.formats.bundles import OBJECT_GRAPH, Bundle, read_objects
from embzip.foreign.formats.checkpoints import read_meta, variables
from embzip.foreign.formats.frozen import role_of_constant
from embzip.foreign.formats.graphs import Flow, read_graph
from embzip.foreign.formats.hdf5 import open_hdf5, weight_tensors
from embzip.foreign.formats.keras_files import open_keras, variables_file
from embzip.foreign.formats.kinds import find_prefix, kind_of, saved_model_file
from embzip.foreign.formats.saved_models import read_meta_graph
from embzip.foreign.formats.tensor_protos import array_of
from embzip.foreign.graph.flat_graphs import check_constants
from embzip.foreign.matching import Variables, assigned, clean
from embzip.inspection import StoredTensor

_WEIGHTS = ("embedding", "other_variables")


def variables_of(path: str | Path) -> Variables:
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
    >>> import keras, tempfile, tensorflow as tf
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="dense")])
    >>> path = f"{tempfile.mkdtemp()}/checkpoint"
    >>> _ = tf.train.Checkpoint(model=model).write(path)
    >>> sorted(array.shape for array in variables_of(path).values())
    [(4, 5), (5,)]
    """
    return finite(stored_arrays(path), str(path))


def stored_arrays(path: str | Path) -> Variables:
    """Return what `variables_of` does, whole numbers and what is not finite included."""
    kind, own = kind_of(path)
    if kind not in _READERS:
        raise InputError(
            f"{own}: the weights of a {kind} file are not read: use the checkpoint, SavedModel, "
            "frozen graph or Keras file that it was made from"
        )
    return dict(_READERS[kind](own))


def finite(arrays: Variables, where: str) -> Variables:
    """Return the floating arrays, of which there must be one, and all numbers finite."""
    found = {name: array for name, array in arrays.items() if array.dtype.kind in "fV"}
    if not found:
        raise InputError(f"{where}: holds no weights: nothing but counters, texts or whole numbers")
    for name, array in found.items():
        if not np.isfinite(array.astype(np.float32)).all():
            raise InputError(f"{where}: the weight {name!r} holds numbers that are not finite")
    return found


def other_names(path: str | Path) -> dict[str, str]:
    """Return what the weights of a TF2 checkpoint were called by the program that saved them.

    Keras' functional models store a weight as `_operations/3/_kernel`, and note `conv/kernel`.
    """
    kind, own = kind_of(path)
    prefix = find_prefix(own) if kind == "checkpoint" else own / "variables" / "variables"
    if prefix is None or not Path(f"{prefix}.index").is_file():
        return {}
    graph = Bundle(prefix).object_graph()
    objects = {} if graph is None else read_objects(graph)
    return {each.paths[0]: each.full_name for each in objects.values() if each.full_name}


def load_variables(
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
        As in `variables_of`.
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
        As in `variables_of`; and for `names` that the model or the file does not have.
    MismatchError
        For a weight that no array fits, or that several fit; lists them with their shapes.

    Examples
    --------
    >>> import keras, tempfile, tensorflow as tf
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="dense")])
    >>> path = f"{tempfile.mkdtemp()}/checkpoint"
    >>> _ = tf.train.Checkpoint(model=model).write(path)
    >>> other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="other")])
    >>> load_variables(other, path)["other/bias"]
    'model/_functional/_operations/1/bias'
    """
    stored = variables_of(path)
    # Some models put their own name before the paths of their weights.
    targets = {weight.path.removeprefix(f"{model.name}/"): weight for weight in model.weights}
    if len(targets) != len(model.weights):
        raise MismatchError("several weights of the model have one path: name its layers apart")
    shapes = {name: tuple(weight.shape) for name, weight in targets.items()}
    chosen = assigned(shapes, stored, names or {}, str(path), other_names(path))
    for target, source in chosen.items():
        weight = targets[target]
        weight.assign(stored[source].reshape(tuple(weight.shape)).astype(weight.dtype))
    return chosen


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
            name = known.paths[0] if known else clean(tensor.name)
            yield name, np.asarray(bundle.read(tensor.name))


def _frozen(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    graph = read_graph(path)
    check_constants(graph, path, path.stat().st_size)
    yield from _constants(graph.node, path)


def _saved_model(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    if (path / "variables" / "variables.index").is_file():
        yield from _variables(Bundle(path / "variables" / "variables"), None)
        return
    graph = read_meta_graph(path).graph_def
    stored = saved_model_file(path)
    check_constants(graph, path, 0 if stored is None else stored.stat().st_size)
    yield from _constants(graph.node, path)
    for function in graph.library.function:
        yield from _constants(function.node_def, path)


def _constants(nodes: Any, path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the constants that are weights; one of equal numbers may be stored as one of them."""
    flow = Flow(nodes)
    tables = {table for _, table in flow.gathered()}
    for node in nodes:
        if node.op == "Const" and role_of_constant(node, tables) in _WEIGHTS:
            tensor = node.attr["value"].tensor
            yield node.name, array_of(tensor, f"{path}: the constant {node.name!r}")


def _h5(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with open_hdf5(path, str(path)) as file:
        yield from _arrays(file, path)


def _keras(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with open_keras(path) as archive, variables_file(archive, str(path)) as file:
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
