"""Packing an array, and a packed array that decodes the blocks it is asked for."""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.errors import FileFormatError
from embzip.files import digest
from embzip.packing.blocks import Coder, Contexts, Trellis
from embzip.packing.models import Models, fit_models, read_models
from embzip.packing.record import (
    MOST_COUNTED,
    ROWS,
    Packed,
    small_enough,
)
from embzip.packing.views import Pieces, Symbols, views_of

_SAMPLED = 48  # blocks by which the way of packing is chosen
_PER_BLOCK = 4  # bytes: a length, a checksum, and what rounding wastes
_RECORD = 400  # bytes of the header that a packed array takes
_TRELLIS = Trellis(2, (1, 3))  # of eight states: Ungerboeck's code, h0 = 13, h1 = 04


@dataclass(frozen=True)
class Classes:
    """The class of every row, by which the contexts of other arrays may differ."""

    name: str
    of_row: Symbols


def pack_array(
    array: NDArray[Any], *, axes: int = 1, classes: Classes | None = None
) -> tuple[Packed, NDArray[np.uint8]] | None:
    """Return how an array is packed and its bytes, or None where that does not pay.

    Parameters
    ----------
    array
        Of any shape with at least one axis; whole numbers or floats.
    axes
        Leading axes that count as rows.
    classes
        Classes of the array's rows.

    Examples
    --------
    >>> array = np.arange(20_000, dtype=np.uint8).reshape(-1, 4) // 32
    >>> packed, content = pack_array(array)
    >>> len(content) < array.nbytes / 2
    True
    >>> bool((read_packed(content, packed)[:] == array).all())
    True
    """
    if array.ndim == 0 or array.nbytes <= _RECORD or array.dtype.kind not in "iuf":
        return None
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    spec = ArraySpec("", array.dtype.name, array.shape)
    found: tuple[float, Packed] | None = None
    for packed in _candidates(spec, axes, plain, classes):
        source = _Source(plain, packed, classes)
        blocks = range(packed.blocks)
        if packed.blocks > _SAMPLED:
            blocks = range(0, packed.blocks, -(-packed.blocks // _SAMPLED))
        share = len(blocks) / packed.blocks
        histograms = source.count(blocks)
        models = fit_models(histograms, share=share)
        bits = models.cost(histograms) / share + 8 * len(models.to_bytes())
        total = bits / 8 + _PER_BLOCK * packed.blocks
        if found is None or total < found[0]:
            found = total, packed
    if found is None or found[0] > array.nbytes - _RECORD:
        return None
    packed = found[1]
    content = _packed_bytes(packed, _Source(plain, packed, classes))
    fits = len(content[1]) <= array.nbytes - _RECORD and small_enough(spec, len(content[1]))
    return content if fits else None


def _candidates(
    spec: ArraySpec, axes: int, plain: NDArray[Any], classes: Classes | None
) -> Iterator[Packed]:
    itemsize = plain.dtype.itemsize
    kinds = 1 if classes is None else int(classes.of_row.max(initial=0)) + 1
    for view in views_of(spec.dtype, spec.shape):
        columns = view.columns(spec.shape[axes:], itemsize)
        if not columns:
            return
        per_item = itemsize * 8 // view.bits if isinstance(view, Pieces) else 1
        trellises: list[Trellis | None] = [None]
        if view == Pieces(8) and itemsize == 1 and columns > 1 and len(spec.shape) == 2:
            trellises = [None, _TRELLIS]
        for trellis in trellises:
            for kind in {1, kinds}:
                contexts = Contexts(columns, columns, kind, trellis)
                if contexts.count * view.alphabet > MOST_COUNTED:
                    contexts = replace(contexts, period=per_item)
                named = classes.name if classes is not None and kind > 1 else None
                made = Packed(spec, axes, view, contexts, named)
                yield made
    if len(spec.shape) == 1 and plain.dtype.kind in "iu" and itemsize > 1:
        contexts = Contexts(itemsize, itemsize)
        yield Packed(spec, axes, Pieces(8), contexts, differences=True)


class _Source:
    """The symbols of an array, a block at a time."""

    def __init__(self, plain: NDArray[Any], packed: Packed, classes: Classes | None) -> None:
        if packed.differences:
            plain = np.diff(plain, prepend=plain.dtype.type(0))
        self._rows = plain.reshape(packed.rows, *packed.entry)
        self._packed = packed
        self._kinds = None if packed.classes is None or classes is None else classes.of_row

    def block(self, index: int) -> tuple[Symbols, Symbols | None]:
        part = slice(index * ROWS, (index + 1) * ROWS)
        kinds = None if self._kinds is None else self._kinds[part]
        return self._packed.view.symbols(self._rows[part]), kinds

    def count(self, blocks: range) -> NDArray[np.int64]:
        """Return (contexts, alphabet): how often each symbol occurs."""
        contexts, alphabet = self._packed.contexts, self._packed.view.alphabet
        counts = np.zeros(contexts.count * alphabet, np.int64)
        for index in blocks:
            symbols, kinds = self.block(index)
            bits = None
            if contexts.trellis is not None:
                symbols, bits = contexts.trellis.unflipped(symbols)
            places = contexts.of(len(symbols), kinds, bits) * alphabet + symbols
            counts += np.bincount(places.ravel(), minlength=len(counts))
        return counts.reshape(contexts.count, alphabet)


def _packed_bytes(packed: Packed, source: _Source) -> tuple[Packed, NDArray[np.uint8]]:
    models = fit_models(source.count(range(packed.blocks)))
    coder = Coder(packed.contexts, models)
    blocks = [coder.encode(*source.block(index)) for index in range(packed.blocks)]
    lengths = np.array([len(block) for block in blocks], np.int64)
    least = int(lengths.min())
    spread = int(lengths.max()) - least
    width = 1 if spread < 2**8 else 2 if spread < 2**16 else 4
    checks = np.array([binascii.crc_hqx(block, 0) for block in blocks], "<u2")
    written = models.to_bytes()
    head = written + (lengths - least).astype(f"<u{width}").tobytes() + checks.tobytes()
    made = replace(
        packed,
        tables=len(models.tables),
        models=len(written),
        width=width,
        least=least,
        digest=digest(head),
    )
    return made, np.frombuffer(head + b"".join(blocks), np.uint8)


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
    ) -> None:
        self.packed = packed
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
    def stored_nbytes(self) -> int:
        """Bytes in the file."""
        return int(self._content.nbytes)

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
                raise FileFormatError("it does not match its checksum: it was changed")
            symbols = self._coder.decode(content, rows, self._block_kinds(index))
        except FileFormatError as error:
            raise FileFormatError(
                f"tensor {packed.spec.name!r}, block {index} of {packed.blocks}: {error}"
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
            raise FileFormatError(f"a row is of class {kinds.max()}, which has no tables")
        return kinds


def read_packed(
    content: NDArray[np.uint8],
    packed: Packed,
    kinds: PackedArray | NDArray[Any] | None = None,
) -> PackedArray:
    """Return a packed array; its tables and lengths are checked, its blocks when decoded.

    Parameters
    ----------
    content
        Its bytes, in memory or mapped.
    kinds
        The classes of rows, where it depends on them.

    Raises
    ------
    FileFormatError
        For tables or lengths that were changed or do not fit the bytes.
    """
    name = packed.spec.name
    head = content[: packed.head].tobytes()
    if digest(head) != packed.digest:
        raise FileFormatError(f"tensor {name!r}: the tables of its packing were changed")
    try:
        models: Models = read_models(
            head[: packed.models], packed.contexts.count, packed.tables, packed.view.alphabet
        )
    except FileFormatError as error:
        raise FileFormatError(f"tensor {name!r}: {error}") from error
    at = packed.models + packed.blocks * packed.width
    lengths = np.frombuffer(head[packed.models : at], f"<u{packed.width}").astype(np.int64)
    starts = packed.head + np.concatenate([[0], np.cumsum(lengths + packed.least)])
    if int(starts[-1]) != len(content):
        raise FileFormatError(
            f"tensor {name!r}: its blocks end at byte {starts[-1]}, the tensor at {len(content)}"
        )
    coder = Coder(packed.contexts, models)
    checks = np.frombuffer(head[at:], "<u2")
    return PackedArray(packed, coder, starts, checks, content, kinds)
