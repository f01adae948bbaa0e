"""A packed array: decodes the blocks it is asked for."""

import binascii
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from embzip.errors import FileFormatError
from embzip.files.reading import digest
from embzip.packing.blocks import Coder
from embzip.packing.models import Models, read_models
from embzip.packing.record import ROWS, Packed
from embzip.packing.views import Symbols


class PackedArray:
    """An array whose blocks of 256 rows are decoded when they are asked for.

    NumPy takes it for an array (`np.asarray`, which decodes all); `take` and `[ids]` decode the
    blocks that hold those rows, each time anew.

    Attributes
    ----------
    packed
        How it is packed.
    blocks_decoded
        How many blocks were decoded up to now.
    """

    def __init__(
        self,
        packed: Packed,
        coder: Coder,
        starts: NDArray[np.int64],
        checks: NDArray[Any],
        content: NDArray[np.uint8],
        kinds: "PackedArray | NDArray[Any] | None",
        where: str,
    ) -> None:
        self.packed = packed
        self._where = where
        self.blocks_decoded = 0
        self._coder = coder
        self._starts = starts
        self._checks = checks
        self._content = content
        self._kinds = kinds

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in memory."""
        return self.packed.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in memory."""
        return np.dtype(self.packed.spec.dtype)

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, once decoded."""
        return self.packed.spec.nbytes

    @property
    def content(self) -> NDArray[np.uint8]:
        """The bytes in the file."""
        return self._content

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        packed = self.packed
        rows = np.empty((packed.rows, *packed.entry), self.dtype)
        for index in range(packed.blocks):
            rows[index * ROWS : (index + 1) * ROWS] = self.block(index)
        if packed.differences:
            rows = np.cumsum(rows, dtype=rows.dtype)
        return rows.reshape(self.shape).astype(self.dtype if dtype is None else dtype, copy=False)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, np.ndarray) and key.dtype.kind in "iu":
            return self.take(key)
        return np.asarray(self)[key]

    def reshape(self, *shape: Any) -> NDArray[Any]:
        """Return all of it, decoded, in another shape."""
        return np.asarray(self).reshape(*shape)

    def take(self, ids: ArrayLike, axis: int = 0) -> NDArray[Any]:
        """Return rows; only their blocks are decoded.

        Raises
        ------
        FileFormatError
            For a block that was damaged.
        """
        places = np.asarray(ids)
        if axis or self.packed.axes != 1 or self.packed.differences:
            return np.asarray(self).take(places, axis=axis)
        flat = places.reshape(-1)
        rows = np.empty((len(flat), *self.packed.entry), self.dtype)
        wanted = flat // ROWS
        order = np.argsort(wanted, kind="stable")
        blocks, starts = np.unique(wanted[order], return_index=True)
        for index, members in zip(blocks.tolist(), np.split(order, starts[1:]), strict=True):
            rows[members] = self.block(index)[flat[members] - index * ROWS]
        return rows.reshape(*places.shape, *self.packed.entry)

    def block(self, index: int) -> NDArray[Any]:
        """Return the rows of one block.

        Raises
        ------
        FileFormatError
            Where it was damaged.
        """
        packed = self.packed
        first, last = self._starts[index], self._starts[index + 1]
        content = self._content[first:last].tobytes()
        rows = min(ROWS, packed.rows - index * ROWS)
        try:
            if binascii.crc_hqx(content, 0) != int(self._checks[index]):
                raise FileFormatError("it does not match its checksum: the file was changed")
            symbols = self._coder.decode(content, rows, self._block_kinds(index))
        except FileFormatError as error:
            raise FileFormatError(
                f"{self._where}, block {index} of {packed.blocks}: {error}"
            ) from error
        self.blocks_decoded += 1
        return packed.view.entries(symbols, packed.entry, packed.spec.dtype)

    def _block_kinds(self, index: int) -> Symbols | None:
        if self._kinds is None:
            return None
        if isinstance(self._kinds, PackedArray):
            kinds = self._kinds.block(index)
        else:
            kinds = np.asarray(self._kinds[index * ROWS : (index + 1) * ROWS])
        if int(kinds.max(initial=0)) >= self.packed.contexts.classes:
            raise FileFormatError(
                f"a row is of class {kinds.max()}, and there are {self.packed.contexts.classes} "
                "classes"
            )
        return kinds


def read_packed(
    content: NDArray[np.uint8],
    packed: Packed,
    kinds: PackedArray | NDArray[Any] | None = None,
    *,
    file: str = "",
) -> PackedArray:
    """Return a packed array; its tables and lengths are checked, its blocks when decoded.

    Parameters
    ----------
    content
        Its bytes, in memory or mapped.
    kinds
        The classes of rows, where it depends on them.
    file
        Where it stands, for errors.

    Raises
    ------
    FileFormatError
        For tables or lengths that were changed or do not fit the bytes.
    """
    where = f"{file}: " if file else ""
    where += f"tensor {packed.spec.name!r}"
    head = content[: packed.head].tobytes()
    if digest(head) != packed.digest:
        raise FileFormatError(
            f"{where}: its frequency tables and lengths do not match their digest: it was changed"
        )
    try:
        models: Models = read_models(
            head[: packed.models], packed.contexts.count, packed.tables, packed.view.alphabet
        )
    except FileFormatError as error:
        raise FileFormatError(f"{where}: {error}") from error
    begin = packed.models + packed.thresholds
    learned = None
    if packed.contexts.before is not None:
        found = np.frombuffer(head[packed.models : begin], "<u2").astype(np.uint16)
        learned = found.reshape(packed.contexts.columns, packed.contexts.before.thresholds)
    at = begin + packed.blocks * packed.width
    lengths = np.frombuffer(head[begin:at], f"<u{packed.width}").astype(np.int64)
    starts = packed.head + np.concatenate([[0], np.cumsum(lengths + packed.least)])
    if int(starts[-1]) != len(content):
        raise FileFormatError(
            f"{where}: its blocks end at byte {starts[-1]}, the tensor at {len(content)}"
        )
    coder = Coder(packed.contexts, models, learned)
    checks = np.frombuffer(head[at:], "<u2")
    return PackedArray(packed, coder, starts, checks, content, kinds, where)
