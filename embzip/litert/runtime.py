"""Runs an exported .tflite with its attached tokenizer; needs ai-edge-litert, not TensorFlow.

A text is padded to the next of a few lengths, and each length has an interpreter of its own: to
resize one takes as long as to run it. Texts are run one by one: on the processors tried, a batch
takes as long as its texts do alone. Interpreters belong to one thread of one process.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embzip.errors import FileFormatError, IdRangeError, MissingPackageError
from embzip.files import existing_file
from embzip.litert.attachment import Attachment, read_attachment
from embzip.prediction import Matrix, TextClassifier
from embzip.tokenizers.base import Tokenizer

_STEP = 8  # lengths are multiples of this
_LENGTHS = 32  # or of more, so that a thread has no more interpreters than these


class LiteRtClassifier(TextClassifier):
    """A classifier that `embzip export` wrote, run by LiteRT.

    The file is mapped, so that processes share it; it must stay where it is: a pickle holds its
    path.

    Parameters
    ----------
    path
        The .tflite file.
    attachment
        What it carries; `LiteRtClassifier.load` reads it.
    """

    def __init__(self, path: Path, attachment: Attachment) -> None:
        self.path = path
        self.attachment = attachment
        self.labels = attachment.labels[0]
        step = -(-attachment.max_length // _LENGTHS)
        self._step = -(-step // _STEP) * _STEP
        self._own = _Interpreters(path)
        self._own.of_length(attachment.max_length)  # a model that does not run says so now

    def __reduce__(self) -> tuple[Any, ...]:
        return (LiteRtClassifier.load, (self.path,))

    @classmethod
    def load(cls, path: str | Path) -> "LiteRtClassifier":
        """Read an exported .tflite.

        Raises
        ------
        MissingFileError
            For a file that is not there.
        FileFormatError
            For a file that is cut short or damaged, or that another tool wrote.
        MissingPackageError
            Where ai-edge-litert is not installed.
        """
        path = existing_file(path).resolve()
        return cls(path, read_attachment(path))

    @property
    def tokenizer(self) -> Tokenizer:
        """What texts are turned into ids with."""
        return self.attachment.tokenizer

    @property
    def max_length(self) -> int:
        """Tokens of a text that are read."""
        return self.attachment.max_length

    def probabilities_of_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return (texts, classes) float32 probabilities of tokenized texts."""
        rows, limit = len(self.tokenizer.vocabulary), self.max_length
        pad_id = self.tokenizer.vocabulary.pad_id or 0
        probabilities = np.empty((len(ids), len(self.labels)), np.float32)
        for index, text in enumerate(ids):
            cut = text[:limit]
            if cut and not 0 <= min(cut) <= max(cut) < rows:
                bad = min(cut) if min(cut) < 0 else max(cut)
                raise IdRangeError(f"text {index}: ids must lie in 0..{rows - 1}, received {bad}")
            runner = self._own.of_length(self._length(len(cut)))
            probabilities[index] = runner.run(cut, pad_id)
        return probabilities

    def _length(self, tokens: int) -> int:
        """Return what a text is padded to."""
        needed = tokens + self.attachment.margin
        return min(-(-needed // self._step) * self._step, self.max_length)


def is_tflite(path: Path) -> bool:
    """Return whether a file begins as a .tflite does."""
    with path.open("rb") as file:
        return file.read(8)[4:] == b"TFL3"


class _Interpreters(threading.local):
    """The interpreters of one thread, made when they are needed, and made anew after a fork."""

    def __init__(self, path: Path) -> None:  # runs once in every thread
        self.path = path
        self.process = os.getpid()
        self.made: dict[int, _Interpreter] = {}

    def of_length(self, length: int) -> "_Interpreter":
        """Return the interpreter of texts padded to a length."""
        if self.process != os.getpid():
            self.process, self.made = os.getpid(), {}
        if length not in self.made:
            self.made[length] = _Interpreter(self.path, length)
        return self.made[length]


def litert() -> Any:
    """Return the module of LiteRT's interpreter.

    Raises
    ------
    MissingPackageError
        Where ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert import interpreter  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingPackageError(
            f"running a .tflite needs LiteRT, and importing it failed ({error}): "
            "`pip install 'ai-edge-litert>=2.0'`, or `uv sync --extra serve` from a checkout"
        ) from error
    return interpreter


class _Interpreter:
    """A LiteRT interpreter for one text of one length."""

    def __init__(self, path: Path, length: int) -> None:
        runtime = litert()
        try:
            self.interpreter = runtime.Interpreter(model_path=str(path), num_threads=1)
            self.input = self.interpreter.get_input_details()[0]["index"]
            self.outputs = [d["index"] for d in self.interpreter.get_output_details()]
            self.interpreter.resize_tensor_input(self.input, (1, length))
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise FileFormatError(f"{path}: LiteRT cannot run this model: {error}") from error
        self.ids = np.zeros((1, length), np.int32)

    def run(self, ids: Sequence[int], pad_id: int) -> Matrix:
        """Return the (classes,) probabilities of one text."""
        self.ids[0, : len(ids)] = ids
        self.ids[0, len(ids) :] = pad_id
        self.interpreter.set_tensor(self.input, self.ids)
        self.interpreter.invoke()
        probabilities: Matrix = self.interpreter.get_tensor(self.outputs[0])[0]
        return probabilities
