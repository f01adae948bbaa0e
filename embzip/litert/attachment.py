"""What an exported .tflite carries beside the model: tokenizer, labels, configuration.

They are the members of a zip archive after the model's own bytes, as TensorFlow Lite's "associated
files" are: the interpreter reads the front of the file, `unzip` its end.

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
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same members make the same bytes
# What zipfile raises for damaged archives: not only its own error.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError)
_ODD = (NotImplementedError, RuntimeError, ValueError, OverflowError)
_LIMITS = {"config.json": 1 << 20, "labels.json": 1 << 26, "tokenizer": 1 << 29}


@dataclass(frozen=True)
class Attachment:
    """How texts become a model's input, and its output labels.

    Attributes
    ----------
    tokenizer
        Of the table in the model.
    labels
        For each output of the model, the labels of its columns.
    max_length
        Tokens of a text that are read; also the longest input.
    margin
        Padding that a text shorter than `max_length` needs after it, so that more changes nothing.
    heads
        Of a kit: the classifiers' names in the order of the outputs.
    """

    tokenizer: Tokenizer
    labels: tuple[tuple[str, ...], ...]
    max_length: int
    margin: int
    heads: tuple[str, ...] = ()


def attach(model: bytes, attachment: Attachment) -> bytes:
    """Return the bytes of a .tflite file with everything attached."""
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
    """Read what a .tflite file carries; the model's bytes are compared with their CRC-32.

    Raises
    ------
    FileFormatError
        For a file that is cut short or damaged, and for a model that carries nothing.
    """
    members = _members(path)
    try:
        config = json.loads(members["config.json"])
        if config["format"] != "embzip-litert":
            raise ValueError(f"an unknown format {config['format']!r}")
        if config["version"] != VERSION:
            raise FileFormatError(
                f"{path}: a file in version {config['version']!r} of what exports attach, and this "
                f"embzip reads version {VERSION} only: export the classifier again"
            )
        rows, max_length, margin = (config[key] for key in ("rows", "max_length", "margin"))
        if not all(type(n) is int and 0 < n < 2**31 for n in (rows, max_length, margin)):
            raise ValueError("sizes that are no whole numbers above 0")
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
            f"{path}: what is attached to the model is damaged: {error}"
        ) from error
    return Attachment(tokenizer, labels, max_length, margin, heads)


def _labels(record: Any, heads: tuple[Any, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the labels of each output, which a kit's file holds by the classifiers' names."""
    if heads:
        if not all(isinstance(name, str) for name in heads) or sorted(record) != sorted(heads):
            raise ValueError("labels of other classifiers than the configuration names")
        record = [record[name] for name in heads]
    labels = tuple(tuple(map(str, head)) for head in record)
    if not all(labels) or len(labels) != max(1, len(heads)):
        raise ValueError("an output without labels")
    return labels


def _members(path: Path) -> dict[str, bytes]:
    if not zipfile.is_zipfile(path):
        raise FileFormatError(
            f"{path}: a .tflite model with nothing attached: it was cut short, or another tool "
            "wrote it: export the classifier again (`embzip export MODEL.embz -o OUT.tflite`)"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            found = {member.filename: member for member in archive.infolist()}
            for name, limit in _LIMITS.items():
                if name not in found:
                    raise FileFormatError(f"{path}: no {name!r} is attached to the model")
                if found[name].file_size > limit:
                    raise FileFormatError(
                        f"{path}: the attached {name!r} announces {found[name].file_size:,} bytes, "
                        f"at most {limit:,} are read"
                    )
            return {name: archive.read(name) for name in _LIMITS}
    except (*_DAMAGED, *_ODD) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path}: what is attached cannot be read: {error}") from error


def _check_model(path: Path, config: dict[str, Any]) -> None:
    """Raise where the model's bytes are not those that were written."""
    size = config["model_bytes"]
    found = 0
    for block in blocks_of(path, size):
        found = zlib.crc32(block, found)
    if found != config["model_crc32"]:
        raise ValueError("the model does not match its CRC-32")


def _to_json(record: Any) -> bytes:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
