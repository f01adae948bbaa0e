"""How the tensors that codecs make are laid out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.engine import spans

AT_ONCE = 1 << 18  # rows that are looked up


@dataclass(frozen=True)
class ArraySpec:
    """Name, dtype (NumPy's name) and shape of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        size = np.dtype(self.dtype).itemsize
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True)
class Layout:
    """Every tensor of a compressed table."""

    codes: tuple[ArraySpec, ...] = ()
    params: tuple[ArraySpec, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(spec.nbytes for spec in self.codes + self.params)


def taken(
    values: NDArray[Any], index: NDArray[Any], out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return `values[index]` of an index (rows,), in blocks: NumPy widens one to 8 bytes a row.

    >>> taken(np.uint8([5, 7]), np.uint16([1, 1, 0]))
    array([7, 7, 5], dtype=uint8)
    """
    made = np.empty(len(index), values.dtype) if out is None else out
    for part in spans(len(index), AT_ONCE):
        made[part] = values[index[part]]
    return made
