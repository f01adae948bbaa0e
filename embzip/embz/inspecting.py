"""Where the bytes of a .embz file are, read from its header alone."""

import os
from pathlib import Path
from typing import Any

from embzip.embz.container import read_header
from embzip.embz.format import VERSION, role_of
from embzip.files import existing_file
from embzip.packing.record import packed_arrays

_NODES = ("total", "const", "variable", "identity", "quantization", "unused")


def as_artefact(record: dict[str, Any]) -> dict[str, Any]:
    """Return what `inspect` gave, with the parts that files of TensorFlow have too.

    The classifier's arrays are `other_weights`. A .embz file has no optimizer state, no graph and
    so no nodes, and is slim as it is.

    Examples
    --------
    >>> parts = {"vocabulary": 1, "embedding": 2, "classifier": 3, "header": 4, "total": 10}
    >>> as_artefact({"bytes": parts, "tensors": []})["bytes"]["other_weights"]
    3
    """
    held = record["bytes"]
    parts = {
        "embedding": held["embedding"],
        "other_weights": held["classifier"],
        "optimizer": 0,
        "graph_constants": 0,
        "vocabulary": held["vocabulary"],
        "header": held["header"],
        "total": held["total"],
    }
    role = {"classifier": "other_weights"}
    return {
        **record,
        "format": "embz",
        "bytes": parts,
        "nodes": dict.fromkeys(_NODES, 0),
        "tensors": [{**t, "role": role.get(t["role"], t["role"])} for t in record["tensors"]],
        "slim_bytes": held["total"] - held["header"],
    }


def inspect(path: str | Path) -> dict[str, Any]:
    """Say where the bytes of a .embz file are.

    Returns
    -------
    codec, rows, dim, bytes (vocabulary, embedding, classifier, header, total; the parts add up to
    the size of the file), tensors (name, role, dtype, shape, bytes in the file and share of the
    total, whether packed, and bytes when not packed), tokenizer, normalization and heads.

    Raises
    ------
    FileFormatError
        For a damaged file.
    """
    path = existing_file(path)
    with path.open("rb") as file:
        header = read_header(file, path, VERSION)
        total = os.fstat(file.fileno()).st_size
    record = header.record
    packed = packed_arrays(record, header.specs)
    parts = {"vocabulary": 0, "embedding": 0, "classifier": 0, "header": header.nbytes}
    tensors = []
    for spec in header.specs.values():
        role = role_of(spec.name)
        parts[role] += spec.nbytes
        plain = packed[spec.name].spec if spec.name in packed else spec
        tensors.append(
            {
                "name": spec.name,
                "role": role,
                "dtype": plain.dtype,
                "shape": list(plain.shape),
                "bytes": spec.nbytes,
                "share": spec.nbytes / total,
                "packed": spec.name in packed,
                "unpacked_bytes": plain.nbytes,
            }
        )
    return {
        "codec": record["codec"],
        "rows": record["rows"],
        "dim": record["dim"],
        "tokenizer": record["tokenizer"],
        "normalization": record["normalization"],
        "heads": record["heads"],
        "bytes": {**parts, "total": total},
        "tensors": tensors,
    }


def counts_bytes(path: str | Path) -> int:
    """Return the bytes of a .embz file that are token counts, which predicting does not read."""
    return sum(tensor["bytes"] for tensor in inspect(path)["tensors"] if tensor["name"] == "counts")
