"""Reads checkpoint files (.index and .data-*) as tensors, each checked against its CRC.

The roles of tensors are decided elsewhere; `object_graphs` reads the objects of a TF2 checkpoint.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorflow.core.protobuf import trackable_object_graph_pb2
from tensorflow.python.eager.context import eager_mode

from embzip.errors import InputError, MissingFileError
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SHARD = re.compile(r"\.data-(\d{5})-of-(\d{5})$")
_DAMAGED = (*LIBRARY_ERRORS, MemoryError)


@dataclass(frozen=True)
class Entry:
    """One tensor of a bundle."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


class Bundle:
    """The tensors of one checkpoint prefix.

    Raises
    ------
    MissingFileError
        If the .index file or a .data file is missing.
    InputError
        If a file is damaged, or shorter than the index declares.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        index = Path(f"{prefix}.index")
        if not index.is_file():
            raise MissingFileError(f"{index}: a checkpoint needs its index, and it does not exist")
        shards = [
            path
            for path in sorted(prefix.parent.iterdir())
            if path.name.startswith(f"{prefix.name}.data-") and _SHARD.search(path.name)
        ]
        count = {_SHARD.search(path.name).group(2) for path in shards}  # type: ignore[union-attr]
        if not shards or len(count) != 1 or len(shards) != int(count.pop()):
            raise MissingFileError(
                f"{prefix}: expected every {prefix.name}.data-NNNNN-of-NNNNN file beside the "
                f"index, found {[path.name for path in shards] or 'none'}"
            )
        self.files = [*shards, index]
        try:
            # `load_checkpoint` would also accept a pattern; only an exact prefix is meant.
            self._reader = tf.train.load_checkpoint(str(prefix))
            shapes = self._reader.get_variable_to_shape_map()
            dtypes = self._reader.get_variable_to_dtype_map()
        except _DAMAGED as error:
            raise InputError(
                f"{index}: the checkpoint index cannot be read ({_first(error)}): it is damaged"
            ) from error
        held = sum(path.stat().st_size for path in shards)
        self._dtypes = {name: dtype.name for name, dtype in dtypes.items()}
        self._shapes = {name: tuple(map(int, shape)) for name, shape in shapes.items()}
        claimed = sum(
            math.prod(shape) * dtypes[name].size
            for name, shape in self._shapes.items()
            if self._dtypes[name] != "string"
        )
        if claimed > held:
            raise InputError(
                f"{prefix}: the index declares {claimed:,} bytes of tensors, but the .data files "
                f"have {held:,}: a file is cut short, or belongs to another checkpoint"
            )
        if any(
            self._dtypes[name] == "string" and math.prod(shape) > held
            for name, shape in self._shapes.items()
        ):
            raise InputError(
                f"{prefix}: the index declares a string tensor longer than the .data files: it is "
                "damaged"
            )

    def __contains__(self, name: str) -> bool:
        return name in self._shapes

    def names(self) -> list[str]:
        """Return the keys, sorted."""
        return sorted(self._shapes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one tensor."""
        if name not in self:
            raise InputError(
                f"{self.prefix}: the graph reads the tensor {name!r}, which is not in the "
                "checkpoint: the two do not belong together"
            )
        return self._shapes[name]

    def nbytes(self, name: str) -> int:
        """Return the size of one tensor in bytes, according to the index; 0 for strings."""
        size = 0 if self._dtypes[name] == "string" else tf.dtypes.as_dtype(self._dtypes[name]).size
        return int(size) * math.prod(self._shapes[name])

    def read(self, name: str) -> Any:
        """Return one tensor as an array, or the bytes of a string; checked as in `tensor`."""
        if self._dtypes[name] != "string":
            return np.asarray(self.tensor(name))
        try:
            return self._reader.get_tensor(name)
        except _DAMAGED as error:
            raise self._unreadable(name, error) from error

    def tensor(self, name: str, slice: str = "") -> Any:
        """Return one tensor or a slice of it, checked against its checksum, as TensorFlow reads it.

        Converting an array back to a tensor would need three copies in memory for a moment.
        """
        try:
            with eager_mode():  # a script for TF1 may have turned it off
                (tensor,) = tf.raw_ops.RestoreV2(
                    prefix=str(self.prefix),
                    tensor_names=[name],
                    shape_and_slices=[slice],
                    dtypes=[tf.dtypes.as_dtype(self._dtypes[name])],
                )
            return tensor
        except _DAMAGED as error:
            raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: BaseException) -> InputError:
        return InputError(
            f"{self.prefix}: the tensor {name!r} cannot be read ({_first(error)}): a .data file "
            "is damaged or cut short"
        )

    def entries(self) -> Iterator[Entry]:
        """Yield every tensor, after reading it to check it."""
        for name in self.names():
            value = self.read(name)
            text = self._dtypes[name] == "string"
            size = _text_bytes(value) if text else int(np.asarray(value).nbytes)
            del value  # before the next is read
            yield Entry(name, self._dtypes[name], self._shapes[name], size)

    def object_graph(self) -> Any:
        """Return the `TrackableObjectGraph` of a TF2 checkpoint; None for TF1."""
        if OBJECT_GRAPH not in self:
            return None
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        try:
            graph.ParseFromString(self.read(OBJECT_GRAPH))
        except DecodeError as error:
            raise InputError(
                f"{self.prefix}: its object graph is damaged ({_first(error)})"
            ) from error
        return graph


def _text_bytes(value: Any) -> int:
    # Stored as the varint length of each element, a checksum of the lengths, then the bytes.
    texts = [value] if isinstance(value, bytes) else np.asarray(value).ravel().tolist()
    return 4 + sum(len(text) + max(1, -(-len(text).bit_length() // 7)) for text in texts)


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]
