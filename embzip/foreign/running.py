"""Runs a file of Keras or TensorFlow on arrays: named inputs in, named outputs out.

The graph is checked first, as for slimming: only operators that compute and read tables run. What
the numbers mean is not known here; `embzip.foreign.text_models` reads them as probabilities.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.eager.context import eager_mode

from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.foreign.graph.flat_graphs import FlatGraph, flat_graph, naming
from embzip.foreign.graph.writing import input_specs, served
from embzip.types import Arrays

_BATCH = 256
_DEFAULT = "serving_default"
TEXT = "text"


@dataclass(frozen=True)
class ArraySlot:
    """An input or output: its type, `text` for texts, and its shape, None for a free length."""

    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return self.dtype
        return f"{self.dtype} ({', '.join('any' if n is None else str(n) for n in self.shape)})"


class ArrayModel:
    """A model of a file, as a function of arrays.

    Attributes
    ----------
    path
        The file, or the folder of a SavedModel.
    inputs, outputs
        What it takes and gives, by name. The first axis counts the rows; inputs without axes, such
        as a dropout rate, are the same for all.
    """

    def __init__(self, path: Path, flat: FlatGraph) -> None:
        self.path = path
        name = signature_of(path, flat)
        flat = replace(flat, signatures={name: flat.signatures[name]})
        self._specs = input_specs(flat.graph, flat.signatures[name])
        with naming(path), eager_mode():
            self._module, functions = served(flat)
        self._function = functions[name]
        self.inputs = {each: _slot(spec) for each, spec in self._specs.items()}
        given = self._function.structured_outputs
        self.outputs = {each: _slot(given[each]) for each in flat.signatures[name].outputs}

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return the outputs for all rows of the inputs, which run in batches.

        Parameters
        ----------
        arrays
            One for each input; texts are arrays of strings. Types are converted where no number
            changes.

        Raises
        ------
        MismatchError
            For a missing or unknown name, another shape, or different numbers of rows.
        InputTypeError
            For numbers that the input's type cannot hold, and texts in the place of numbers.
        InputError
            Where TensorFlow cannot run the model on them.
        """
        fed = {name: self._fitting(name, array) for name, array in self.matched(arrays).items()}
        rows = self._rows(fed)
        fixed = {slot.shape[0] for slot in self.inputs.values() if slot.shape} - {None}
        size = next((length for length in fixed if length), _BATCH)
        found: dict[str, list[NDArray[Any]]] = {name: [] for name in self.outputs}
        for start in range(0, rows, size):
            count = min(size, rows - start)
            part = {
                name: array[start : start + size] if array.ndim else array
                for name, array in fed.items()
            }
            if fixed and count < size:
                part = {name: _filled(array, size) for name, array in part.items()}
            for name, answers in self._answers(part, size if fixed else count).items():
                found[name].append(answers[:count])
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def matched(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return arrays by the names of the inputs; a single one needs no name."""
        if len(self.inputs) == 1 and len(arrays) == 1:
            return dict(zip(self.inputs, arrays.values(), strict=True))
        if arrays.keys() != self.inputs.keys():
            wanted = ", ".join(f"{name}: {slot}" for name, slot in self.inputs.items())
            raise MismatchError(
                f"{self.path}: arrays are told by the names of the model's inputs, {wanted}; "
                f"found {', '.join(map(repr, arrays)) or 'none'}: save them with "
                "np.savez(FILE, NAME=ARRAY, ...)"
            )
        return {name: arrays[name] for name in self.inputs}

    def _fitting(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        slot, given = self.inputs[name], np.asarray(array)
        where = f"{self.path}: the input {name!r} takes {slot}"
        if (given.dtype.kind in "USO") != (slot.dtype == TEXT):
            raise InputTypeError(f"{where}, found an array of {given.dtype.name}")
        if slot.shape is not None and not _fits(given.shape, slot.shape):
            if slot.shape[1:] == (1,) and given.ndim == 1:
                given = given[:, None]  # one text, or one number, a row
            else:
                raise MismatchError(f"{where}, found the shape {given.shape}")
        if not given.ndim and slot.shape != ():
            raise MismatchError(f"{where}, found a single value: the first axis counts the rows")
        if slot.dtype == TEXT:
            return _as_bytes(given)
        dtype = np.dtype(self._specs[name].dtype.as_numpy_dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            cast = given.astype(dtype)
        exact = given.dtype.kind in "iub" or dtype.kind == given.dtype.kind == "f"
        if not exact or (dtype.kind != "f" and not np.array_equal(cast, given)):
            raise InputTypeError(f"{where}, found numbers of {given.dtype.name} that do not fit it")
        return cast

    def _rows(self, fed: Arrays) -> int:
        counts = {name: len(array) for name, array in fed.items() if array.ndim}
        if not counts:
            raise InputError(f"{self.path}: no input of this model has rows")
        if len(set(counts.values())) != 1:
            raise MismatchError(
                f"{self.path}: all inputs must have the same number of rows, found "
                + ", ".join(f"{count:,} of {name!r}" for name, count in counts.items())
            )
        rows = next(iter(counts.values()))
        if not rows:
            raise InputError(f"{self.path}: at least one row is needed, found none")
        return rows

    def _answers(self, part: Arrays, count: int) -> dict[str, NDArray[Any]]:
        try:
            with eager_mode():
                tensors = {
                    name: tf.constant(part[name], spec.dtype) for name, spec in self._specs.items()
                }
                answered = self._function(**tensors)
                found = {name: np.asarray(answered[name]) for name in self.outputs}
        except LIBRARY_ERRORS as error:
            why = " ".join(str(error).split())[:200]
            raise InputError(
                f"{self.path}: TensorFlow cannot run the model on these inputs ({why})"
            ) from error
        for name, answers in found.items():
            if answers.ndim == 0 or len(answers) != count:
                raise MismatchError(
                    f"{self.path}: the output {name!r} must have a row for each of {count} rows of "
                    f"the inputs, found the shape {answers.shape}"
                )
        return found


def open_model(
    path: str | Path, *, outputs: Iterable[str] = (), inputs: Iterable[str] = ()
) -> ArrayModel:
    """Return the model of a file, checked: a .keras or .h5 file, SavedModel, graph or checkpoint.

    Parameters
    ----------
    outputs, inputs
        As in `embzip.foreign.slim`.

    Raises
    ------
    InputError
        For a file without a graph, or one that touches files or Python, and for several signatures
        none of which is the default.
    """
    own = Path(path)
    return ArrayModel(own, flat_graph(own, tuple(outputs), tuple(inputs)))


def signature_of(path: Path, flat: FlatGraph) -> str:
    """Return the name of the default signature of a graph, or of its only one."""
    names = list(flat.signatures)
    if len(names) > 1 and _DEFAULT not in names:
        raise InputError(
            f"{path}: has the signatures {', '.join(names)}, and none is {_DEFAULT!r}: `embzip "
            "slim --to savedmodel --node OUTPUT` writes the one with that output"
        )
    return _DEFAULT if _DEFAULT in names else names[0]


def _slot(spec: Any) -> ArraySlot:
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return ArraySlot(TEXT if spec.dtype == tf.string else spec.dtype.name, shape)


def _fits(given: tuple[int, ...], slot: tuple[int | None, ...]) -> bool:
    """Return whether a shape fits, apart from the number of rows."""
    pairs = zip(given[1:], slot[1:], strict=False)
    return len(given) == len(slot) and all(own in (None, n) for n, own in pairs)


def _filled(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Repeat the last row, as a model of a fixed number of rows needs it."""
    if not array.ndim:
        return array
    return np.concatenate([array, np.repeat(array[-1:], rows - len(array), axis=0)])


def _as_bytes(texts: NDArray[Any]) -> NDArray[Any]:
    """Return texts as TensorFlow takes them: UTF-8, where a lone surrogate becomes U+FFFD."""
    encoded = [
        each if isinstance(each, bytes) else str(each).encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace").encode()
        for each in texts.reshape(-1).tolist()
    ]  # fmt: skip
    made = np.empty(len(encoded), object)
    made[:] = encoded
    return made.reshape(texts.shape)
