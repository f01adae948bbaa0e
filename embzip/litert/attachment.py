"""Reads and writes the files attached to an exported .tflite: tokenizer, labels, configuration.

They are the members of a zip archive that follows the model's own bytes, like TensorFlow Lite's
"associated files": the interpreter reads the front of the file, `unzip` its end.

    config.json   how texts become input: sizes, padding, normalization, the model's CRC-32
    labels.json   for each output, the labels of its columns; of a kit, by the classifiers' names
    tokenizer     the bytes of `embzip.tokenizers`, already compressed
"""

import io
import json
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embzip.errors import FileFormatError, TokenizerError
from embzip.files import blocks_of
from embzip.tokenizers import tokenizer_from_bytes
from embzip.tokenizers.base import Normalization, Tokenizer

VERSION = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date, so that equal members give equal bytes
# For damaged archives zipfile raises more than its own error.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError)
_ODD = (NotImplementedError, RuntimeError, ValueError, OverflowError)
_LIMITS = {"config.json": 1 << 20, "labels.json": 1 << 26, "tokenizer": 1 << 29}


@dataclass(frozen=True)
class Attachment:
    """How texts become a model's input, and the labels of its outputs.

    Attributes
    ----------
    tokenizer
        The tokenizer of the table in the model.
    labels
        For each output of the model, the labels of its columns.
    max_length
        How many tokens of a text are read; also the longest input.
    margin
        How many padding ids must follow a text shorter than `max_length`; more change nothing.
    heads
        For a kit, the classifiers' names in the order of the outputs; otherwise empty.
    """

    tokenizer: Tokenizer
    labels: tuple[tuple[str, ...], ...]
    max_length: int
    margin: int
    heads: tuple[str, ...] = ()


def attach(model: bytes, attachment: Attachment) -> bytes:
    """Return the bytes of a .tflite file with the attachment."""
    tokenizer = attachment.tokenizer
    config = {
        "format": "embzip-litert",
        "version": VERSION,
        "rows": len(tokenizer.vocabulary),
        "tokenizer": tokenizer.kind,
        "normalization": tokenizer.normalization.to_json(),
        "max_length": attachment.max_length,
        "margin": attachment.margin,
        "model_bytes": len(model),
        "model_crc32": zlib.crc32(model),
    }
    labels: Any = attachment.labels
    if attachment.heads:
        config["heads"] = attachment.heads
        labels = dict(zip(attachment.heads, attachment.labels, strict=True))
    members = {
        "config.json": _to_json(config),
        "labels.json": _to_json(labels),
        "tokenizer": tokenizer.to_bytes(),
    }
    whole = io.BytesIO(model)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return whole.getvalue()


def read_attachment(path: Path) -> Attachment:
    """Read the attachment of a .tflite file, and compare the model's bytes with their CRC-32.

    Raises
    ------
    FileFormatError
        For a file that is cut short or damaged, or that has no attachment.
    """
    members = _members(path)
    try:
        config = json.loads(members["config.json"])
        if config["format"] != "embzip-litert":
            raise ValueError(f"the format must be 'embzip-litert', found {config['format']!r}")
        if config["version"] != VERSION:
            raise FileFormatError(
                f"{path}: this embzip reads version {VERSION} of exported files, found version "
                f"{config['version']!r}: export the classifier again"
            )
        rows, max_length, margin = (config[key] for key in ("rows", "max_length", "margin"))
        if not all(type(n) is int and 0 < n < 2**31 for n in (rows, max_length, margin)):
            raise ValueError("rows, max_length and margin must be whole numbers above 0")
        normalization = Normalization.from_json(config["normalization"], "config.json")
        tokenizer = tokenizer_from_bytes(
            config["tokenizer"], members["tokenizer"], rows, normalization
        )
        heads = tuple(config.get("heads", ()))
        labels = _labels(json.loads(members["labels.json"]), heads)
        _check_model(path, config)
    except (ValueError, KeyError, TypeError, RecursionError, TokenizerError) as error:
        if isinstance(error, FileFormatError) and str(path) in str(error):
            raise
        raise FileFormatError(
            f"{path}: the files attached to the model are damaged ({error}): export it again"
        ) from error
    return Attachment(tokenizer, labels, max_length, margin, heads)


def _labels(record: Any, heads: tuple[Any, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the labels of each output; a kit stores them by the classifiers' names."""
    if heads:
        if not all(isinstance(name, str) for name in heads) or sorted(record) != sorted(heads):
            raise ValueError("the labels must be those of the classifiers that config.json names")
        record = [record[name] for name in heads]
    labels = tuple(tuple(map(str, head)) for head in record)
    if not all(labels) or len(labels) != max(1, len(heads)):
        raise ValueError("every output must have labels")
    return labels


def _members(path: Path) -> dict[str, bytes]:
    if not zipfile.is_zipfile(path):
        raise FileFormatError(
            f"{path}: expected a .tflite model with a tokenizer attached, found none: the file was "
            "cut short, or another tool wrote it; export the classifier again (`embzip export "
            "MODEL.embz -o OUT.tflite`)"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            found = {member.filename: member for member in archive.infolist()}
            for name, limit in _LIMITS.items():
                if name not in found:
                    raise FileFormatError(
                        f"{path}: the files attached to the model lack {name!r}: export it again"
                    )
                if found[name].file_size > limit:
                    raise FileFormatError(
                        f"{path}: the attached {name!r} may have at most {limit:,} bytes, declares "
                        f"{found[name].file_size:,}: the file is damaged"
                    )
            return {name: archive.read(name) for name in _LIMITS}
    except (*_DAMAGED, *_ODD) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"{path}: the files attached to the model cannot be read ({error}): export it again"
        ) from error


def _check_model(path: Path, config: dict[str, Any]) -> None:
    """Raise if the model's bytes differ from those that were written."""
    size = config["model_bytes"]
    found = 0
    for block in blocks_of(path, size):
        found = zlib.crc32(block, found)
    if found != config["model_crc32"]:
        raise ValueError("the model does not match its CRC-32")


def _to_json(record: Any) -> bytes:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
