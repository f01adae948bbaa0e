"""What a method of training gives, and what the ids get that it has not met."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.types import Matrix
from embzip.vectors.matrix import mean_row
from embzip.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class TrainedRows:
    """Rows in the order of ids.

    Attributes
    ----------
    matrix
        float32, (rows, dim); zero where nothing was learned.
    learned
        Of which ids something was learned, (rows,).
    counts
        How often each id occurs in the corpus, (rows,).
    """

    matrix: Matrix
    learned: NDArray[np.bool_]
    counts: NDArray[np.int64]

    def completed(self, vocabulary: Vocabulary) -> Matrix:
        """Return all rows, those included of which nothing was learned.

        They get the row of the unknown id, since nothing else is known about them, and the unknown
        id, if it was not learned itself, the mean of the others. Rows of other special ids that
        were not learned, such as padding, are zero.

        >>> words = Vocabulary(["<PAD>", "<UNK>", "sea", "ship", "sun"], pad_id=0, unk_id=1)
        >>> matrix = np.array([[0, 0], [0, 0], [4, 0], [0, 2], [0, 0]], np.float32)
        >>> learned = np.array([False, False, True, True, False])
        >>> TrainedRows(matrix, learned, learned.astype(int)).completed(words)[[0, 1, 4]].tolist()
        [[0.0, 0.0], [2.0, 1.0], [2.0, 1.0]]
        """
        matrix, unk_id = self.matrix.copy(), vocabulary.unk_id
        known = unk_id is not None and self.learned[unk_id]
        unknown = matrix[unk_id] if known else mean_row(matrix, np.flatnonzero(self.learned))
        missing = ~self.learned
        missing[[index for index in vocabulary.special_ids if index != unk_id]] = False
        matrix[missing] = unknown
        return matrix


def check_known(counts: NDArray[np.int64], vocabulary: Vocabulary, where: str) -> None:
    """Raise InputError unless a corpus has a token that the tokenizer knows."""
    unk_id = vocabulary.unk_id
    if counts.sum() == (0 if unk_id is None else counts[unk_id]):
        raise InputError(
            f"{where}: expected text with tokens that the tokenizer knows, found "
            + (f"{counts.sum()} tokens, all unknown" if counts.any() else "no tokens")
            + ": does the tokenizer belong to this corpus?"
        )
