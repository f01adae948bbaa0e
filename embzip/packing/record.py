"""What the header says of a packed array: how to read it, checked before anything is allocated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.base import RowContexts
from embzip.errors import FileFormatError
from embzip.packing.blocks import Contexts
from embzip.packing.models import MOST_TABLES
from embzip.packing.views import VIEWS, Pieces, View, fits

ROWS = 256  # of a block
MOST_CLASSES = 16
MOST_COUNTED = 2**22  # contexts times symbols of an alphabet
MOST_SYMBOLS = 2**23  # of a block: decoding one takes some ten bytes a symbol
_EXPANSION = 4096  # bytes in memory for one on the disk, at most
_DTYPES = {
    "float64", "float32", "float16", "int64", "int32", "int16", "int8",
    "uint64", "uint32", "uint16", "uint8",
}  # fmt: skip


@dataclass(frozen=True)
class Packed:
    """One packed array.

    Its bytes are: the frequency tables, compressed; what was learned of rows where contexts depend
    on symbols before, in 2 bytes a number; the length of every block above the least, in 1, 2 or 4
    bytes; a CRC-16 of every block; the blocks.

    Attributes
    ----------
    spec
        The array in memory.
    axes
        Leading axes that count as rows.
    view, contexts
        How it is seen, and how its symbols depend on others.
    classes
        The array that holds the classes of rows.
    differences
        Whether each number stands as its difference to the one before.
    tables
        Frequency tables.
    models
        Bytes of the frequency tables.
    width, least
        Bytes of a block's length, and what is added to it.
    digest
        Of all that stands before the blocks.
    """

    spec: ArraySpec
    axes: int
    view: View
    contexts: Contexts
    classes: str | None = None
    differences: bool = False
    tables: int = 1
    models: int = 0
    width: int = 1
    least: int = 0
    digest: str = ""

    @property
    def rows(self) -> int:
        """Rows of the array, as blocks count them."""
        return rows_of(self.spec.shape, self.axes)

    @property
    def entry(self) -> tuple[int, ...]:
        """The shape of a row."""
        return self.spec.shape[self.axes :]

    @property
    def blocks(self) -> int:
        """Blocks of rows."""
        return -(-self.rows // ROWS)

    @property
    def head(self) -> int:
        """Bytes before the blocks."""
        return self.models + self.thresholds + self.blocks * (self.width + 2)

    @property
    def thresholds(self) -> int:
        """Bytes of what was learned of rows whose symbols depend on those before."""
        before = self.contexts.before
        return 0 if before is None else 2 * self.contexts.columns * before.thresholds

    def to_json(self) -> dict[str, Any]:
        """Return what stands in the header."""
        record = {
            "dtype": self.spec.dtype,
            "shape": list(self.spec.shape),
            "axes": self.axes,
            "view": self.view.name,
            "period": self.contexts.period,
            "classes": [self.classes, self.contexts.classes],
            "differences": self.differences,
            "tables": self.tables,
            "models": self.models,
            "lengths": [self.width, self.least],
            "digest": self.digest,
        }
        return record if self.contexts.before is None else record | {"dependent": True}

    @classmethod
    def from_json(
        cls, name: str, record: object, stored: int, before: RowContexts | None = None
    ) -> "Packed":
        """Read an entry of the header for an array that takes `stored` bytes.

        `before` is what its quantizer says of bytes that depend on others of a row.

        Raises
        ------
        FileFormatError
            For one that `to_json` does not write, or that does not suit so many bytes.
        """
        try:
            made = cls._parsed(name, record, before)
            valid = made.head <= stored and made.spec.nbytes <= _EXPANSION * stored
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError):
            valid = False
        if not valid:
            raise FileFormatError(
                f"tensor {name!r}: its packing does not suit its {stored} bytes: "
                f"{str(record)[:200]}"
            )
        return made

    @classmethod
    def _parsed(cls, name: str, record: Any, before: RowContexts | None) -> "Packed":
        shape = tuple(_whole(length, 2**48) for length in record["shape"])
        if record["dtype"] not in _DTYPES or not 1 <= len(shape) <= 8:
            raise ValueError("not an array")
        spec = ArraySpec(name, record["dtype"], shape)
        axes = _whole(record["axes"], len(shape), 1)
        view = VIEWS[record["view"]]
        if not fits(view, spec.dtype, shape):
            raise ValueError("not a view of such an array")
        columns = view.columns(shape[axes:], np.dtype(spec.dtype).itemsize)
        if min(ROWS, rows_of(shape, axes)) * columns > MOST_SYMBOLS:
            raise ValueError("too many symbols in a block")
        classes, kinds = record["classes"]
        if (classes is None) != (kinds == 1) or not isinstance(classes, str | None):
            raise ValueError("classes without a name, or a name without classes")
        if "dependent" not in record:
            before = None
        elif record["dependent"] is not True or before is None or spec.dtype != "uint8":
            raise ValueError("no codes that depend on those before")
        if before is not None and (len(shape) != 2 or view != Pieces(8)):
            raise ValueError("no bytes that depend on those before")
        period = _whole(record["period"], min(columns, MOST_COUNTED), 1)
        contexts = Contexts(columns, period, _whole(kinds, MOST_CLASSES, 1), before)
        if contexts.states and kinds != 1:
            raise ValueError("rows with states have no classes")
        if contexts.count * view.alphabet > MOST_COUNTED:
            raise ValueError("too many contexts")
        width, least = record["lengths"]
        if width not in (1, 2, 4) or not isinstance(record["differences"], bool):
            raise ValueError("lengths in a width that is not written")
        if record["differences"] and (len(shape) != 1 or spec.dtype[0] not in "iu"):
            raise ValueError("differences of what is not a row of whole numbers")
        return cls(
            spec,
            axes,
            view,
            contexts,
            classes,
            record["differences"],
            _whole(record["tables"], MOST_TABLES, 1),
            _whole(record["models"], 2**48),
            _whole(width, 4, 1),
            _whole(least, 2**32),
            str(record["digest"]),
        )


def rows_of(shape: tuple[int, ...], axes: int) -> int:
    """Return the rows that some leading axes make."""
    rows = 1
    for length in shape[:axes]:
        rows *= length
    return rows


def small_enough(spec: ArraySpec, stored: int) -> bool:
    """Say whether a packed array may be that much smaller: readers refuse more."""
    return spec.nbytes <= _EXPANSION * stored


def packed_arrays(
    record: Mapping[str, Any],
    sizes: Mapping[str, ArraySpec],
    before: Mapping[str, RowContexts],
) -> dict[str, Packed]:
    """Return the packed arrays of a file: its header's record, and what stands in it.

    `before` is what the quantizer says of its codes, by the names of tensors.

    Raises
    ------
    FileFormatError
        For entries that do not fit the file.
    """
    entries = record.get("packed", {})
    if not isinstance(entries, dict) or not entries.keys() <= sizes.keys():
        raise FileFormatError(
            "the header says of tensors that are not there how they are packed: "
            f"{str(entries)[:200]}"
        )
    found = {}
    for name, entry in entries.items():
        if sizes[name].dtype != "uint8" or len(sizes[name].shape) != 1:
            raise FileFormatError(
                f"tensor {name!r} is packed, so it must be one row of bytes, found "
                f"{sizes[name].dtype} {sizes[name].shape}"
            )
        found[name] = Packed.from_json(name, entry, sizes[name].nbytes, before.get(name))
    for name, packed in found.items():
        if packed.classes is None:
            continue
        kinds = found.get(packed.classes)
        spec = sizes.get(packed.classes) if kinds is None else kinds.spec
        if (
            spec is None
            or (spec.dtype, spec.shape) != ("uint8", (packed.rows,))
            or (kinds is not None and (kinds.classes is not None or kinds.differences))
        ):
            raise FileFormatError(
                f"tensor {name!r} needs the classes of its rows, and {packed.classes!r} does not "
                "hold them"
            )
    return found


def _whole(value: object, most: int, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"expected a whole number in {least}..{most}")
    return value
