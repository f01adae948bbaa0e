"""A classifier as one ES module: `templates/classifier.mjs` with the model in it, in base64.

Arrays that LZMA makes smaller stand in one stream, the others behind it. Those are codes of rows
and kernels; entropy coding them, as a packed file does, would take more code than it saves.
"""

import base64
import json
import lzma
import re
import zlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import UnsupportedModelError
from embzip.portable.heads import Layer
from embzip.portable.model import PortableModel
from embzip.portable.tables import Floats, LookedUp, Trelliscoded
from embzip.vocabulary import decompress, encode_tokens

_TYPES = {
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "int32": "i32",
    "float16": "f16",
    "float32": "f32",
}
_WORTH = 0.97  # of an array's bytes, where packing begins to pay
# What the template expands: literals by the byte before alone, nothing by the place in the stream.
_FILTER = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 3, "lp": 0, "pb": 0}
_LEAST_DICTIONARY = 4096  # bytes; one no larger than the content saves 600 MB of empty tables


def js_source(model: PortableModel, stem: str, what: str, about: Mapping[str, Any]) -> str:
    """Return a model as an ES module.

    Parameters
    ----------
    stem
        Of the file's name, for the example in its first lines.
    what
        A line that describes the model.
    about
        What the module exports as `about`.
    """
    content = _content(model, about)
    values = {
        "what": _plain(what),
        "stem": _plain(stem),
        "check": str(zlib.crc32(content)),
        "data": json.dumps(base64.b64encode(content).decode()),
    }
    template = (files("embzip.portable") / "templates" / "classifier.mjs").read_text("utf-8")
    template = _shortened(template, _parts(model))
    template = re.sub('/\\*@(check|data)@\\*/ (0|"")', r"@\1@", template)
    return re.sub("@(what|stem|check|data)@", lambda found: values[found[1]], template)


def _parts(model: PortableModel) -> set[str]:
    """Return the parts of the template that a model needs."""
    decoded = model.table.decoded
    kinds = {Floats: "floats", LookedUp: "codes", Trelliscoded: "trellis"}
    parts = {"pieces" if model.pieces else "words", kinds[type(decoded)]}
    given = {
        "stems": model.stems,
        "sigma": model.sigma,
        "matrix": model.table.transformation is not None,
        "means": any(not head.convolutions for head in model.heads),
    }
    return parts | {name for name, needed in given.items() if needed}


def _shortened(template: str, parts: set[str]) -> str:
    r"""Return the code without parts that are not needed, indentation and what explains it.

    No line of the template begins within a string. Its first lines stay.

    >>> _shortened("// what\n\n//@if a\n  x();\n//@end\n//@if b\ny();\n//@end\n", {"a"})
    '// what\n\nx();\n'
    """
    head, _, rest = template.partition("\n\n")
    kept, needed, documented = [], list[bool](), False
    for line in rest.split("\n"):
        plain = line.strip()
        if plain.startswith("//@if "):
            needed.append(plain.removeprefix("//@if ") in parts)
        elif plain == "//@end":
            needed.pop()
        documented = documented or plain.startswith("/**")
        if all(needed) and plain and not (documented or plain.startswith("//")):
            kept.append(plain)
        documented = documented and "*/" not in plain
    return f"{head}\n\n" + "\n".join(kept) + "\n"


def _plain(text: str) -> str:
    """Return a text for a comment that ends no line, and in a page no script."""
    return re.sub(r"[^\x20-\x7e]|[<>]", "?", text)


def _content(model: PortableModel, about: Mapping[str, Any]) -> bytes:
    """Return the bytes that `open` of the template reads."""
    arrays = {**_unicode(model), **_tokens(model), **_rows(model), **_heads(model)}
    listed, packed, raw = [], bytearray(), bytearray()
    for name, array in arrays.items():
        kind, coded = _coded(array)
        small = len(_packed(coded)) < _WORTH * len(coded)
        listed.append([name, kind, array.size, int(small)])
        (packed if small else raw).extend(coded)
    record = {**_record(model), "about": dict(about), "arrays": listed}
    text = json.dumps(record, separators=(",", ":")).encode("ascii")
    plain = len(text).to_bytes(4, "little") + text + packed
    return len(plain).to_bytes(4, "little") + _packed(plain) + raw


def _packed(content: bytes | bytearray) -> bytes:
    filters = [{**_FILTER, "dict_size": max(len(content), _LEAST_DICTIONARY)}]
    return lzma.compress(content, lzma.FORMAT_RAW, filters=filters)


def _coded(array: NDArray[Any]) -> tuple[str, bytes]:
    """Return the type and the bytes of an array, whichever way LZMA makes smallest."""
    kind = _TYPES[array.dtype.name]
    flat = array.reshape(-1)
    if kind == "u8":
        return kind, flat.tobytes()
    whole = flat.view(f"<u{array.itemsize}")
    ways = {kind: whole}
    if kind in ("u16", "u32"):
        ways[f"{kind}d"] = np.diff(whole, prepend=whole.dtype.type(0))
    coded = {
        name: np.ascontiguousarray(each.view(np.uint8).reshape(-1, array.itemsize).T).tobytes()
        for name, each in ways.items()
    }
    best = min(coded, key=lambda name: len(_packed(coded[name])))
    return best, coded[best]


def _unicode(model: PortableModel) -> dict[str, NDArray[Any]]:
    tables = model.unicode(flagged=False).arrays()
    for needless in ("ascii", "run_first", "run_at"):  # by which C finds a record
        del tables[needless]
    every = np.arange(len(tables["pair_first"]), dtype=np.uint16)
    tables["pair_excluded"] = np.setdiff1d(every, tables.pop("pair_order"))
    return tables


def _tokens(model: PortableModel) -> dict[str, NDArray[Any]]:
    if model.pieces is None:
        if any("\n" in word for word in model.words):
            raise UnsupportedModelError(
                "a word of the vocabulary holds a line end, as no text's do"
            )
        coded = encode_tokens(model.words)
        plain = decompress(coded[4:], 1 << 28)
        return {"words": np.frombuffer(plain, np.uint8)}
    alphabet = np.array(sorted(model.pieces.codepoints), np.uint32).reshape(-1, 2)
    merges = np.array(model.pieces.merges, np.uint32).reshape(-1, 3)
    return {
        "alphabet": alphabet[:, 0].copy(),
        "alphabet_ids": alphabet[:, 1].copy(),
        "merge_left": merges[:, 0].copy(),
        "merge_right": merges[:, 1].copy(),
        "merge_new": merges[:, 2].copy(),
    }


def _rows(model: PortableModel) -> dict[str, NDArray[Any]]:
    decoded, found = model.table.decoded, dict[str, NDArray[Any]]()
    if model.table.transformation is not None:
        found["matrix"] = model.table.transformation.matrix
        found["offset"] = model.table.transformation.offset
    if isinstance(decoded, Floats):
        return {**found, "values": decoded.values}
    if isinstance(decoded, LookedUp):
        found |= {"codes": decoded.codes, "points": decoded.points}
        if not (decoded.parts == (1, 0)).all():
            found["part_widths"] = decoded.parts[:, 0].copy()
            found["part_firsts"] = decoded.parts[:, 1].copy()
        given = {"scale": decoded.scale, "scales": decoded.scales}
        return found | {name: array for name, array in given.items() if array is not None}
    return {
        **found,
        "stream": decoded.stream,
        "planes": decoded.planes,
        "bits": decoded.bits,
        "deviation": decoded.moments["deviation"],
        "mean": decoded.moments["mean"].view(np.uint8),
        "moments": decoded.moments["scale"],
        "trellis": decoded.values,
        "first_value": decoded.first_value,
    }


def _heads(model: PortableModel) -> dict[str, NDArray[Any]]:
    found = dict[str, NDArray[Any]]()
    for index, head in enumerate(model.heads):
        layers = {str(number): layer for number, layer in enumerate(head.convolutions)}
        for name, layer in {**layers, "dense": head.dense}.items():
            found[f"{index}.{name}.numbers"] = layer.numbers
            found[f"{index}.{name}.scale"] = _halved(layer.scale)
            found[f"{index}.{name}.bias"] = _halved(layer.bias)
    return found


def _halved(array: NDArray[Any]) -> NDArray[Any]:
    """Return float16 numbers where that loses nothing."""
    with np.errstate(over="ignore"):
        halves = array.astype(np.float16)
    return halves if np.array_equal(halves.astype(np.float32), array) else array


def _record(model: PortableModel) -> dict[str, Any]:
    table, decoded = model.table, model.table.decoded
    if isinstance(decoded, Floats):
        rows: dict[str, Any] = {"kind": "floats"}
    elif isinstance(decoded, LookedUp):
        rows = {"kind": "codes", "bits": decoded.bits, "row_bytes": decoded.codes.shape[1]}
    else:
        rows = {"kind": "trellis", "memory": decoded.memory, "planes": decoded.planes.shape[1]}
    return {
        "lowercase": model.lowercase,
        "sigma": model.sigma,
        "unknown": model.unknown,
        "pieces": model.pieces is not None,
        "stems": model.stems,
        "word_bytes": sum(len(word.encode()) + 1 for word in model.words),
        "table": {**rows, "inner": table.inner, "dim": table.dim},
        "kit": model.kit,
        "heads": [
            {
                "name": head.name,
                "labels": head.labels,
                "form": head.form,
                "max_length": head.max_length,
                "columns": head.columns,
                "indicator": head.indicator,
                "convolutions": [_shape(layer) for layer in head.convolutions],
                "dense": _shape(head.dense),
            }
            for head in model.heads
        ],
    }


def _shape(layer: Layer) -> list[int]:
    return [layer.inputs, layer.outputs, layer.window]
