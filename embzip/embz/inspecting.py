"""Where the bytes of a .embz file are, read from its header alone."""

from pathlib import Path

from embzip.embz.container import read_header
from embzip.embz.format import role_of
from embzip.embz.packed import packing_of
from embzip.files import existing_file
from embzip.inspection import ArtefactRecord, StoredTensor, make_record

_OWN = ("codec", "rows", "dim", "tokenizer", "normalization", "heads")


def inspect_embz(path: str | Path) -> ArtefactRecord:
    """Return where the bytes of a .embz file are.

    Raises
    ------
    FileFormatError
        For a damaged file.
    """
    path = existing_file(path)
    with path.open("rb") as file:
        header = read_header(file, path)
    packed = packing_of(header)
    tensors = []
    for spec in header.specs.values():
        plain = packed[spec.name].spec if spec.name in packed else spec
        tensors.append(
            StoredTensor(
                spec.name,
                role_of(spec.name),
                plain.dtype,
                plain.shape,
                spec.nbytes,
                packed=spec.name in packed,
                unpacked=plain.nbytes,
            )
        )
    own = {key: header.record[key] for key in _OWN}
    return make_record(path, "embz", [path], tensors, own=own)


def counts_bytes(path: str | Path) -> int:
    """Return the bytes of a .embz file that are token counts, which predicting does not read."""
    return sum(each.nbytes for each in inspect_embz(path).tensors if each.name == "counts")
