"""How the packed tensors of a file are packed, in which its codec has a say."""

from embzip.codecs.base import RowContexts
from embzip.codecs.chain import Codec
from embzip.codecs.registry import parse_codec
from embzip.embz.container import Header, text_of, whole_number
from embzip.packing.record import Packed, packed_arrays


def told_by(codec: Codec, rows: int, dim: int) -> dict[str, RowContexts]:
    """Return what a codec tells entropy coding of its codes, by the names of tensors."""
    return {f"codes.{name}": told for name, told in codec.contexts(rows, dim).items()}


def packing_of(header: Header) -> dict[str, Packed]:
    """Return how each packed tensor of a file is packed.

    Raises
    ------
    FileFormatError
        For entries that do not fit the file.
    """
    record = header.record
    if "packed" not in record:
        return {}
    codec = parse_codec(text_of(record, "codec"))
    told = told_by(codec, whole_number(record, "rows"), whole_number(record, "dim"))
    return packed_arrays(record, header.specs, told)
