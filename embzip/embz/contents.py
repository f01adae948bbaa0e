"""What a .embz file holds, before it is written: the record, and the tensors by name.

Small tensors stand in one, `small`, without names, types and shapes: these follow from the codec.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.embedding import CompressedEmbedding
from embzip.embz.container import VERSION, Header, container_nbytes
from embzip.errors import FileFormatError
from embzip.files.limits import MOST, MOST_RECORD, check_size
from embzip.files.records import Fields
from embzip.inspection import Role
from embzip.tokenizers import stored_tokenizer
from embzip.tokenizers.base import Tokenizer
from embzip.types import Arrays
from embzip.vocabulary import Vocabulary, decode_tokens, encode_tokens

SMALL = 4096  # bytes from which on a tensor has a name, a digest and a place of its own

_ROLES: Mapping[str, Role] = {
    "codes": "embedding",
    "params": "embedding",
    "heads": "other_variables",
}


@dataclass(frozen=True)
class Contents:
    """The record and the tensors of a file, each by its own name."""

    record: dict[str, Any]
    tensors: dict[str, NDArray[Any]]

    @property
    def nbytes(self) -> int:
        """Bytes of the file; of the tensors only the layout is read."""
        return container_nbytes(*self.stored())

    def stored(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the record and the tensors as they are written, small ones in one."""
        packed = self.record.get("packed", {})
        table = [
            name
            for name, array in sorted(self.tensors.items())
            if name.startswith(("codes.", "params."))
            and name not in packed
            and array.nbytes < SMALL
        ]
        configs = _configs(sum(name.endswith(".config") for name in self.tensors))
        lengths = [self.tensors[name].nbytes for name in configs]
        record = {**self.record, "heads": lengths} if configs else self.record
        inside = [*table, *configs]
        tensors = {name: a for name, a in self.tensors.items() if name not in inside}
        if inside:
            tensors["small"] = np.concatenate([_octets(self.tensors[name]) for name in inside])
        return record, tensors


def role_of(name: str) -> Role:
    """Return what a tensor of a file is for."""
    first = name.partition(".")[0]
    return _ROLES.get(first, "vocabulary")


def table_specs(layout: Layout) -> list[ArraySpec]:
    """Return what a table stores, under the names that tensors of a file have."""
    codes = [replace(spec, name=f"codes.{spec.name}") for spec in layout.codes]
    return codes + [replace(spec, name=f"params.{spec.name}") for spec in layout.params]


def small_specs(header: Header, table: Iterable[ArraySpec]) -> list[ArraySpec]:
    """Return what stands in the tensor `small`, one after another.

    Parameters
    ----------
    table
        Of all codes and params, as the codec lays them out.

    Raises
    ------
    FileFormatError
        Where `small` has other bytes, so that nothing is read before its size is known.
    """
    inside = [
        spec
        for spec in sorted(table, key=lambda spec: spec.name)
        if spec.name not in header.specs and spec.nbytes < SMALL
    ]
    lengths = heads_of(header)
    for name, length in zip(_configs(len(lengths)), lengths, strict=True):
        inside.append(ArraySpec(name, "uint8", (length,)))
    found, total = header.specs.get("small"), sum(spec.nbytes for spec in inside)
    if (found is None and inside) or (
        found is not None and (found.dtype, found.shape) != ("uint8", (total,))
    ):
        raise FileFormatError(
            "the header: by codec, rows, dim and heads, the tensor 'small' has "
            f"{total} bytes, found " + ("none" if found is None else f"{found.dtype} {found.shape}")
        )
    return inside


def split_small(content: NDArray[np.uint8], inside: Iterable[ArraySpec]) -> dict[str, NDArray[Any]]:
    """Return the tensors that stand in `small`, as `small_specs` says."""
    found, at = {}, 0
    for spec in inside:
        part = content[at : at + spec.nbytes].copy()  # so that it is aligned
        found[spec.name] = part.view(np.dtype(spec.dtype).newbyteorder("<")).reshape(spec.shape)
        at += spec.nbytes
    return found


def heads_of(header: Header) -> list[int]:
    """Return the bytes of each classifier's configuration, as the header says."""
    if "heads" not in header.record:
        return []
    lengths = header.record.wholes("heads", most=MOST_RECORD)
    if len(lengths) > MOST["classifiers"]:
        raise header.record.wrong("heads", f"at most {MOST['classifiers']} numbers", lengths)
    return lengths


def words_of(tokenizer: Tokenizer | None, vocabulary: Vocabulary | None) -> dict[str, NDArray[Any]]:
    """Return the tensor with the tokenizer, or with the tokens of a foreign table, if any."""
    if tokenizer is not None:
        return {"tokenizer": np.frombuffer(tokenizer.to_bytes(), np.uint8)}
    if vocabulary is not None:
        return {"vocabulary": np.frombuffer(encode_tokens(tuple(vocabulary)), np.uint8)}
    return {}


def vocabulary_of(
    record: Fields,
    specs: Mapping[str, ArraySpec],
    arrays: Arrays,
    rows: int,
) -> tuple[Tokenizer | None, Vocabulary | None]:
    """Return the tokenizer and the tokens that a file holds, as `words_of` gave them."""
    if "tokenizer" in specs:
        tokenizer = stored_tokenizer(record, arrays["tokenizer"].tobytes(), rows)
        return tokenizer, tokenizer.vocabulary
    if "vocabulary" in specs:
        tokens = decode_tokens(arrays["vocabulary"].tobytes(), rows)
        return None, Vocabulary(tokens, **_special_rows(record))
    return None, None


def _special_rows(record: Fields) -> dict[str, Any]:
    """Return the special ids of a foreign table; that they are rows, `Vocabulary` checks."""
    single = {
        key: None if record.values.get(key, "") is None else record.whole(key)
        for key in ("pad_id", "unk_id")
    }
    return {"special_ids": record.wholes("special_ids"), **single}


def contents_of(embedding: CompressedEmbedding, heads: Sequence[Arrays], words: Arrays) -> Contents:
    """Return what a file holds of an embedding, its heads, and its `words_of`."""
    tensors: dict[str, NDArray[Any]] = {}
    tensors |= {f"codes.{name}": array for name, array in embedding.codes.items()}
    tensors |= {f"params.{name}": array for name, array in embedding.params.items()}
    tensors |= words
    for index, head in enumerate(heads):
        tensors |= {f"heads.{index}.{name}": array for name, array in head.items()}
    sizes = {"rows": embedding.rows, "dim": embedding.dim, "classifiers": len(heads)}
    for name, number in sizes.items():
        check_size(name, number, least=0 if name == "classifiers" else 1)
    tokenizer, vocabulary = embedding.tokenizer, embedding.vocabulary
    record: dict[str, Any] = {
        "version": VERSION,
        "codec": embedding.codec.spec,
        "rows": embedding.rows,
        "dim": embedding.dim,
    }
    if tokenizer is not None:
        record["tokenizer"] = tokenizer.kind
        record["normalization"] = tokenizer.normalization.to_json()
    elif vocabulary is not None:
        record["special_ids"] = list(vocabulary.special_ids)
        record["pad_id"], record["unk_id"] = vocabulary.pad_id, vocabulary.unk_id
    return Contents(record, tensors)


def _configs(count: int) -> list[str]:
    return [f"heads.{index}.config" for index in range(count)]


def _octets(array: NDArray[Any]) -> NDArray[np.uint8]:
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return plain.reshape(-1).view(np.uint8)
