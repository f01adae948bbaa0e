"""Finds a TextVectorization layer in what Keras saved: a .keras file, or its configuration.

Nothing is deserialized: the configuration is parsed as JSON, and the vocabulary is text.
"""

import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embzip.errors import EmbzipError, TokenizerError
from embzip.files.records import Fields, parse_json
from embzip.tokenizers.foreign import MOST_BYTES
from embzip.tokenizers.text_vectorization import TextVectorizationTokenizer, of_config

_CLASS, _ASSET = "TextVectorization", "vocabulary.txt"
_DEEPEST, _MOST_OBJECTS = 200, 1 << 23
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, ValueError, EOFError, NotImplementedError,
    RuntimeError, OSError,
)  # fmt: skip


def is_configuration(content: bytes) -> bool:
    """Say whether JSON may be what Keras writes of a TextVectorization layer."""
    return f'"{_CLASS}"'.encode() in content or b'"standardize"' in content


def of_configuration(content: bytes, path: Path) -> TextVectorizationTokenizer:
    """Return the tokenizer of a layer's configuration, or of a model's, with its vocabulary.

    The vocabulary stands in it, or in vocabulary.txt beside, one token a line.

    Raises
    ------
    TokenizerError
        For a configuration without exactly one such layer, or one that cannot be followed.
    """
    record = _parsed(content, str(path))
    layers = list(_layers(record))
    if not layers and isinstance(record, dict) and "standardize" in record:
        layers = [record]  # what `get_config` of the layer gives
    beside = path.with_name(_ASSET)
    learned = _lines(beside.read_bytes(), str(beside)) if beside.is_file() else None
    return of_config(_only(layers, str(path)), learned)


def of_keras_file(path: Path) -> TextVectorizationTokenizer:
    """Return the tokenizer of the TextVectorization layer in a .keras file.

    Raises
    ------
    TokenizerError
        For a damaged file, or one without exactly one such layer.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = _parsed(_member(archive, "config.json", path), f"{path}: config.json")
            fields = _only(list(_layers(config)), str(path))
            names = [
                name
                for name in archive.namelist()
                if name.startswith("assets/") and name.endswith(f"/_lookup_layer/{_ASSET}")
            ]
            if len(names) > 1:
                raise TokenizerError(f"{path}: expected one vocabulary, found {len(names)}")
            where = f"{path}: {names[0]}" if names else ""
            learned = _lines(_member(archive, names[0], path), where) if names else None
            return of_config(fields, learned)
    except _DAMAGED as error:
        if isinstance(error, EmbzipError):
            raise
        raise TokenizerError(
            f"{path}: expected a .keras file, and it cannot be read ({str(error)[:200]}): it is "
            "damaged or cut short"
        ) from error


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return the bytes of a member; no more than it may have are ever unpacked."""
    with archive.open(name) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise TokenizerError(f"{path}: {name} has more than {MOST_BYTES:,} bytes")
    return content


def _parsed(content: bytes, where: str) -> Any:
    return parse_json(content, where, error=TokenizerError, deepest=_DEEPEST, most=_MOST_OBJECTS)


def _layers(value: Any) -> Iterator[Any]:
    """Yield the configuration of each TextVectorization layer, wherever it stands."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if each.get("class_name") == _CLASS:
                yield each.get("config")
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _only(layers: list[Any], where: str) -> Fields:
    different = {json.dumps(each, sort_keys=True, default=str) for each in layers}
    if len(different) != 1:
        raise TokenizerError(
            f"{where}: expected one {_CLASS} layer, found {len(different)}"
            + (": save the layer alone" if different else "")
        )
    return Fields.of(layers[0], where, TokenizerError)


def _lines(content: bytes, where: str) -> list[str]:
    """Return the tokens of a vocabulary file, as Keras reads it."""
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{where}: expected UTF-8, found {error.reason}") from error
    while lines and not lines[-1]:
        lines.pop()
    return lines
