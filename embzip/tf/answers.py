"""What teachers said of texts, kept in a folder: asking them again takes longer than a student.

Needs no TensorFlow.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np

from embzip.files.outputs import make_folder
from embzip.files.writing import atomic_write
from embzip.types import Matrix


def kept_answers(
    folder: Path, asked: Iterable[str], shape: tuple[int, int], ask: Callable[[], Matrix]
) -> Matrix:
    """Return what a folder keeps of a question, or ask, and keep the answer.

    Parameters
    ----------
    asked
        All that the answer depends on, who is asked among it.
    shape
        Of the answer, (rows, columns).
    ask
        Returns it, as float32.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for answer in (0.25, 0.75):
    ...     kept = kept_answers(
    ...         folder, ["a goal"], (1, 1), lambda: np.full((1, 1), answer, np.float32)
    ...     )
    >>> kept.tolist()
    [[0.25]]
    """
    digest = sha256()
    for text in asked:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    path = folder / f"{digest.hexdigest()[:32]}.answers"
    found = _read(path, *shape)
    if found is None:
        found = np.ascontiguousarray(ask(), "<f4")
        make_folder(folder, parents=True)
        content = found.tobytes()
        with atomic_write(path) as file:
            file.write(sha256(content).digest() + content)
    return found


def _read(path: Path, rows: int, columns: int) -> Matrix | None:
    """Return the numbers of a file; None where there is none, or it is not as it was written."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    if sha256(content[32:]).digest() != content[:32] or len(content) != 32 + 4 * rows * columns:
        return None
    return np.frombuffer(content, "<f4", offset=32).reshape(rows, columns).astype(np.float32)
