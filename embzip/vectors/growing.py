"""A float32 table that grows while it is read, for files that do not say how large they are."""

import numpy as np

from embzip.types import Matrix

_SHARE = 8  # of the rows so far: how many more there is room for, zeros until they are read


class GrowingRows:
    """Rows that are added block by block.

    Parameters
    ----------
    dim
        Numbers a row.
    expected
        How many rows may come: room for them is taken at once.

    Examples
    --------
    >>> table = GrowingRows(2, 0)
    >>> table.room(3)[:] = 1
    >>> table.keep(2)
    >>> table.finished().tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """

    def __init__(self, dim: int, expected: int) -> None:
        self._matrix = np.empty((expected, dim), np.float32)
        self.rows = 0

    def room(self, rows: int) -> Matrix:
        """Return a view of the next rows; it ends when the table grows."""
        needed = self.rows + rows
        if needed > len(self._matrix):
            # The C library moves large blocks without copying them. No view is in use any more.
            self._resize(needed + needed // _SHARE)
        return self._matrix[self.rows : needed]

    def keep(self, rows: int) -> None:
        """Keep so many of the rows that were asked for last."""
        self.rows += rows

    def finished(self) -> Matrix:
        """Return the rows that were kept, (rows, dim)."""
        self._resize(self.rows)
        return self._matrix

    def _resize(self, rows: int) -> None:
        self._matrix.resize((rows, self._matrix.shape[1]), refcheck=False)
