"""An array that stands in several, one after another, such as those mapped from several files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


@dataclass(frozen=True, eq=False)
class Stretch:
    """A part of an array along its first axis.

    Attributes
    ----------
    array
        The entries.
    digest
        Of its bytes, as it is stated.
    file
        Where it stands.
    """

    array: NDArray[Any]
    digest: str
    file: str


class JoinedArray(np.lib.mixins.NDArrayOperatorsMixin):
    """Stretches of an array as one.

    NumPy takes it for an array. `take`, `[ids]` and slices read the stretches that hold those
    entries; what else an array can do is done with all of it.

    Examples
    --------
    >>> parts = [Stretch(np.arange(3), "", ""), Stretch(np.arange(3, 5), "", "")]
    >>> joined = JoinedArray(parts)
    >>> joined[np.array([4, 0])].tolist(), joined[2:4].tolist(), (joined > 3).tolist()
    ([4, 0], [2, 3], [False, False, False, False, True])
    """

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self.stretches = stretches
        lengths = [len(each.array) for each in stretches]
        self.shape: tuple[int, ...] = (sum(lengths), *stretches[0].array.shape[1:])
        self.dtype = stretches[0].array.dtype
        self.ndim = len(self.shape)
        self.nbytes = sum(each.array.nbytes for each in stretches)
        self.size = sum(each.array.size for each in stretches)
        self._ends = np.cumsum(lengths)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        joined = np.concatenate([each.array for each in self.stretches])
        return joined.astype(self.dtype if dtype is None else dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [np.asarray(each) if isinstance(each, JoinedArray) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, np.ndarray) and key.dtype.kind in "iu":
            return self.take(key)
        if not isinstance(key, slice):
            return np.asarray(self)[key]
        first, stop, step = key.indices(len(self))
        if step != 1:
            return np.asarray(self)[key]
        begin, end = np.searchsorted(self._ends, [first, max(first, stop - 1)], "right").tolist()
        found = []
        for index in range(begin, min(end, len(self.stretches) - 1) + 1):
            array = self.stretches[index].array
            start = int(self._ends[index]) - len(array)
            found.append(array[max(0, first - start) : max(0, stop - start)])
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else self.stretches[0].array[:0]

    def take(self, ids: ArrayLike, axis: int | None = 0, **_: Any) -> NDArray[Any]:
        """Return entries; only their stretches are read.

        Raises
        ------
        IndexError
            Beyond the last entry.
        """
        places = np.asarray(ids)
        if axis not in (None, 0) or (axis is None and self.ndim > 1):
            return np.asarray(self).take(places, axis=axis)
        flat = places.reshape(-1)
        if flat.size and not 0 <= int(flat.min()) <= int(flat.max()) < len(self):
            raise IndexError(f"entries lie in 0..{len(self) - 1}")
        which = np.searchsorted(self._ends, flat, "right")
        found = np.empty((len(flat), *self.shape[1:]), self.dtype)
        for index in np.unique(which):
            array, chosen = self.stretches[index].array, which == index
            found[chosen] = array[flat[chosen] - (self._ends[index] - len(array))]
        return found.reshape(*places.shape, *self.shape[1:])
