"""Reads .keras files: zip archives whose members and sizes are checked before any is opened.

Nothing is deserialized; `config.json` is only parsed as JSON.
"""

import lzma
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embzip.errors import EmbzipError, InputError
from embzip.files.reading import existing_file
from embzip.files.records import parse_json
from embzip.files.writing import temporary_folder
from embzip.foreign.formats.hdf5 import CONFIG_DEEPEST, EXPANSION, FREE, open_hdf5, weight_tensors
from embzip.foreign.formats.hdf5_probe import check_attributes
from embzip.inspection import (
    ArtefactRecord,
    NodeCounts,
    StoredTensor,
    make_record,
    scaled,
)

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
SAVED = "1980-01-01@00:00:00"  # the date of our files, so that equal input gives equal bytes
_CONFIG_LIMIT = 64 * 2**20
# For damaged archives zipfile raises more than its own error.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError)
_ODD = (NotImplementedError, RuntimeError, ValueError, OverflowError)


@contextmanager
def open_keras(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a .keras file, after checking its members and their sizes.

    Raises
    ------
    InputError
        For a file that is not a zip archive, has other members than Keras writes, or would be
        unreasonably large when unpacked.
    """
    existing_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            yield archive
    except (*_DAMAGED, *_ODD) as error:
        if isinstance(error, EmbzipError):
            raise
        raise InputError(
            f"{path}: expected a .keras file, and it cannot be read ({str(error)[:200]}): it is "
            "damaged, cut short or encrypted"
        ) from error


@contextmanager
def variables_file(
    archive: zipfile.ZipFile, where: str, *, attributes: bool = False
) -> Iterator[Any]:
    """Open the variables of a checked .keras file with h5py.

    Parameters
    ----------
    attributes
        Whether attributes will be read, here or by Keras; they are then checked first.
    """
    named = f"{where}, {WEIGHTS}"
    with temporary_folder() as folder:
        path = folder / "weights.h5"
        with archive.open(WEIGHTS) as member, path.open("wb") as copy:
            shutil.copyfileobj(
                member, copy, 2**20
            )  # to the end, where zipfile compares the checksum
        if attributes:
            check_attributes(path, named)
        with open_hdf5(path, named) as file:
            yield file


def keras_config(archive: zipfile.ZipFile, where: str) -> Any:
    """Return the parsed `config.json`."""
    content = archive.read(CONFIG)
    return parse_json(content, f"{where}: {CONFIG}", error=InputError, deepest=CONFIG_DEEPEST)


def keras_version(archive: zipfile.ZipFile, where: str) -> str | None:
    """Return the version of Keras that wrote a file, such as `3.15.0`; None where it says none."""
    if METADATA not in archive.namelist():
        return None
    found = parse_json(archive.read(METADATA), f"{where}: {METADATA}", error=InputError)
    version = found.get("keras_version") if isinstance(found, dict) else None
    return version if isinstance(version, str) else None


def inspect_keras(path: Path) -> ArtefactRecord:
    """Return what takes up the bytes of a .keras file."""
    with open_keras(path) as archive:
        member = archive.getinfo(WEIGHTS)
        with variables_file(archive, str(path)) as file:
            tensors = weight_tensors(file, str(path))
        tensors = scaled(tensors, member.compress_size, member.file_size)
        tensors += [
            StoredTensor(name.filename, "vocabulary", "string", (), name.compress_size)
            for name in archive.infolist()
            if name.filename.startswith("assets/") and name.compress_size
        ]
    return make_record(path, "keras", [path], tensors, NodeCounts())


def member(name: str) -> zipfile.ZipInfo:
    """Return a new member of a .keras file: dated as all others, compressed if it is JSON.

    Keras compresses nothing; a configuration takes some KB a layer.
    """
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # as `SAVED`
    made.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
    return made


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    missing = {CONFIG, WEIGHTS} - set(names)
    strange = [n for n in names if n not in (CONFIG, METADATA, WEIGHTS) and not _asset(n)]
    if missing or strange or len(names) != len(set(names)):
        raise InputError(
            f"{path}: a .keras file contains {METADATA}, {CONFIG}, {WEIGHTS} and assets, each "
            f"once; missing: {sorted(missing) or 'none'}, unexpected: {strange[:3] or 'none'}"
        )
    grown = sum(member.file_size for member in members)
    limit = max(FREE, EXPANSION * path.stat().st_size)
    if grown > limit or archive.getinfo(CONFIG).file_size > _CONFIG_LIMIT:
        raise InputError(
            f"{path}: {path.stat().st_size:,} bytes would unpack to {grown:,}, more than is "
            "plausible: the file is damaged or hostile"
        )


def _asset(name: str) -> bool:
    return name.startswith("assets/") and ".." not in name.split("/")
