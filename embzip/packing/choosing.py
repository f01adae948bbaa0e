"""Choosing how an array is packed, and packing it."""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.row_contexts import RowContexts
from embzip.files.reading import digest
from embzip.packing.blocks import Coder, Contexts, Learned
from embzip.packing.models import fit_models
from embzip.packing.record import (
    MOST_COUNTED,
    MOST_SYMBOLS,
    ROWS,
    Packed,
    rows_of,
    small_enough,
)
from embzip.packing.views import Pieces, Symbols, views_of

_SAMPLED = 48  # blocks by which the way of packing is chosen
_PER_BLOCK = 4  # bytes: a length, a checksum, and what rounding wastes
_RECORD = 400  # bytes of the header that a packed array takes


@dataclass(frozen=True)
class Classes:
    """The class of every row, by which the contexts of other arrays may differ."""

    name: str
    of_row: Symbols


def pack_array(
    array: NDArray[Any],
    *,
    axes: int = 1,
    classes: Classes | None = None,
    before: RowContexts | None = None,
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
    before
        How its bytes depend on others of the same row, where its quantizer says so.

    Examples
    --------
    >>> from embzip.packing.arrays import read_packed
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
    for packed in _candidates(spec, axes, plain, classes, before):
        source = _Source(plain, packed, classes)
        blocks = _sampled(packed)
        share = len(blocks) / packed.blocks
        histograms = source.count(blocks)
        models = fit_models(histograms, share=share)
        bits = models.cost(histograms) - models.parity_bits(histograms, packed.contexts.tail)
        bits = bits / share + 8 * len(models.to_bytes())
        total = bits / 8 + _PER_BLOCK * packed.blocks + packed.thresholds
        if found is None or total < found[0]:
            found = total, packed
    if found is None or found[0] > array.nbytes - _RECORD:
        return None
    packed = found[1]
    content = _packed_bytes(packed, _Source(plain, packed, classes))
    fits = len(content[1]) <= array.nbytes - _RECORD and small_enough(spec, len(content[1]))
    return content if fits else None


def _candidates(
    spec: ArraySpec,
    axes: int,
    plain: NDArray[Any],
    classes: Classes | None,
    before: RowContexts | None,
) -> Iterator[Packed]:
    itemsize = plain.dtype.itemsize
    kinds = 1 if classes is None else int(classes.of_row.max(initial=0)) + 1
    for view in views_of(spec.dtype, spec.shape):
        columns = view.columns(spec.shape[axes:], itemsize)
        if not columns:
            return
        if min(ROWS, rows_of(spec.shape, axes)) * columns > MOST_SYMBOLS:
            continue
        per_item = itemsize * 8 // view.bits if isinstance(view, Pieces) else 1
        for way in (None, before) if before is not None and view == Pieces(8) else (None,):
            for kind in {1, kinds}:
                contexts = Contexts(columns, columns, kind, way)
                if contexts.states and kind > 1:
                    continue
                if contexts.count * view.alphabet > MOST_COUNTED:
                    contexts = replace(contexts, period=per_item)
                named = classes.name if classes is not None and kind > 1 else None
                yield Packed(spec, axes, view, contexts, named)
    if len(spec.shape) == 1 and plain.dtype.kind in "iu" and itemsize > 1:
        contexts = Contexts(itemsize, itemsize)
        yield Packed(spec, axes, Pieces(8), contexts, differences=True)


def _sampled(packed: Packed) -> range:
    """Return the blocks by which ways of packing are compared."""
    return range(0, packed.blocks, -(-packed.blocks // _SAMPLED))


class _Source:
    """The symbols of an array, a block at a time."""

    def __init__(self, plain: NDArray[Any], packed: Packed, classes: Classes | None) -> None:
        if packed.differences:
            plain = np.diff(plain, prepend=plain.dtype.type(0))
        self._rows = plain.reshape(packed.rows, *packed.entry)
        self._packed = packed
        self._kinds = None if packed.classes is None or classes is None else classes.of_row
        self.learned: Learned | None = None
        if packed.contexts.before is not None:
            sampled = np.concatenate([self.block(index)[0] for index in _sampled(packed)])
            self.learned = packed.contexts.before.learned(sampled)

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
            coded, earlier, states = contexts.seen(symbols, self.learned)
            places = contexts.of(len(symbols), kinds, earlier) * alphabet + coded
            counts += np.bincount(places.ravel(), minlength=len(counts))
            if states is not None:
                counts[-alphabet:] += np.bincount(states, minlength=alphabet)
        return counts.reshape(contexts.count, alphabet)


def _packed_bytes(packed: Packed, source: _Source) -> tuple[Packed, NDArray[np.uint8]]:
    models = fit_models(source.count(range(packed.blocks)))
    coder = Coder(packed.contexts, models, source.learned)
    blocks = [coder.encode(*source.block(index)) for index in range(packed.blocks)]
    lengths = np.array([len(block) for block in blocks], np.int64)
    least = int(lengths.min())
    spread = int(lengths.max()) - least
    width = 1 if spread < 2**8 else 2 if spread < 2**16 else 4
    checks = np.array([binascii.crc_hqx(block, 0) for block in blocks], "<u2")
    written = models.to_bytes()
    given = b"" if source.learned is None else source.learned.astype("<u2").tobytes()
    head = written + given + (lengths - least).astype(f"<u{width}").tobytes() + checks.tobytes()
    made = replace(
        packed,
        tables=len(models.tables),
        models=len(written),
        width=width,
        least=least,
        digest=digest(head),
    )
    return made, np.frombuffer(head + b"".join(blocks), np.uint8)
