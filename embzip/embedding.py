"""A compressed table: rows are decoded when they are asked for, and only those.

How it is stored is in `embzip.embz.format`; the arithmetic is in `embzip.codecs`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip import checking
from embzip.appending import extended, selected
from embzip.codecs.chain import Codec
from embzip.engine import fill_rows
from embzip.errors import InputError, MismatchError, UnknownTokenError
from embzip.packing.arrays import PackedArray
from embzip.tokenizers.base import Tokenizer
from embzip.types import Arrays, Matrix
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary

_KEPT = 1 << 19  # numbers, 2 MB: to look up a decoded row takes a tenth of the time


@dataclass(frozen=True, eq=False)
class CompressedEmbedding:
    """A (rows, dim) table as codes and params.

    Attributes
    ----------
    codec
        A resolved codec.
    codes, params
        Arrays a row each, and arrays shared by all rows.
    vocabulary
        The rows' tokens, or None for a bare matrix.
    tokenizer
        What the rows were trained with, or None in a foreign table.
    counts
        How often each row's token was seen, where that is known.
    mapped
        The file that codes are read from when their rows are asked for, and so checked only then;
        empty where they were read and checked at once.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip import compress
    >>> table = compress(np.eye(4, dtype=np.float32), "int8")
    >>> len(table), table.dim, table.nbytes
    (4, 4, 32)
    >>> table[[1, 2]].argmax(axis=1)
    array([1, 2])
    >>> table
    <CompressedEmbedding: int8, 4 rows of 4>
    """

    codec: Codec
    codes: Arrays
    params: Arrays
    rows: int
    dim: int
    vocabulary: Vocabulary | None = None
    tokenizer: Tokenizer | None = None
    counts: NDArray[np.int64] | None = None
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)
    mapped: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return f"<CompressedEmbedding: {self.codec.spec}, {self.rows:,} rows of {self.dim}>"

    def __post_init__(self) -> None:
        for what, length in (("vocabulary", self.vocabulary), ("counts", self.counts)):
            if length is not None and len(length) != self.rows:
                raise MismatchError(
                    f"the {what} has {len(length)} entries, the table {self.rows} rows: "
                    "they must be the same"
                )

    def __len__(self) -> int:
        return self.rows

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, dim)."""
        return self.rows, self.dim

    @property
    def pad_id(self) -> int | None:
        """The padding row, which decodes to zeros, or None in foreign tables."""
        return None if self.vocabulary is None else self.vocabulary.pad_id

    @property
    def unk_id(self) -> int | None:
        """The row of unknown tokens, or None in foreign tables."""
        return None if self.vocabulary is None else self.vocabulary.unk_id

    @property
    def nbytes(self) -> int:
        """Bytes of codes and params, as stored."""
        return sum(array.nbytes for array in (*self.codes.values(), *self.params.values()))

    @cached_property
    def tables(self) -> Arrays:
        """What decoding looks up beside the params: made of them on first use, never stored."""
        return self.codec.tables(self.params, self.dim)

    @property
    def resident_nbytes(self) -> int:
        """Bytes of codes, params and tables; beside them, up to 2 MB of decoded rows are kept."""
        return self.nbytes + sum(array.nbytes for array in self.tables.values())

    def __getitem__(self, ids: ArrayLike | slice) -> Matrix:
        """Return the rows of some ids.

        Parameters
        ----------
        ids
            Integers of any shape, or a slice.

        Returns
        -------
        float32, the ids' shape + (dim,).

        Raises
        ------
        IdRangeError
            For an id outside 0..rows-1; negative ids do not count from the end.
        InputTypeError
            For ids that are not integers.
        FileFormatError
            In a mapped file, for rows that encoding never makes.
        """
        if isinstance(ids, slice):
            ids = np.arange(*ids.indices(self.rows))
        wanted = np.asarray(ids)
        if wanted.size == 0:
            return np.zeros((*wanted.shape, self.dim), np.float32)
        checking.check_ids(wanted, self.rows)
        flat = wanted.reshape(-1).astype(np.int64, copy=False)
        if self._small:
            return self._rows[flat].reshape(*wanted.shape, self.dim)
        # A packed array decodes a block anew each time, so it is asked for all rows at once.
        step = len(flat) if self._packed else self._step
        if len(flat) <= step:
            rows = self._decoded(flat)
        else:
            rows = fill_rows(np.empty((len(flat), self.dim), np.float32), self._decoded, flat, step)
        if self.pad_id is not None:
            rows[flat == self.pad_id] *= np.float32(0)  # as the Keras layer does, signs and all
        return rows.reshape(*wanted.shape, self.dim)

    @cached_property
    def _packed(self) -> bool:
        return any(isinstance(array, PackedArray) for array in self.codes.values())

    @cached_property
    def _small(self) -> bool:
        """Whether all rows are decoded at the first look-up and kept."""
        return not (self.mapped or self._packed) and self.rows * self.dim <= _KEPT

    @cached_property
    def _rows(self) -> Matrix:
        return self.decode()

    @cached_property
    def _known(self) -> dict[str, NDArray[Any]]:
        return {**self.params, **self.tables}

    def decode(self) -> Matrix:
        """Return the whole table, (rows, dim) float32.

        Raises
        ------
        FileFormatError
            In a mapped file, for codes that encoding never makes.
        """
        if self.mapped and not self.codec.quantizer.by_row:
            self.check()
        table = np.empty((self.rows, self.dim), np.float32)
        fill_rows(table, self._decoded, np.arange(self.rows), self._step)
        if self.pad_id is not None:
            table[self.pad_id] *= np.float32(0)
        return table

    def _decoded(self, ids: NDArray[np.int64]) -> Matrix:
        if not self.mapped:
            return self.codec.decode_rows(self.codes, self._known, ids)
        with checking.located(self.mapped):
            return checking.check_rows(self.codec, self.codes, self._known, ids)

    @property
    def _step(self) -> int:
        """How many rows are decoded at a time."""
        return max(1, self.codec.quantizer.numbers_at_once // max(1, self.dim))

    def vector(self, token: str) -> Matrix:
        """Return the (dim,) row of a token.

        Raises
        ------
        UnknownTokenError
            For a token that is not in the vocabulary.
        InputError
            For a table without a vocabulary.
        """
        if self.vocabulary is None:
            raise InputError("this table has no vocabulary: take rows by id, table[ids]")
        if token not in self.vocabulary:
            raise UnknownTokenError(f"the vocabulary has no token {token!r}")
        return self[self.vocabulary[token]]

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text, by the tokenizer the table was made with.

        Raises
        ------
        InputError
            For a table without a tokenizer.
        """
        if self.tokenizer is None:
            raise InputError(
                "this table has no tokenizer, so it cannot encode text: "
                "look tokens up with table.vocabulary"
            )
        return self.tokenizer.encode(texts)

    def verify(self) -> None:
        """Check all that mapping left unchecked: digests, and values that encoding never makes.

        Raises
        ------
        FileFormatError
            Naming the first tensor that differs.
        """
        with checking.located(self.mapped):
            checking.check_digests(self.codes, self.params, self.digests)
        self.check()

    def check(self) -> None:
        """Check the values of codes and params, in blocks of rows.

        Raises
        ------
        FileFormatError
            For values that encoding never makes, as in a crafted file.
        """
        with checking.located(self.mapped):
            checking.check_params(self.params)  # before tables are made of them
            checking.check_values(self.codec, self.codes, self._known, self.rows, self.dim)

    def check_params(self) -> None:
        """Check the values of params, and of the first row's codes: no other row is read.

        Raises
        ------
        FileFormatError
            For values that encoding never makes.
        """
        with checking.located(self.mapped):
            checking.check_params(self.params)
            checking.check_rows(self.codec, self.codes, self._known, np.zeros(1, np.int64))

    def take_rows(self, ids: NDArray[np.int64], tokenizer: Tokenizer) -> "CompressedEmbedding":
        """Return the table of some rows, in that order, under another tokenizer."""
        fields = selected(self.codec, self.codes, self.params, self.counts, ids, tokenizer)
        return replace(self, **fields, digests={})

    def append(self, vectors: Vectors | ArrayLike) -> "CompressedEmbedding":
        """Return the table with further rows, which its own params encode, without any metric.

        Parameters
        ----------
        vectors
            Tokens with rows of as many columns; a (k, dim) array where the table has no vocabulary.

        Returns
        -------
        The new rows last; words of a tokenizer stay in order, so that all rows get new ids.

        Raises
        ------
        SpecError
            For a codec that cannot encode by what is stored of it, such as `ectcq` or `sparse`.
        InputError, MismatchError
            For rows of another dim or not finite, of zeros in a table fitted without such a row,
            and for tokens that the table has, or that its tokenizer would never find.

        Examples
        --------
        >>> import numpy as np, embzip
        >>> table = embzip.compress(np.eye(4, dtype=np.float32), "int8")
        >>> table.append(np.ones((1, 4), np.float32))[4]
        array([1., 1., 1., 1.], dtype=float32)
        """
        return replace(self, **extended(self, vectors), digests={}, mapped="")
