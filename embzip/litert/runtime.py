"""Runs an exported .tflite on token ids; needs ai-edge-litert, not TensorFlow.

A text is padded to the next of a few lengths, and each length has its own interpreter, because
resizing one takes as long as running it. Texts are run one by one: on the processors that were
tried, a batch takes as long as its texts one by one. Interpreters belong to one thread of one
process.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embzip.errors import FileFormatError, IdRangeError, MissingPackageError
from embzip.litert.attachment import Attachment
from embzip.types import Matrix

_STEP = 8  # lengths are multiples of this, or of more:
_LENGTHS = 32  # a thread has at most so many interpreters


class LiteRtModel:
    """An exported model: token ids -> the probabilities of each output.

    The file is memory-mapped, so that processes share it. It must not be moved.

    Parameters
    ----------
    path
        The .tflite file.
    attachment
        The files attached to it.
    """

    def __init__(self, path: Path, attachment: Attachment) -> None:
        self.path = path
        self.attachment = attachment
        step = -(-attachment.max_length // _LENGTHS)
        self._step = -(-step // _STEP) * _STEP
        self._own = _Interpreters(path)
        vocabulary = attachment.tokenizer.vocabulary
        self._rows, self._pad_id = len(vocabulary), vocabulary.pad_id or 0
        self._columns = [len(head) for head in attachment.labels]
        runner = self._own.of_length(attachment.max_length)  # a model that cannot run fails here
        if runner.columns != self._columns:
            raise FileFormatError(
                f"{path}: each output must have one column per label, found {runner.columns} "
                f"columns and {self._columns} labels: export the classifier again"
            )

    def answers(self, ids: Sequence[Sequence[int]]) -> list[Matrix]:
        """Return (texts, classes) float32 probabilities of each output.

        Raises
        ------
        IdRangeError
            For an id outside the table.
        """
        rows, limit = self._rows, self.attachment.max_length
        for index, text in enumerate(ids):
            cut = text[:limit]
            if len(cut) and not 0 <= min(cut) <= max(cut) < rows:
                bad = min(cut) if min(cut) < 0 else max(cut)
                raise IdRangeError(f"text {index}: ids must lie in 0..{rows - 1}, received {bad}")
        return self.answers_to(ids)

    def answers_to(self, encoded: Sequence[Sequence[int]]) -> list[Matrix]:
        """Return what `answers` does, without checking ids, which the attached tokenizer made."""
        found = [np.empty((len(encoded), columns), np.float32) for columns in self._columns]
        limit = self.attachment.max_length
        for index, ids in enumerate(encoded):
            cut = ids if len(ids) <= limit else ids[:limit]
            runner = self._own.of_length(self._length(len(cut)))
            runner.run(cut, self._pad_id, [output[index] for output in found])
        return found

    def _length(self, tokens: int) -> int:
        """Return the length to which a text is padded."""
        needed = tokens + self.attachment.margin
        return min(-(-needed // self._step) * self._step, self.attachment.max_length)


class _Interpreters(threading.local):
    """The interpreters of one thread, made when needed, and made again after a fork."""

    def __init__(self, path: Path) -> None:  # called once in every thread
        self.path = path
        self.process = os.getpid()
        self.made: dict[int, _Interpreter] = {}

    def of_length(self, length: int) -> "_Interpreter":
        """Return the interpreter for texts padded to a length."""
        if self.process != os.getpid():
            self.process, self.made = os.getpid(), {}
        if length not in self.made:
            self.made[length] = _Interpreter(self.path, length)
        return self.made[length]


def litert() -> Any:
    """Import LiteRT, and return the module of its interpreter.

    Raises
    ------
    MissingPackageError
        If ai-edge-litert is not installed.
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
        self.path = path
        try:
            self.interpreter = runtime.Interpreter(model_path=str(path), num_threads=1)
            self.input = self.interpreter.get_input_details()[0]["index"]
            # The names are numbered in the order of the heads; the file may list them in another.
            named = self.interpreter.get_signature_runner().get_output_details()
            outputs = [named[name] for name in sorted(named)]
            self.outputs = [details["index"] for details in outputs]
            self.columns = [int(details["shape"][-1]) for details in outputs]
            self.ids = np.zeros((1, length), np.int32)
            self.row = self.ids[0]
            self._allocate(length)
            # Tensors whose shapes are known only at run time are allocated by the first run, which
            # may move all memory. XNNPACK then reads the old addresses, and results are wrong from
            # the second run on (LiteRT 2.3, about 1 in 40 interpreters of a kit). So the model is
            # run once and its tensors are allocated again: the memory then suffices and stays.
            self.interpreter.set_tensor(self.input, self.ids)
            self.interpreter.invoke()
            self.interpreter.resize_tensor_input(self.input, (1, length + 1))
            self._allocate(length)
        except (ValueError, RuntimeError) as error:
            raise _cannot_run(path, error) from error

    def _allocate(self, length: int) -> None:
        self.interpreter.resize_tensor_input(self.input, (1, length))
        self.interpreter.allocate_tensors()

    def run(self, ids: Sequence[int], pad_id: int, answers: Sequence[Matrix]) -> None:
        """Write one text's probabilities, (classes,) for each output, into `answers`."""
        count = len(ids)
        self.row[:count] = ids
        self.row[count:] = pad_id
        interpreter = self.interpreter
        try:
            interpreter.set_tensor(self.input, self.ids)
            interpreter.invoke()
            for output, answer in zip(self.outputs, answers, strict=True):
                answer[:] = interpreter.get_tensor(output)[0]
        except (ValueError, RuntimeError) as error:
            raise _cannot_run(self.path, error) from error


def _cannot_run(path: Path, error: Exception) -> FileFormatError:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return FileFormatError(f"{path}: LiteRT cannot run this model ({why}): export it again")
