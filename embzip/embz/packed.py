"""What a header says of the table and of how tensors are packed, in which the codec has a say."""

from collections.abc import Iterable

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.chain import Codec
from embzip.codecs.registry import parse_codec
from embzip.codecs.row_contexts import RowContexts
from embzip.embz.container import Header
from embzip.files.limits import MOST
from embzip.files.records import Fields
from embzip.packing.record import Packed, packed_arrays


def told_by(codec: Codec, rows: int, dim: int) -> dict[str, RowContexts]:
    """Return what a codec tells entropy coding of its codes, by the names of tensors."""
    return {f"codes.{name}": told for name, told in codec.contexts(rows, dim).items()}


def shape_of(record: Fields) -> tuple[int, int]:
    """Return (rows, dim) of the table, as the header says."""
    rows, dim = (record.whole(key, least=1, most=MOST[key]) for key in ("rows", "dim"))
    return rows, dim


def packing_of(header: Header, small: Iterable[ArraySpec]) -> dict[str, Packed]:
    """Return how each packed tensor of a file is packed.

    `small` are those that stand in one tensor, of which classes of rows may be one.

    Raises
    ------
    FileFormatError
        For entries that do not fit the file.
    """
    record = header.record
    if "packed" not in record:
        return {}
    codec = parse_codec(record.take("codec", str))
    told = told_by(codec, *shape_of(record))
    sizes = {**header.specs, **{spec.name: spec for spec in small}}
    return packed_arrays(record.take("packed", dict), sizes, told)
