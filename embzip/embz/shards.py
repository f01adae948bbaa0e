"""A table in several files: a folder with a manifest, and the codes in shards.

The manifest is a .embz file without codes: the record, params, tokenizer and counts, and how many
bytes, which digest and which rows each shard has. A shard is a container with a stretch of each
tensor of codes, along its first axis. The codes of rows of one length are cut between rows; those
that are a stream, and packed ones, evenly.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.joined import JoinedArray, Stretch
from embzip.embz.container import VERSION, Header, read_header, read_tensor, write_container
from embzip.embz.contents import Contents
from embzip.errors import FileFormatError, InputError, MissingFileError, OutputError, SpecError
from embzip.files.limits import MOST
from embzip.files.reading import existing_file
from embzip.files.records import Fields
from embzip.files.writing import atomic_folder, atomic_write

MANIFEST = "manifest.embz"


def manifest_in(path: str | Path) -> str | Path:
    """Return the manifest of a folder that has one; any other path as it is."""
    manifest = os.path.join(path, MANIFEST)
    return manifest if os.path.isfile(manifest) else path


def shard_name(index: int, count: int) -> str:
    """Return the name of a shard, counted from 0.

    >>> shard_name(0, 4)
    'shard-0001-of-0004.embz'
    """
    return f"shard-{index + 1:04}-of-{count:04}.embz"


def write_shards(path: str | Path, made: Contents, count: int, most: int | None) -> None:
    """Write a folder of shards and their manifest; what stood there is replaced when all is made.

    Raises
    ------
    SpecError
        For less than one shard, or more than rows.
    InputError
        For a classifier.
    OutputError
        Where something else stands there, or the files would have more than `most` bytes.
    """
    rows = int(made.record["rows"])
    if not 1 <= count <= min(rows, MOST["shards"]):
        raise SpecError(
            f"shards must lie in 1..{min(rows, MOST['shards'])} for a table of {rows:,} rows, "
            f"received {count}"
        )
    if any(name.endswith(".config") for name in made.tensors):
        raise InputError("shards are for tables, and this is a classifier: save it as one file")
    codes = {name: array for name, array in made.tensors.items() if name.startswith("codes.")}
    stated: list[list[Any]] = []
    total = 0
    with atomic_folder(path, marker=MANIFEST) as folder:
        for index in range(count):
            span = [rows * index // count, rows * (index + 1) // count]
            record = {"version": VERSION, "shard": index, "shards": count}
            stretches = {name: _stretch(array, span, rows) for name, array in codes.items()}
            file = folder / shard_name(index, count)
            with atomic_write(file) as shard:
                write_container(shard, record, stretches)
                nbytes = shard.tell()
            with file.open("rb") as written:
                stated.append([nbytes, read_header(written, file).digest, *span])
            total += nbytes
        tensors = {name: array for name, array in made.tensors.items() if name not in codes}
        with atomic_write(folder / MANIFEST) as manifest:
            write_container(
                manifest, *Contents({**made.record, "shards": stated}, tensors).stored()
            )
            total += manifest.tell()
        if most is not None and total > most:  # the old folder is still there
            raise OutputError(
                f"{path}: the files would have {total:,} bytes, and {most:,} are allowed: allow "
                "more, choose a smaller codec, or fewer shards"
            )


def _stretch(array: NDArray[Any], span: list[int], rows: int) -> NDArray[Any]:
    first, stop = (len(array) * row // rows for row in span)
    return array[first:stop]


@dataclass(frozen=True)
class Shards:
    """The shards of a table, opened: their files, and the whole tensors that they hold."""

    files: tuple[tuple[Path, Header], ...]
    specs: dict[str, ArraySpec]

    def read(self, name: str, *, mmap: bool) -> NDArray[Any]:
        """Return a tensor: joined in memory, each stretch compared with its digest; or mapped."""
        if mmap:
            found: Any = JoinedArray(
                [
                    Stretch(self._part(index, name, mmap=True), header.digests[name], str(path))
                    for index, (path, header) in enumerate(self.files)
                ]
            )
            return found  # type: ignore[no-any-return]  # NumPy takes it for an array
        spec = self.specs[name]
        whole = np.empty(spec.shape, np.dtype(spec.dtype).newbyteorder("<"))
        at = 0
        for index in range(len(self.files)):
            part = self._part(index, name, mmap=False)
            whole[at : at + len(part)] = part
            at += len(part)
        return whole

    def _part(self, index: int, name: str, *, mmap: bool) -> NDArray[Any]:
        path, header = self.files[index]
        with existing_file(path).open("rb") as file:
            return read_tensor(file, path, header, name, mmap=mmap)


def shards_of(manifest: Path, record: Fields) -> Shards | None:
    """Return the shards that a manifest names, their headers checked; None of a whole table.

    Raises
    ------
    MissingFileError, FileFormatError
        For a shard that is missing, cut short, changed, or that of another table or place; names
        it. For a shard in the place of a table.
    """
    if "shard" in record:
        raise FileFormatError(
            f"expected a table, found one of its shards: pass its folder, or {MANIFEST} there"
        )
    if "shards" not in record:
        return None
    stated = _stated(record)
    files: list[tuple[Path, Header]] = []
    for index, (nbytes, digest, _, _) in enumerate(stated):
        path = manifest.parent / shard_name(index, len(stated))
        where = f"shard {index + 1} of the {len(stated)} of {manifest}"
        try:
            with existing_file(path).open("rb") as file:
                found = os.fstat(file.fileno()).st_size
                if found != nbytes:
                    raise FileFormatError(
                        f"{path}: {where} has {nbytes:,} bytes, found {found:,}: it is cut short, "
                        "or another file: obtain it again"
                    )
                header = read_header(file, path)
        except MissingFileError as error:
            raise MissingFileError(f"{error}: it is {where}: obtain it again") from error
        if header.digest != digest:
            raise FileFormatError(
                f"{path}: is not {where}: it is another's, or was changed: obtain it again"
            )
        files.append((path, header))
    return Shards(tuple(files), _whole_specs(files))


def _stated(record: Fields) -> list[tuple[int, str, int, int]]:
    """Return (bytes, digest, first row, end) of each shard, checked."""
    given, rows = record.take("shards", list), record.whole("rows")
    at, stated = 0, []
    for each in given[: MOST["shards"] + 1]:
        whole = isinstance(each, list) and [type(part) for part in each] == [int, str, int, int]
        if not whole or each[2] != at or each[3] <= at:
            break
        at = each[3]
        stated.append((each[0], each[1], each[2], each[3]))
    if not 1 <= len(given) <= MOST["shards"] or len(stated) != len(given) or at != rows:
        raise record.wrong("shards", "[bytes, digest, first row, end] of all rows, in order", given)
    return stated


def _whole_specs(files: list[tuple[Path, Header]]) -> dict[str, ArraySpec]:
    """Return the tensors that stand in shards, as long as their stretches are together."""
    first = files[0][1].specs
    for path, header in files:
        alike = {name: (spec.dtype, spec.shape[1:]) for name, spec in header.specs.items()}
        if alike != {name: (spec.dtype, spec.shape[1:]) for name, spec in first.items()} or any(
            not spec.shape for spec in first.values()
        ):
            raise FileFormatError(f"{path}: its tensors are not those of {files[0][0].name}")
    return {
        name: replace(
            spec,
            shape=(sum(h.specs[name].shape[0] for _, h in files), *spec.shape[1:]),
        )
        for name, spec in first.items()
    }


def with_specs(header: Header, specs: Mapping[str, ArraySpec]) -> Header:
    """Return a manifest's header, with the tensors of shards beside its own.

    Raises
    ------
    FileFormatError
        For a tensor that stands in both.
    """
    both = header.specs.keys() & specs.keys()
    if both:
        raise FileFormatError(f"tensor {min(both)!r} stands in the manifest and in shards")
    return replace(header, specs={**header.specs, **specs})
