"""What the command line says of an exception that is no `EmbzipError`.

A library below embzip may raise anything at what stands in a file; a mistake of embzip may too.
Both are one line here: where the exception was raised tells them apart.
"""

import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from embzip.files.reading import reason_of

_HERE = Path(__file__).parent.parent


def explained(error: Exception, words: Sequence[str]) -> str:
    """Return one line: what went wrong, with which file, and what to do.

    Parameters
    ----------
    words
        What the user typed after the command; the files among them are named.
    """
    files = " ".join(word for word in words if _exists(word)) or "the input"
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return f"{files}: more memory is needed than there is ({what})"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or files}: {reason_of(error)}"
    raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    release = version("embzip")
    if _HERE in raised.parents:
        return (
            f"a mistake in embzip {release}, not in what you typed ({what}): please report it, "
            "with what the same command prints with --debug"
        )
    return (
        f"{files}: embzip {release} cannot handle what it holds ({what}): obtain the file again, "
        "or make it anew; where it is sound, please report this, with what --debug prints"
    )


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # too long for a name
        return False
