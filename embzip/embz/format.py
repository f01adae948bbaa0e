"""The .embz file: an embedding with its tokenizer, and the classifiers trained on it.

One safetensors file with one metadata key, `embzip`, a sorted JSON record; it holds a digest of
every tensor and one of the header. Tensors are named by role:

    codes.<name>, params.<stage>.<name>     the embedding
    tokenizer | vocabulary, counts          the tokenizer's bytes, or the tokens of a foreign table
    heads.<i>.<name>                        classifiers: arrays, and `config` with the labels
    small                                   small tensors of the embedding, and each `config`

A tensor may be packed (`embzip.packing`): it stands as bytes, and the record says how to read it.
Heads are opaque here; `embzip.classifier` gives them meaning. The container is written and read
by this module, so that nothing is allocated before it is checked, and is tested against the
safetensors library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from embzip.checking import check_finite
from embzip.codecs.registry import parse_codec
from embzip.embedding import CompressedEmbedding
from embzip.embz.container import (
    Header,
    read_header,
    read_tensor,
    reading,
    write_container,
)
from embzip.embz.contents import (
    Contents,
    contents_of,
    role_of,
    small_specs,
    split_small,
    table_specs,
    vocabulary_of,
    words_of,
)
from embzip.embz.meta import checked_meta
from embzip.embz.packed import packing_of, shape_of, told_by
from embzip.embz.shards import manifest_in, shards_of, with_specs, write_shards
from embzip.errors import FileFormatError, InputError, InputTypeError, OutputError
from embzip.files.locations import file_at
from embzip.files.names import is_url
from embzip.files.remote import local_file
from embzip.files.writing import atomic_write
from embzip.packing.tensors import pack_tensors, unpack_tensors
from embzip.types import Arrays


class Artefact(Protocol):
    """What `save` takes beside an embedding: one with heads, such as a `Classifier`."""

    @property
    def embedding(self) -> CompressedEmbedding:
        """The embedding the heads read."""

    def head_tensors(self) -> Sequence[Arrays]:
        """Return the tensors of each head, under the head's own names."""


@dataclass(frozen=True)
class Loaded:
    """All of a file: the embedding and the tensors of each head."""

    embedding: CompressedEmbedding
    heads: list[dict[str, NDArray[Any]]]


def save(
    artefact: CompressedEmbedding | Artefact,
    path: str | Path,
    *,
    counts: bool = False,
    pack: bool = False,
    most: int | None = None,
    meta: Mapping[str, str] | None = None,
    shards: int | None = None,
) -> None:
    """Write a .embz file; what stood there is replaced only when all is written.

    Parameters
    ----------
    artefact
        A `CompressedEmbedding` or a `Classifier`.
    counts
        Whether token counts are kept (four or eight bytes a row), for pruning and weighting later.
    pack
        Whether tensors are entropy coded where that saves bytes. In memory nothing changes:
        loading decodes them, or, with `mmap=True`, the blocks of the rows that are asked for.
    most
        Bytes that the file may have; a larger one is not written.
    meta
        Facts by name, such as {"licence": "MIT"}, which `embzip.inspect` shows.
    shards
        Write a folder instead: a manifest, and the codes in so many files; of a table alone.

    Raises
    ------
    OutputError
        Where the file cannot be written, or would be larger than `most`.
    InputError
        For `meta` that is no text by name, or more than 64 KB; for a classifier in shards.
    SpecError
        For less than one shard, or more than rows.

    Examples
    --------
    >>> import numpy as np, tempfile, pathlib, embzip
    >>> path = pathlib.Path(tempfile.mkdtemp(), "table.embz")
    >>> embzip.save(embzip.compress(np.ones((3, 2)), "float16"), path)
    >>> embzip.load(path).shape
    (3, 2)
    """
    heads: Sequence[Arrays]
    if isinstance(artefact, CompressedEmbedding):
        embedding, heads = artefact, ()
    elif hasattr(artefact, "head_tensors"):
        embedding, heads = artefact.embedding, artefact.head_tensors()
    else:
        raise InputTypeError(
            f"expected a CompressedEmbedding or a Classifier, received {type(artefact).__name__}"
        )
    made = contents_of(embedding, heads, words_of(embedding.tokenizer, embedding.vocabulary))
    if counts and embedding.counts is not None:
        fits = int(embedding.counts.max(initial=0)) < 2**32
        made.tensors["counts"] = embedding.counts.astype(np.uint32 if fits else np.int64)
    if meta:
        made.record["meta"] = checked_meta(meta)
    if pack:
        made = min(made, _packed(made, embedding), key=attrgetter("nbytes"))
    if shards is not None:
        write_shards(path, made, shards, most)
        return
    with atomic_write(path) as file:
        write_container(file, *made.stored())
        if most is not None and file.tell() > most:
            raise OutputError(
                f"{path}: the file would have {file.tell():,} bytes, and {most:,} are allowed: "
                "allow more, or choose a smaller codec"
            )


def _packed(made: Contents, embedding: CompressedEmbedding) -> Contents:
    """Return what a file holds with its tensors entropy coded where that saves bytes."""
    stored, packed = pack_tensors(
        {n: a for n, a in made.tensors.items() if not _is_text(n)},
        rows=embedding.rows,
        codes={f"codes.{name}" for name in embedding.codes},
        before=told_by(embedding.codec, *embedding.shape),
    )
    record = {**made.record, "packed": packed} if packed else made.record
    return Contents(record, {**made.tensors, **stored})


def load(path: str | Path, *, mmap: bool = False) -> CompressedEmbedding:
    """Read the embedding of a .embz file, also of a classifier's.

    Parameters
    ----------
    path
        The file, or its URL, of which a copy is read; or the folder of a table in shards.
    mmap
        Map codes and params instead of reading them: a file of any size opens at once. Lengths,
        layout, the header and the values of params are checked, and codes when their rows are
        read, but the tensors' digests are not until you call `.verify()`, and a file that is
        truncated by others while mapped kills the process.

    Raises
    ------
    MissingFileError
        For a file that is not there.
    FileFormatError
        For a damaged file, or one in another version of the format.
    """
    # Heads are dropped here, and nobody could verify them later.
    return _checked(path, mmap, heads_mapped=False).embedding


def read(path: str | Path, *, mmap: bool = False) -> Loaded:
    """Read everything in a .embz file; the parameters and errors are those of `load`."""
    return _checked(path, mmap, heads_mapped=True)


def _checked(path: str | Path, mmap: bool, heads_mapped: bool) -> Loaded:
    path = file_at(path)
    if mmap and is_url(path):
        raise InputError(f"{path}: a file is mapped on this machine: copy it here first")
    with local_file(manifest_in(path)) as here, here.open("rb") as file, reading(here):
        header = read_header(file, here)
        if is_url(path) and "shards" in header.record:
            raise FileFormatError("a table in shards is read from a folder here: copy that first")
        return _read(file, here, header, mmap, heads_mapped)


def _is_text(name: str) -> bool:
    """Say whether a tensor is compressed text, or too short a text for packing."""
    return name in ("tokenizer", "vocabulary") or name.endswith(".config")


def _read(file: BinaryIO, path: Path, header: Header, mmap: bool, heads_mapped: bool) -> Loaded:
    record = header.record
    shards = shards_of(path, record)
    if shards is not None:
        header = with_specs(header, shards.specs)
    rows, dim = shape_of(record)
    codec = parse_codec(record.take("codec", str))
    layout = codec.layout(rows, dim)
    expected = {spec.name: spec for spec in table_specs(layout)}
    inside = small_specs(header, expected.values())
    packed = packing_of(header, inside)
    specs = {**header.specs, **{name: entry.spec for name, entry in packed.items()}}
    specs |= {spec.name: spec for spec in inside}
    found = {n: s for n, s in specs.items() if role_of(n) == "embedding"}
    if found.keys() != expected.keys():
        raise FileFormatError(
            f"the codec {codec.spec!r} stores the tensors {sorted(expected)}, found {sorted(found)}"
        )
    for name, spec in expected.items():
        if (found[name].dtype, found[name].shape) != (spec.dtype, spec.shape):
            raise FileFormatError(
                f"tensor {name!r}: expected {spec.dtype} {spec.shape}, "
                f"found {found[name].dtype} {found[name].shape}"
            )
    # Rows of a quantizer that finds them its own way are not taken of single arrays.
    lazy = (
        {f"codes.{spec.name}" for spec in layout.codes}
        if mmap and codec.quantizer.by_row
        else set()
    )
    # What is made into something else here is compared with its digest here.
    mapped = {
        name
        for name in header.specs
        if mmap
        and name != "small"
        and role_of(name) != "vocabulary"
        and (name in lazy or name not in packed)
        and (heads_mapped or role_of(name) != "other_variables")
    }
    contents = {
        name: shards.read(name, mmap=name in mapped)
        if shards is not None and name in shards.specs
        else read_tensor(file, path, header, name, mmap=name in mapped)
        for name in header.specs
    }
    if inside:
        contents |= split_small(contents.pop("small"), inside)
    arrays = unpack_tensors(contents, packed, lazy=lazy, file=str(path))
    digests = {n: d for n, d in header.digests.items() if n in lazy or n not in packed}
    codes = {spec.name: arrays[f"codes.{spec.name}"] for spec in layout.codes}
    params = {spec.name: arrays[f"params.{spec.name}"] for spec in layout.params}
    tokenizer, vocabulary = vocabulary_of(record, header.specs, arrays, rows)
    embedding = CompressedEmbedding(
        codec,
        codes,
        params,
        rows,
        dim,
        vocabulary,
        tokenizer,
        arrays["counts"].astype(np.int64) if "counts" in arrays else None,
        digests=digests,
        mapped=str(path if shards is None else path.parent) if mmap else "",
    )
    if mmap:
        embedding.check_params()
    else:
        embedding.check()
        for name, array in arrays.items():
            if role_of(name) == "other_variables":
                check_finite(name, array)
    heads = sum(spec.name.endswith(".config") for spec in inside)
    return Loaded(embedding, [_head(arrays, index) for index in range(heads)])


def _head(arrays: Arrays, index: int) -> dict[str, NDArray[Any]]:
    prefix = f"heads.{index}."
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
