"""How a file of rows begins and ends, in text and in binary: what its header declares is checked.

What a header declares is not believed: no memory is taken that the file's size does not allow.
"""

from dataclasses import dataclass
from pathlib import Path

from embzip.errors import InputError
from embzip.files.limits import MOST
from embzip.types import Matrix
from embzip.vectors.changes import Accepted, Changes, Gathered
from embzip.vectors.growing import GrowingRows


@dataclass(frozen=True)
class RowFile:
    """A file of rows while it is read.

    Attributes
    ----------
    path
        The file, for messages.
    declared, dim
        What its header says: rows, None without a header; numbers a row.
    gathered, rows
        Tokens and numbers so far.
    """

    path: Path
    declared: int | None
    dim: int
    gathered: Gathered
    rows: GrowingRows

    @staticmethod
    def of(
        path: Path, declared: int | None, dim: int, accepted: Accepted, size: int | None, least: int
    ) -> "RowFile":
        """Begin to read a file.

        Parameters
        ----------
        size
            Bytes of the file; None where they are not known.
        least
            Bytes that a row takes at least.

        Raises
        ------
        InputError
            Where not even one row fits.
        """
        limits = [number for number in (declared, accepted.limit) if number is not None]
        room = 0 if size is None or not limits else min([size // least + 1, *limits])
        fits = size is None or least <= size
        made = RowFile(path, declared, dim, Gathered(accepted), GrowingRows(dim, room * fits))
        if declared is not None and not fits:
            raise made.cut_short(0)
        return made

    def cut_short(self, row: int) -> InputError:
        """Return the error of a file that ends in a row before the last one it declares."""
        return InputError(
            f"{self.path}: the file is cut short: its header declares {self.declared} rows of "
            f"{self.dim} numbers, but it ends in row {row}: obtain it again, or pass --skip-bad "
            "(skip_bad=True) to take the rows that are whole"
        )

    def finished(self) -> tuple[list[str], Matrix, Changes]:
        """Return tokens, rows and what was left out.

        Raises
        ------
        InputError
            For no row.
        """
        if not self.gathered.tokens:
            raise InputError(f"{self.path}: expected vectors, found no row that can be read")
        return self.gathered.tokens, self.rows.finished(), self.gathered.changes


def check_header(path: Path, rows: int, dim: int) -> None:
    """Raise InputError for a header of no rows, or of rows with no numbers or too many."""
    if dim > MOST["dim"]:
        raise InputError(
            f"{path}, row 0: a row has at most {MOST['dim']:,} numbers, and the header declares "
            f"{dim:,}: correct the header"
        )
    if rows < 1 or dim < 1:
        raise InputError(
            f"{path}, line 1: expected a header with at least 1 row and 1 dimension, found "
            f"'{rows} {dim}'"
        )
