"""Files of vectors: reading and writing them, and the float32 matrix they hold."""

from embzip.vector_files.matrix import Matrix, checked_counts, checked_matrix, mean_row
from embzip.vector_files.reading import Format, read_rows
from embzip.vector_files.writing import write_rows

__all__ = [
    "Format",
    "Matrix",
    "checked_counts",
    "checked_matrix",
    "mean_row",
    "read_rows",
    "write_rows",
]
