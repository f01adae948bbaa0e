"""What the header says of a packed array: how to read it, checked before anything is allocated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.row_contexts import RowContexts
from embzip.errors import FileFormatError
from embzip.files.records import Fields, shown
from embzip.packing.blocks import Contexts
from embzip.packing.models import MOST_TABLES
from embzip.packing.views import VIEWS, Pieces, View, fits

ROWS = 256  # of a block
MOST_CLASSES = 16
MOST_COUNTED = 2**22  # contexts times symbols of an alphabet
MOST_SYMBOLS = 2**23  # of a block: decoding one takes some ten bytes a symbol
_EXPANSION = 1024  # bytes in memory for one on the disk, at most
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
        fields = Fields.of(record, f"tensor {name!r}, its packing")
        made = cls._parsed(name, fields, before)
        if made.head > stored or not small_enough(made.spec, stored):
            raise FileFormatError(
                f"tensor {name!r}: its packing does not suit its {stored} bytes: {shown(record)}"
            )
        return made

    @classmethod
    def _parsed(cls, name: str, record: Fields, before: RowContexts | None) -> "Packed":
        def need(right: bool, rule: str) -> None:
            if not right:
                raise FileFormatError(f"{record.where}: {rule}, found {shown(record.values)}")

        shape = tuple(record.wholes("shape"))
        need(1 <= len(shape) <= 8, "an array has 1 to 8 axes")
        spec = ArraySpec(name, record.choice("dtype", sorted(_DTYPES)), shape)
        axes = record.whole("axes", least=1, most=len(shape))
        view = VIEWS[record.choice("view", VIEWS)]
        need(fits(view, spec.dtype, shape), "the view must fit the array")
        columns = view.columns(shape[axes:], np.dtype(spec.dtype).itemsize)
        symbols = min(ROWS, rows_of(shape, axes)) * columns
        need(symbols <= MOST_SYMBOLS, f"a block has at most {MOST_SYMBOLS} symbols")
        listed = record.take("classes", list)
        need(len(listed) == 2, "classes must be a name and a number")
        classes, kinds = listed[0], _kinds(record, listed[1])
        named = isinstance(classes, str) if kinds > 1 else classes is None
        need(named, "classes must be a name and a number above 1, or null and 1")
        if not record.take("dependent", bool, False):
            before = None
        else:
            whole = spec.dtype == "uint8" and len(shape) == 2 and view == Pieces(8)
            need(before is not None and whole, "these codes do not depend on those before")
        period = record.whole("period", least=1, most=min(columns, MOST_COUNTED))
        contexts = Contexts(columns, period, kinds, before)
        need(not contexts.states or kinds == 1, "rows with states have no classes")
        need(contexts.count * view.alphabet <= MOST_COUNTED, "there are too many contexts")
        lengths = record.wholes("lengths", most=2**32)
        need(len(lengths) == 2 and lengths[0] in (1, 2, 4), "a length takes 1, 2 or 4 bytes")
        differences = record.take("differences", bool)
        whole = len(shape) == 1 and spec.dtype[0] in "iu"
        need(whole or not differences, "only a row of whole numbers has differences")
        return cls(
            spec,
            axes,
            view,
            contexts,
            classes,
            differences,
            record.whole("tables", least=1, most=MOST_TABLES),
            record.whole("models"),
            lengths[0],
            lengths[1],
            record.take("digest", str),
        )


def _kinds(record: Fields, number: object) -> int:
    key = "classes[1]"
    return Fields({key: number}, record.where).whole(key, least=1, most=MOST_CLASSES)


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
    entries: Mapping[str, Any],
    sizes: Mapping[str, ArraySpec],
    before: Mapping[str, RowContexts],
) -> dict[str, Packed]:
    """Return the packed arrays of a file: what its header says of them, and what stands in it.

    `before` is what the quantizer says of its codes, by the names of tensors.

    Raises
    ------
    FileFormatError
        For entries that do not fit the file.
    """
    if not entries.keys() <= sizes.keys():
        raise FileFormatError(
            f"the header says how tensors are packed that are not there: {shown(entries)}"
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
