"""Rows of Parquet, read by pyarrow a block at a time."""

from collections.abc import Iterator
from pathlib import Path

from embzip.errors import InputError, MissingPackageError
from embzip.files.remote import local_file
from embzip.labelled.columns import Columns

MAGIC = b"PAR1"
_ROWS = 1000  # at a time


def parquet_rows(path: str | Path, columns: Columns) -> Iterator[tuple[int, object, object]]:
    """Yield the number, label and text of each row.

    Raises
    ------
    MissingPackageError
        Without pyarrow.
    InputError
        For a damaged file, and for columns that it does not have.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackageError(
            "Parquet needs pyarrow, which is not installed: `pip install 'pyarrow>=17'`, or "
            "`uv sync --extra texts` in a checkout"
        ) from error
    number = 0
    try:
        with local_file(path) as here, parquet.ParquetFile(here) as file:
            names = file.schema_arrow.names
            label, text = (names[place] for place in columns.places_in(names, str(path)))
            for batch in file.iter_batches(batch_size=_ROWS, columns=[label, text]):
                found = zip(batch[label].to_pylist(), batch[text].to_pylist(), strict=True)
                for row in found:
                    number += 1
                    yield (number, *row)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: cannot be read as Parquet ({str(error)[:200]}): obtain the file again"
        ) from error
