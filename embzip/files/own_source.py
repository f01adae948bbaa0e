"""The digest of embzip's own source files: what made a file, or runs on another machine."""

from functools import cache
from pathlib import Path

from embzip.files.reading import digest, digest_of_file


@cache
def source_digest() -> str:
    """Return a digest of embzip's own source files, their names and what is in them."""
    root = Path(__file__).parents[1]
    files = sorted(root.rglob("*.py"))
    named = (f"{file.relative_to(root).as_posix()} {digest_of_file(file)}\n" for file in files)
    return digest("".join(named).encode())
