"""Reads a table and its tokens from a .npz file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embzip.files.npz import arrays_in
from embzip.vectors.tensors import chosen_tensor


def read_npz(path: Path, tensor: str | None) -> tuple[NDArray[np.floating], tuple[str, ...] | None]:
    """Return the matrix of a .npz file, and its tokens if an array of text has one for each row.

    Parameters
    ----------
    tensor
        The array to read, where several may be meant.

    Raises
    ------
    InputError
        For a damaged file, arrays of Python objects, and where no or several arrays may be meant.
    """
    with arrays_in(path) as (heads, read):
        shapes = {name: head[0] for name, head in heads.items() if head[1].kind == "f"}
        matrix = read(chosen_tensor(path, shapes, tensor))
        texts = [
            other
            for other, (shape, dtype) in heads.items()
            if dtype.kind == "U" and shape == (len(matrix),)
        ]
        words = tuple(read(texts[0]).tolist()) if len(texts) == 1 else None
    return matrix, words
