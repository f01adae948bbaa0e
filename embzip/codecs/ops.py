"""The operations decoders are made of, and NumPy's way to do them."""

from typing import Any, Protocol

import numpy as np


class ArrayOps(Protocol):
    """The operations decoders are made of; arrays are NumPy's or a framework's."""

    def take(self, array: Any, ids: Any) -> Any:
        """Return array[ids] along the first axis; ids are int32."""

    def cast(self, array: Any, dtype: str) -> Any:
        """Return the array in another dtype."""

    def matmul(self, left: Any, right: Any) -> Any:
        """Return the matrix product."""

    def multiply(self, left: Any, right: Any) -> Any:
        """Return the product of elements."""

    def add(self, left: Any, right: Any) -> Any:
        """Return the sum of elements."""

    def reshape(self, array: Any, shape: tuple[int, ...]) -> Any:
        """Return the array in another shape; one -1 is allowed."""

    def concatenate(self, arrays: list[Any], axis: int) -> Any:
        """Return arrays joined along an axis."""

    def columns(self, array: Any, first: int, last: int) -> Any:
        """Return array[:, first:last]."""

    def take_along(self, array: Any, ids: Any) -> Any:
        """Return (k, n) elements: ids[i, j] names a column of row i of a matrix."""

    def cumsum(self, array: Any) -> Any:
        """Return sums of the columns up to and with each, of a matrix."""

    def right_shift(self, array: Any, bits: Any) -> Any:
        """Return whole numbers, int32 and not negative, shifted right by 0 to 30 bits."""

    def bitwise_and(self, array: Any, mask: Any) -> Any:
        """Return the lowest bits of such numbers; the mask is 2^n - 1."""

    def largest(self, array: Any, most: int) -> int:
        """Return the largest of whole numbers, or `most` where a graph is made before they are."""


class _NumpyOps:
    def take(self, array: Any, ids: Any) -> Any:
        # A packed array takes its own rows, decoding no others.
        return (array if hasattr(array, "take") else np.asarray(array)).take(ids, axis=0)

    def cast(self, array: Any, dtype: str) -> Any:
        return np.asarray(array).astype(dtype, copy=False)

    def matmul(self, left: Any, right: Any) -> Any:
        return left @ right

    def multiply(self, left: Any, right: Any) -> Any:
        return left * right

    def add(self, left: Any, right: Any) -> Any:
        return left + right

    def reshape(self, array: Any, shape: tuple[int, ...]) -> Any:
        return np.reshape(array, shape)

    def concatenate(self, arrays: list[Any], axis: int) -> Any:
        return np.concatenate(arrays, axis=axis)

    def columns(self, array: Any, first: int, last: int) -> Any:
        return array[:, first:last]

    def take_along(self, array: Any, ids: Any) -> Any:
        rows, width = array.shape
        flat = np.arange(rows, dtype=np.int64)[:, None] * width
        return np.take(array, flat + ids)

    def cumsum(self, array: Any) -> Any:
        return np.cumsum(array, axis=1, dtype=array.dtype)

    def right_shift(self, array: Any, bits: Any) -> Any:
        return array >> bits

    def bitwise_and(self, array: Any, mask: Any) -> Any:
        return array & mask

    def largest(self, array: Any, most: int) -> int:
        return int(array.max())


numpy_ops: ArrayOps = _NumpyOps()
