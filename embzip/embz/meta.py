"""What a user writes into a file beside the model: licence, date, corpus."""

import json
from collections.abc import Mapping
from pathlib import Path

from embzip.embz.container import read_header, reading
from embzip.embz.shards import manifest_in
from embzip.errors import InputError
from embzip.files.reading import existing_file
from embzip.files.records import Fields

MOST_META = 1 << 16  # bytes of the JSON


def checked_meta(meta: Mapping[str, str]) -> dict[str, str]:
    """Return the facts, sorted by their names.

    Raises
    ------
    InputError
        For a name or a value that is no text, an empty name, or more than 64 KB in all.
    """
    for key, value in meta.items():
        if not isinstance(key, str) or not isinstance(value, str) or not key.strip():
            raise InputError(
                f"meta is texts by name, such as licence=MIT, received {key!r}={value!r}"
            )
    ordered = dict(sorted(meta.items()))
    if meta_nbytes(ordered) > MOST_META:
        raise InputError(
            f"meta takes at most {MOST_META:,} bytes, received {meta_nbytes(ordered):,}: shorten it"
        )
    return ordered


def meta_nbytes(meta: Mapping[str, str]) -> int:
    """Return the most bytes by which a file grows."""
    escaped = json.dumps({"meta": dict(meta)})
    return len(json.dumps(escaped)) + 8 if meta else 0  # JSON in JSON, and padding


def meta_of(path: str | Path) -> dict[str, str]:
    """Return what a .embz file says of itself; empty where nothing was written.

    Raises
    ------
    FileFormatError
        For a damaged file.
    """
    path = existing_file(manifest_in(path))
    with path.open("rb") as file, reading(path):
        return stored_meta(read_header(file, path).record)


def stored_meta(record: Fields) -> dict[str, str]:
    """Return the facts in a file's record."""
    facts = record.fields("meta", {})
    return {key: facts.take(key, str) for key in facts.values}
