"""Compares two models on arrays or texts of one's own: differences, agreement, KL, accuracy.

The models may be of any files that have a graph; what the arrays mean is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.corpus import read_texts
from embzip.errors import InputError, MismatchError, NotFiniteError
from embzip.evaluation.accuracy import mean_kl
from embzip.files.npz import read_arrays
from embzip.files.places import ARRAYS
from embzip.files.signatures import signature_of
from embzip.foreign.outputs import shares, sums_to_1
from embzip.foreign.running import open_model
from embzip.types import Arrays

Inputs = Arrays | str | Path
Labels = NDArray[Any] | str | Path | None


@dataclass(frozen=True)
class OutputComparison:
    """One output of two models, after against before; None for what does not apply to it.

    Attributes
    ----------
    name
        What the first model calls it.
    max_difference
        The largest absolute difference of two numbers.
    agreement
        The share of rows with the same largest column; of one column of probabilities, on the same
        side of 0.5; of whole numbers and texts, that are equal.
    kl
        The mean KL(before || after) in nats, where both give probabilities.
    accuracy_before, accuracy_after
        The shares of the labels that are the largest column.
    """

    name: str
    max_difference: float | None
    agreement: float | None
    kl: float | None = None
    accuracy_before: float | None = None
    accuracy_after: float | None = None


@dataclass(frozen=True)
class ArrayComparison:
    """What two models answer to the same inputs: `rows` of them, each output on its own."""

    rows: int
    outputs: tuple[OutputComparison, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain lists and numbers, ready for `json.dumps`."""
        return {"rows": self.rows, "outputs": [asdict(each) for each in self.outputs]}


class Reference:
    """The answers of a model to inputs, which other models are compared with.

    Parameters
    ----------
    path
        A .keras or .h5 file, a SavedModel, a frozen graph, or a checkpoint with its .meta.
    inputs
        Arrays by the names of the model's inputs, or the path of a .npz file with them. A model of
        one input takes a .npy file too, and one that reads texts a file of one a line.
    labels
        The column that is right, a whole number from 0 for each row; an array, or a .npy file.
    nodes, fed
        Of a graph: what it ends in, and nodes that are fed, as in `embzip.foreign.slim`.

    Raises
    ------
    MismatchError, InputTypeError, InputError
        For arrays that do not fit the inputs, and labels that do not fit the output.
    """

    def __init__(
        self,
        path: str | Path,
        inputs: Inputs,
        *,
        labels: Labels = None,
        nodes: Sequence[str] = (),
        fed: Sequence[str] = (),
    ) -> None:
        self.path = Path(path)
        self._arrays = _arrays(inputs) if isinstance(inputs, str | Path) else dict(inputs)
        right = labels
        if isinstance(labels, str | Path):
            (right, *more) = read_arrays(labels).values()
            if more:
                raise InputError(f"{labels}: labels are one array, found {len(more) + 1}")
        self._labels = None if right is None else np.asarray(right)
        self._answers = open_model(path, outputs=nodes, inputs=fed).run(self._arrays)
        if self._labels is not None:
            self._check_labels(self._labels)

    def compared_with(self, path: str | Path) -> ArrayComparison:
        """Return how the answers of another model differ from these.

        Raises
        ------
        MismatchError
            For a model of other inputs or outputs.
        NotFiniteError
            For answers that are no numbers.
        """
        found = open_model(path).run(self._arrays)
        pairs = self._answers.keys() == found.keys()
        if not pairs and len(found) != len(self._answers):
            raise MismatchError(
                f"{path}: its outputs are {', '.join(found)}, those of {self.path} are "
                f"{', '.join(self._answers)}: two models are compared in the same outputs"
            )
        made = []
        for place, (name, before) in enumerate(self._answers.items()):
            after = found[name] if pairs else list(found.values())[place]
            if before.shape != after.shape or before.dtype.kind != after.dtype.kind:
                raise MismatchError(
                    f"{path}: its output {name!r} is {_told(after)}, and that of {self.path} is "
                    f"{_told(before)}"
                )
            for answers, of in ((before, self.path), (after, path)):
                if answers.dtype.kind == "f" and not np.isfinite(answers).all():
                    raise NotFiniteError(
                        f"{of}: every number of the output {name!r} must be finite, and some are "
                        "not: the model overflows on these inputs"
                    )
            made.append(_compared(name, before, after, self._labels))
        return ArrayComparison(len(before), tuple(made))

    def _check_labels(self, labels: NDArray[Any]) -> None:
        if len(self._answers) > 1:
            raise MismatchError(
                f"{self.path}: labels are those of one output, and this model has "
                f"{', '.join(self._answers)}: leave the labels out, or `embzip slim MODEL --to "
                "savedmodel --node OUTPUT` writes a model with that output alone"
            )
        ((name, answers),) = self._answers.items()
        scores = _scores(answers)
        if scores is None:
            raise MismatchError(
                f"{self.path}: labels need an output of scores, a column for each label, and "
                f"{name!r} is {_told(answers)}: leave the labels out"
            )
        classes, rows = scores.shape[-1], answers.shape[: scores.ndim - 1]
        given = labels[..., 0] if labels.ndim > 1 and labels.shape == (*rows, 1) else labels
        if given.shape != rows or given.dtype.kind not in "iub":
            raise MismatchError(
                f"labels are whole numbers of the shape {rows}, as the output {name!r} has rows; "
                f"found {_told(labels)}"
            )
        low, high = int(given.min()), int(given.max())
        if low < 0 or high >= classes:
            raise MismatchError(
                f"labels lie in 0..{classes - 1}, as the output {name!r} has {classes} columns; "
                f"found {low if low < 0 else high}"
            )
        self._labels = given


def compare_on_arrays(
    before: str | Path, after: str | Path, inputs: Inputs, *, labels: Labels = None
) -> ArrayComparison:
    """Compare two models on arrays or texts; see `Reference` for what they may be.

    Examples
    --------
    >>> import tempfile
    >>> import tensorflow as tf
    >>> module, path = tf.Module(), tempfile.mkdtemp()
    >>> module.serve = tf.function(
    ...     lambda x: {"out": 2 * x}, input_signature=[tf.TensorSpec([None, 3], name="x")]
    ... )
    >>> tf.saved_model.save(module, path, signatures=module.serve)
    >>> compare_on_arrays(path, path, {"x": np.eye(3)}).outputs[0].max_difference
    0.0
    """
    return Reference(before, inputs, labels=labels).compared_with(after)


def _arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    if signature_of(path).kind in ARRAYS.kinds:
        return read_arrays(path)
    return {"": np.array(list(read_texts(path)), object)}


def _told(array: NDArray[Any]) -> str:
    return f"{array.dtype.name} {array.shape}"


def _scores(answers: NDArray[Any]) -> NDArray[np.floating[Any]] | None:
    """Return answers as a number for each class on the last axis; None for other answers."""
    if answers.dtype.kind != "f" or answers.ndim < 1 or not answers.size:
        return None
    if answers.ndim > 1 and answers.shape[-1] > 1:
        return answers
    column = answers[..., None] if answers.ndim == 1 else answers
    if not shares(column.reshape(-1, 1)).all():
        return None
    return np.concatenate([1 - column, column], axis=-1)


def _compared(
    name: str, before: NDArray[Any], after: NDArray[Any], labels: NDArray[Any] | None
) -> OutputComparison:
    if before.dtype.kind not in "fiub":
        return OutputComparison(name, None, float((before == after).mean()))
    apart = before.astype(np.float64) - after.astype(np.float64)
    largest = float(np.abs(apart).max(initial=0))
    if before.dtype.kind != "f":
        return OutputComparison(name, largest, float((before == after).mean()))
    scores = [_scores(each) for each in (before, after)]
    if scores[0] is None or scores[1] is None:
        return OutputComparison(name, largest, None)
    best = [each.argmax(axis=-1) for each in scores if each is not None]
    rows = [each.reshape(-1, each.shape[-1]) for each in scores if each is not None]
    alike = all(sums_to_1(each).all() for each in rows)
    right: Mapping[str, float] = {}
    if labels is not None:
        right = {
            "accuracy_before": float((best[0] == labels).mean()),
            "accuracy_after": float((best[1] == labels).mean()),
        }
    return OutputComparison(
        name,
        largest,
        float((best[0] == best[1]).mean()),
        mean_kl(rows[0], rows[1]) if alike else None,
        **right,
    )
