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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embzip.errors import EmbzipError, FileFormatError, InputError
from embzip.files.limits import MOST, MOST_RECORD, text_limit
from embzip.files.reading import blocks_of
from embzip.files.records import Fields, parse_json, shown
from embzip.tokenizers import tokenizer_from_bytes
from embzip.tokenizers.base import Normalization, Tokenizer

VERSION = 1
_AGAIN = "export the classifier again"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date, so that equal members give equal bytes
# For damaged archives zipfile raises more than its own error.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError)
_ODD = (NotImplementedError, RuntimeError, ValueError, OverflowError)
_JSON = ("config.json", "labels.json")


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
    for name in _JSON:
        if len(members[name]) > MOST_RECORD:
            raise InputError(
                f"what is attached to a .tflite as {name} has at most {MOST_RECORD:,} bytes, and "
                f"this would have {len(members[name]):,}: shorten the labels"
            )
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
    with _archive(path) as archive:
        config = _object(archive, path, "config.json")
        config.choice("format", ["embzip-litert"])
        if config.take("version", int) != VERSION:
            raise FileFormatError(
                f"{path}: this embzip reads version {VERSION} of exported files, found version "
                f"{shown(config.take('version', int))}: export the classifier again"
            )
        model_bytes = config.whole("model_bytes", least=1, most=path.stat().st_size)
        # A row takes at least a byte of the model.
        rows = config.whole("rows", least=1, most=min(MOST["rows"], model_bytes))
        max_length = config.whole("max_length", least=1, most=MOST["max_length"])
        margin = config.whole("margin", least=1, most=MOST["margin"])
        heads = tuple(config.texts("heads", []))
        labels = _labels(archive, path, heads)
        normalization = Normalization.from_json(config.fields("normalization"))
        content = _member(archive, path, "tokenizer", text_limit(rows))
        try:
            tokenizer = tokenizer_from_bytes(
                config.take("tokenizer", str), content, rows, normalization
            )
        except EmbzipError as error:
            raise FileFormatError(f"{path}, tokenizer: {error}: {_AGAIN}") from error
    _check_model(path, model_bytes, config.whole("model_crc32", most=2**32 - 1))
    return Attachment(tokenizer, labels, max_length, margin, heads)


def _labels(
    archive: zipfile.ZipFile, path: Path, heads: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    """Return the labels of each output; a kit stores them by the classifiers' names."""
    where = f"{path}, labels.json"
    record = parse_json(_member(archive, path, "labels.json", MOST_RECORD), where)
    if not heads:
        # One classifier stores a list of one list.
        record = {"labels": record[0]} if isinstance(record, list) and len(record) == 1 else record
    fields = Fields.of(record, where)
    fields.only(heads or ("labels",))
    labels = tuple(tuple(fields.texts(name)) for name in heads or ("labels",))
    if not all(labels) or len(set(heads)) != len(heads):
        raise FileFormatError(
            f"{where}: every output must have labels, and a name of its own: {_AGAIN}"
        )
    return labels


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive behind the model."""
    if not zipfile.is_zipfile(path):
        raise FileFormatError(
            f"{path}: expected a .tflite model with a tokenizer attached, found none: the file was "
            "cut short, or another tool wrote it; export the classifier again (`embzip export "
            "MODEL.embz -o OUT.tflite`)"
        )
    with _readable(path):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGED, *_ODD) as error:
        raise FileFormatError(
            f"{path}: the files attached to the model cannot be read ({str(error)[:200]}): {_AGAIN}"
        ) from error


def _object(archive: zipfile.ZipFile, path: Path, name: str) -> Fields:
    where = f"{path}, {name}"
    return Fields.of(parse_json(_member(archive, path, name, MOST_RECORD), where), where)


def _member(archive: zipfile.ZipFile, path: Path, name: str, limit: int) -> bytes:
    """Return the bytes of an attached file, which may not expand to more than `limit`."""
    if name not in archive.namelist():
        raise FileFormatError(f"{path}: the files attached to the model lack {name!r}: {_AGAIN}")
    size = archive.getinfo(name).file_size
    if size > limit:
        raise FileFormatError(
            f"{path}: the attached {name!r} may have at most {limit:,} bytes, declares {size:,}: "
            "the file is damaged"
        )
    with _readable(path):
        return archive.read(name)


def _check_model(path: Path, size: int, expected: int) -> None:
    """Raise if the model's bytes differ from those that were written."""
    found = 0
    for block in blocks_of(path, size):
        found = zlib.crc32(block, found)
    if found != expected:
        raise FileFormatError(f"{path}: the model does not match its CRC-32: {_AGAIN}")


def _to_json(record: Any) -> bytes:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
