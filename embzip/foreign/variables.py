"""Reads variables from files of TensorFlow and Keras, and loads them into a model built in code.

A file is read as data: no graph or layer of it runs. Optimizer state is left out; a new optimizer
starts from its initial state.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, MismatchError
from embzip.foreign.formats.bundles import OBJECT_GRAPH, Bundle
from embzip.foreign.formats.checkpoints import read_meta, variables
from embzip.foreign.formats.frozen import role_of_constant
from embzip.foreign.formats.graphs import Flow, read_graph
from embzip.foreign.formats.hdf5 import open_hdf5, weight_tensors
from embzip.foreign.formats.keras_files import open_keras, variables_file
from embzip.foreign.formats.kinds import find_prefix, kind_of, saved_model_file
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.foreign.formats.names import clean
from embzip.foreign.formats.object_graphs import read_objects
from embzip.foreign.formats.saved_models import read_meta_graph
from embzip.foreign.formats.tensor_protos import array_of
from embzip.foreign.graph.flat_graphs import check_constants
from embzip.foreign.matching import Variables, assigned
from embzip.inspection import StoredTensor

_WEIGHTS = ("embedding", "other_variables")


def variables_of(path: str | Path) -> Variables:
    """Return the variables of a TensorFlow or Keras file, by their names in the file.

    Parameters
    ----------
    path
        A checkpoint of TF1 or TF2 (folder, prefix or file), full or slim; a frozen graph; a
        SavedModel; a .h5 or .keras file.

    Returns
    -------
    Floating-point arrays. Optimizer state, counters and strings are left out. In a frozen graph,
    every floating-point constant that is not a scalar counts as a variable.

    Raises
    ------
    InputError
        For a damaged file, a file of another format, or a file without variables.
    MissingFileError
        If the file, or one that belongs to it, does not exist.

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
    """Return what `variables_of` does, including integers and numbers that are not finite."""
    kind, own = kind_of(path)
    if kind not in _READERS:
        raise InputError(
            f"{own}: variables of a {kind} file cannot be read: pass the checkpoint, SavedModel, "
            "frozen graph or Keras file that it was made from"
        )
    return dict(_READERS[kind](own))


def finite(arrays: Variables, where: str) -> Variables:
    """Return the floating-point arrays; raise if there are none, or a number is not finite."""
    found = {name: array for name, array in arrays.items() if array.dtype.kind in "fV"}
    if not found:
        raise InputError(
            f"{where}: expected floating-point variables, found only counters, strings or integers"
        )
    for name, array in found.items():
        if not np.isfinite(array.astype(np.float32)).all():
            raise InputError(
                f"{where}: variables must be finite, and {name!r} contains infinity or NaN"
            )
    return found


def other_names(path: str | Path) -> dict[str, str]:
    """Return the names that the variables of a TF2 checkpoint had in the program that saved them.

    Keras' functional models store a variable as `_operations/3/_kernel`, and record `conv/kernel`.
    """
    kind, own = kind_of(path)
    prefix = find_prefix(own) if kind == "checkpoint" else own / "variables" / "variables"
    if prefix is None or not Path(f"{prefix}.index").is_file():
        return {}
    objects = read_objects(Bundle(prefix))
    return {each.paths[0]: each.full_name for each in objects.values() if each.full_name}


def load_variables(
    model: Any, path: str | Path, names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Load the variables of a file into a Keras model that was built in code.

    A variable takes the array with its name: the same path, or one path that ends with the other
    (`tower/conv/kernel` and `conv/kernel`), or the name of its layer. The shapes must be equal,
    except for leading axes of 1. Where names differ in running numbers only, `dense` and `dense_1`
    take `dense_13` and `dense_14`, if the file has as many of that name and shape. The others are
    matched by shape, if only one match is possible.
    A file may contain more arrays than the model has variables. The model is changed only if all
    of its variables are found.

    Parameters
    ----------
    model
        A built `keras.Model`; a compiled one keeps its optimizer.
    path
        As in `variables_of`.
    names
        For names that differ: {path of the variable in the model: name in the file}. Paths are
        those of Keras, such as `conv/kernel`, without the name of the model.

    Returns
    -------
    dict of str to str
        The name in the file of each variable of the model, by its path.

    Raises
    ------
    InputError
        As in `variables_of`; for a model that is not built, or has no variables; and for `names`
        that the model or the file does not have.
    MismatchError
        For a variable that no array fits, or several arrays fit. The message lists them.

    Warns
    -----
    UserWarning
        For layers that are not built: they have no variables yet, so they are not loaded.

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
    _check_built(model)
    stored = variables_of(path)
    # Some models prefix the paths of their variables with their own name.
    targets = {variable.path.removeprefix(f"{model.name}/"): variable for variable in model.weights}
    if len(targets) != len(model.weights):
        raise MismatchError(
            "the variables of the model must have different paths, and several have the same: give "
            "its layers different names"
        )
    shapes = {name: tuple(variable.shape) for name, variable in targets.items()}
    chosen = assigned(shapes, stored, names or {}, str(path), other_names(path))
    for target, source in chosen.items():
        variable = targets[target]
        variable.assign(stored[source].reshape(tuple(variable.shape)).astype(variable.dtype))
    return chosen


def _check_built(model: Any) -> None:
    if not model.built:
        raise InputError(
            f"the model {model.name!r} is not built, so it has no variables to load: call it on "
            "one batch of ids first, or call model.build(input_shape)"
        )
    if not model.weights:
        raise InputError(f"the model {model.name!r} has no variables, so nothing can be loaded")
    # Layers that never have variables need not be built.
    idle = [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if not layer.built and type(layer).build is not keras.layers.Layer.build
    ]
    if idle:
        warnings.warn(
            f"the layers {', '.join(idle)} of the model {model.name!r} are not built, so they "
            "have no variables and are not loaded: call the model on one batch of ids first",
            stacklevel=3,
        )


def _checkpoint(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    prefix = find_prefix(path)
    if prefix is None:
        raise InputError(f"{path}: expected a checkpoint, found none")
    yield from _variables(Bundle(prefix), read_meta(prefix))


def _variables(bundle: Bundle, meta: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    objects = read_objects(bundle)
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
    """Yield the constants that are variables; equal numbers may be stored as a single one."""
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
        except (*LIBRARY_ERRORS, OSError) as error:
            why = str(error).strip().partition("\n")[0][:200]
            raise InputError(f"{path}: {tensor.name} cannot be read ({why})") from error


def _kept(tensors: Any) -> Iterator[StoredTensor]:
    return (tensor for tensor in tensors if tensor.role in _WEIGHTS and tensor.dtype != "string")


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, NDArray[Any]]]]] = {
    "checkpoint": _checkpoint,
    "frozen": _frozen,
    "h5": _h5,
    "keras": _keras,
    "savedmodel": _saved_model,
}
