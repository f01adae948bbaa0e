"""Where a variable's numbers are in a checkpoint: under which key, and which slice of its tensor.

A partitioned variable (`words/part_0`, `words/part_1`) is one tensor in the file (`words`), and
each part restores its slice of it. TensorFlow writes a slice as text: the shape of the whole
tensor, then the first index and the length on each axis, as in `2000 32 0,667:-`.
"""

from dataclasses import dataclass

from embzip.errors import InputError

_Span = tuple[int, int]  # first index and length


@dataclass(frozen=True)
class TensorSlice:
    """A key of a checkpoint, and the slice of its tensor; an empty one is the whole tensor."""

    key: str
    slice: str = ""

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the slice of a tensor that has the shape `whole`.

        Raises
        ------
        InputError
            If the slice is of a tensor of another shape, or cannot be read.

        Examples
        --------
        >>> TensorSlice("words", "2000 32 667,600:-").shape((2000, 32))
        (600, 32)
        """
        if not self.slice:
            return whole
        *axes, spans = self.slice.split(" ")
        try:
            declared = tuple(map(int, axes))
            parts = [
                _span(text, size) for text, size in zip(spans.split(":"), declared, strict=True)
            ]
        except ValueError as error:
            raise InputError(
                f"the graph reads the slice {self.slice!r} of {self.key!r}, which is none: it is "
                "damaged"
            ) from error
        inside = all(
            0 <= first <= first + length <= size
            for (first, length), size in zip(parts, declared, strict=True)
        )
        if declared != whole or not inside:
            raise InputError(
                f"the graph reads the slice {self.slice!r} of {self.key!r}, which has the shape "
                f"{whole} in the checkpoint: the two do not belong together"
            )
        return tuple(length for _, length in parts)


def _span(text: str, size: int) -> _Span:
    if text == "-":
        return 0, size
    first, length = map(int, text.split(","))
    return first, length
