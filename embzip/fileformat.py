"""The .embz file: an embedding with its tokenizer, and the classifiers trained on it.

One safetensors file with one metadata key, `embzip`, a sorted JSON record; it holds a digest of
every tensor and one of the header. Tensors are named by role:

    codes.<name>, params.<stage>.<name>     the embedding
    tokenizer | vocabulary, counts          the tokenizer's bytes, or the tokens of a foreign table
    heads.<i>.<name>                        classifiers: arrays, and `config` with the labels

Heads are opaque here; `embzip.classifier` gives them meaning. The container is written and read
by this module, so that nothing is allocated before it is checked, and is tested against the
safetensors library.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.chain import params_of
from embzip.codecs.registry import parse_codec
from embzip.container import Header, read_header, read_tensor, write_container
from embzip.embedding import CompressedEmbedding
from embzip.errors import EmbzipError, FileFormatError, InputTypeError
from embzip.files import atomic_write, existing_file
from embzip.tokenizers import tokenizer_from_bytes
from embzip.tokenizers.base import Normalization, Tokenizer
from embzip.vocabulary import Vocabulary, decode_tokens, encode_tokens

VERSION = 1
Arrays = Mapping[str, NDArray[Any]]


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
    artefact: CompressedEmbedding | Artefact, path: str | Path, *, counts: bool = False
) -> None:
    """Write a .embz file; what stood there is replaced only when all is written.

    Parameters
    ----------
    artefact
        A `CompressedEmbedding` or a `Classifier`.
    counts
        Whether token counts are kept (four or eight bytes a row), for pruning and weighting later.

    Raises
    ------
    OutputError
        Where the file cannot be written.

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
    tensors: dict[str, NDArray[Any]] = {}
    tensors |= {f"codes.{name}": array for name, array in embedding.codes.items()}
    tensors |= {f"params.{name}": array for name, array in embedding.params.items()}
    tokenizer, vocabulary = embedding.tokenizer, embedding.vocabulary
    if tokenizer is not None:
        tensors["tokenizer"] = np.frombuffer(tokenizer.to_bytes(), np.uint8)
    elif vocabulary is not None:
        tensors["vocabulary"] = np.frombuffer(encode_tokens(tuple(vocabulary)), np.uint8)
    if counts and embedding.counts is not None:
        fits = int(embedding.counts.max(initial=0)) < 2**32
        tensors["counts"] = embedding.counts.astype(np.uint32 if fits else np.int64)
    for index, head in enumerate(heads):
        tensors |= {f"heads.{index}.{name}": array for name, array in head.items()}
    record = {
        "format": "embzip",
        "version": VERSION,
        "codec": embedding.codec.spec,
        "rows": embedding.rows,
        "dim": embedding.dim,
        "pad_id": embedding.pad_id,
        "unk_id": embedding.unk_id,
        "special_ids": [] if vocabulary is None else list(vocabulary.special_ids),
        "row_order": "kept" if tokenizer is None else "tokenizer",
        "tokenizer": None if tokenizer is None else tokenizer.kind,
        "normalization": None if tokenizer is None else tokenizer.normalization.to_json(),
        "heads": len(heads),
    }
    with atomic_write(path) as file:
        write_container(file, record, tensors)


def load(path: str | Path, *, mmap: bool = False) -> CompressedEmbedding:
    """Read the embedding of a .embz file, also of a classifier's.

    Parameters
    ----------
    path
        The file.
    mmap
        Map codes and params instead of reading them: a file of any size opens at once. Lengths,
        layout and the header are checked, but the tensors' digests are not until you call
        `.verify()`, and a file that is truncated by others while mapped kills the process.

    Raises
    ------
    MissingFileError
        For a file that is not there.
    FileFormatError
        For a damaged file, or one that a newer embzip wrote.
    """
    return read(path, mmap=mmap).embedding


def read(path: str | Path, *, mmap: bool = False) -> Loaded:
    """Read everything in a .embz file; the parameters and errors are those of `load`."""
    path = existing_file(path)
    with path.open("rb") as file:
        header = read_header(file, path, VERSION)
        try:
            return _read(file, path, header, mmap)
        except EmbzipError as error:
            if isinstance(error, FileFormatError) and str(path) in str(error):
                raise
            raise FileFormatError(f"{path}: {error}") from error


def inspect(path: str | Path) -> dict[str, Any]:
    """Say where the bytes of a .embz file are.

    Returns
    -------
    codec, rows, dim, bytes (vocabulary, embedding, classifier, header, total; the parts add up to
    the size of the file), tensors (name, role, dtype, shape, bytes and share of the total),
    tokenizer, normalization and heads.

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
    parts = {"vocabulary": 0, "embedding": 0, "classifier": 0, "header": header.nbytes}
    tensors = []
    for spec in header.specs.values():
        role = _role(spec.name)
        parts[role] += spec.nbytes
        tensors.append(
            {
                "name": spec.name,
                "role": role,
                "dtype": spec.dtype,
                "shape": list(spec.shape),
                "bytes": spec.nbytes,
                "share": spec.nbytes / total,
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


def _role(name: str) -> str:
    first = name.partition(".")[0]
    return {"codes": "embedding", "params": "embedding", "heads": "classifier"}.get(
        first, "vocabulary"
    )


def _read(file: BinaryIO, path: Path, header: Header, mmap: bool) -> Loaded:
    record = header.record
    rows, dim = _count(record, "rows"), _count(record, "dim")
    codec = parse_codec(_text(record, "codec"))
    layout = codec.layout(rows, dim)
    heads = _count(record, "heads", least=0)
    expected = {f"codes.{spec.name}": spec for spec in layout.codes}
    expected |= {f"params.{spec.name}": spec for spec in layout.params}
    found = {n: s for n, s in header.specs.items() if _role(n) == "embedding"}
    if found.keys() != expected.keys():
        raise FileFormatError(
            f"the codec {codec.spec!r} stores {sorted(expected)}, found {sorted(found)}"
        )
    for name, spec in expected.items():
        if (found[name].dtype, found[name].shape) != (spec.dtype, spec.shape):
            raise FileFormatError(
                f"tensor {name!r}: expected {spec.dtype} {spec.shape}, "
                f"found {found[name].dtype} {found[name].shape}"
            )
    arrays = {
        name: read_tensor(file, path, header, name, mmap=mmap and _role(name) != "vocabulary")
        for name in header.specs
    }
    codes = {spec.name: arrays[f"codes.{spec.name}"] for spec in layout.codes}
    params = {spec.name: arrays[f"params.{spec.name}"] for spec in layout.params}
    if not mmap:
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise FileFormatError(f"tensor {name!r} holds numbers that are not finite")
        known = {**params, **codec.tables(params, dim)}
        codec.quantizer.check(codes, params_of(known, len(codec.transforms)), rows)
    tokenizer, vocabulary = _vocabulary(record, header.specs, arrays, rows)
    embedding = CompressedEmbedding(
        codec,
        codes,
        params,
        rows,
        dim,
        vocabulary,
        tokenizer,
        arrays["counts"].astype(np.int64) if "counts" in arrays else None,
        digests=header.digests,
    )
    return Loaded(embedding, [_head(arrays, index) for index in range(heads)])


def _vocabulary(
    record: Mapping[str, Any],
    specs: Mapping[str, ArraySpec],
    arrays: Arrays,
    rows: int,
) -> tuple[Tokenizer | None, Vocabulary | None]:
    if "tokenizer" in specs:
        normalization = Normalization.from_json(record.get("normalization"), "the header")
        tokenizer = tokenizer_from_bytes(
            _text(record, "tokenizer"), arrays["tokenizer"].tobytes(), rows, normalization
        )
        return tokenizer, tokenizer.vocabulary
    if "vocabulary" in specs:
        tokens = decode_tokens(arrays["vocabulary"].tobytes(), rows)
        return None, Vocabulary(
            tokens,
            special_ids=record["special_ids"],
            pad_id=record["pad_id"],
            unk_id=record["unk_id"],
        )
    return None, None


def _head(arrays: Arrays, index: int) -> dict[str, NDArray[Any]]:
    prefix = f"heads.{index}."
    head = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    if "config" not in head:
        raise FileFormatError(f"head {index} has no configuration")
    return head


def _count(record: Mapping[str, Any], key: str, least: int = 1) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**48:
        raise FileFormatError(f"the header's {key!r} must be a whole number, found {value!r}")
    return value


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise FileFormatError(f"the header's {key!r} must be a string, found {json.dumps(value)}")
    return value
