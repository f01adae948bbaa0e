"""What a .embz file holds, before it is written: the record, and the tensors by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.embedding import CompressedEmbedding
from embzip.embz.container import VERSION, container_nbytes
from embzip.files.limits import check_size
from embzip.tokenizers.base import Tokenizer
from embzip.types import Arrays
from embzip.vocabulary import Vocabulary, encode_tokens


@dataclass(frozen=True)
class Contents:
    """The record and the tensors of a file."""

    record: dict[str, Any]
    tensors: dict[str, NDArray[Any]]

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return container_nbytes(self.record, self.tensors)


def words_of(tokenizer: Tokenizer | None, vocabulary: Vocabulary | None) -> dict[str, NDArray[Any]]:
    """Return the tensor with the tokenizer, or with the tokens of a foreign table, if any."""
    if tokenizer is not None:
        return {"tokenizer": np.frombuffer(tokenizer.to_bytes(), np.uint8)}
    if vocabulary is not None:
        return {"vocabulary": np.frombuffer(encode_tokens(tuple(vocabulary)), np.uint8)}
    return {}


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
    return Contents(record, tensors)
