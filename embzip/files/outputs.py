"""Names of a command's results: what a suffix means, and what must not be overwritten.

Everything here is asked before a command works, so that hours of work do not end in a refusal.
Writing itself is in `embzip.files.writing`.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from embzip.errors import OutputError
from embzip.files.names import base_name
from embzip.files.writing import (
    check_local,
    check_replaceable,
    check_writable_place,
    is_character_device,
)

FOLDER = "/"  # a suffix of `Formats`: any name that is not the name of a file of a known format
Formats = Mapping[str, str]  # suffix -> format, the default one first

# Suffixes that promise a format: none of them names a folder, or a file of another format.
_KNOWN = frozenset(
    {".embz", ".keras", ".h5", ".hdf5", ".pb", ".pbtxt", ".tflite", ".onnx", ".safetensors"}
    | {".npy", ".npz", ".vec", ".bin", ".kv", ".model", ".txt", ".tsv", ".csv", ".json", ".toml"}
    | {".md", ".html", ".mjs", ".js", ".c", ".h", ".gz", ".bz2", ".xz", ".zst", ".zip"}
)


def output_path(
    source: str | Path,
    suffix: str,
    output: str | Path | None = None,
    *,
    force: bool = False,
) -> Path:
    """Return the path of a command's result.

    Parameters
    ----------
    source
        The (first) input; `-`, standard input, counts as a file named `stdin`.
    suffix
        Replaces the suffix of the input, such as `.bpe.model`.
    output
        The path the user chose; an existing file is then replaced.
    force
        Whether a derived name may replace an existing file.

    Raises
    ------
    OutputError
        If the derived name exists and `force` is false, or if the parent folder does not exist.

    Examples
    --------
    >>> output_path("texts/corpus.txt", ".bpe.model")
    PosixPath('corpus.bpe.model')
    """
    if output is not None:
        path = Path(output)
        check_local(path)
    else:
        name = "stdin" if str(source) == "-" else base_name(source)
        path = Path(name.removesuffix(Path(name).suffix) + suffix)
        if os.path.lexists(path) and not force:
            raise OutputError(
                f"{path} already exists: choose another name with -o, or replace it with --force"
            )
    if os.path.lexists(path.parent) and not path.parent.is_dir():
        raise OutputError(f"{path}: {path.parent} is no folder: choose another name")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist: create it first")
    return path


def format_of(path: str | Path, formats: Formats, *, marker: str | None = None) -> str:
    """Return the format that the suffix of an output stands for.

    Parameters
    ----------
    path
        The output. A name without a suffix stands for the folder, or for the first format; a
        device and `-`, standard output, for the first format.
    formats
        The format of each suffix, in lower case; of `FOLDER`, the format that is a folder or a
        prefix, whose name may end as it likes.
    marker
        The name of a file that every folder of this kind contains: only such a folder is replaced.

    Raises
    ------
    OutputError
        For a suffix that stands for another format or for none, and for a path at which something
        stands that cannot be replaced: a folder, FIFO, socket or block device.

    Examples
    --------
    >>> format_of("table.VEC", {".embz": "embz", ".vec": "text"})
    'text'
    """
    path = Path(path)
    suffix = (path.suffix or (path.name if path.name.startswith(".") else "")).lower()
    found = formats.get(suffix)
    stream = str(path) == "-" or is_character_device(path)
    if found is None and FOLDER in formats and suffix not in _KNOWN and not stream:
        found = formats[FOLDER]
    if found is None and not suffix:
        found = next(iter(formats.values()))
    if found is None:
        listed = ", ".join(end for end in formats if end != FOLDER)
        if FOLDER in formats:
            listed += (" or " if listed else "") + f"a name without a suffix ({formats[FOLDER]})"
        raise OutputError(
            f"{path}: the suffix of an output decides its format, and here it must be {listed}: "
            "choose another name"
        )
    if found != formats.get(FOLDER):
        check_writable_place(path)
    elif marker is not None:
        check_replaceable(path, marker)
    return found


def make_folder(path: Path, *, parents: bool = False) -> None:
    """Make a folder to write in, if it is not there.

    Parameters
    ----------
    parents
        Whether folders above it are made too.

    Raises
    ------
    OutputError
        If it cannot be made, or something else stands there.
    """
    check_local(path)
    try:
        path.mkdir(parents=parents, exist_ok=True)
    except FileExistsError:
        raise OutputError(
            f"{path}: expected the name of a folder to write, found a file: choose another name"
        ) from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {error.strerror}") from error


def check_apart(output: str | Path, inputs: Iterable[str | Path | None]) -> None:
    """Check that writing `output`, of which `-` is standard output, destroys none of the inputs.

    Files are compared by device and inode, so that links and other spellings are seen through.

    Parameters
    ----------
    inputs
        Files, folders and prefixes of checkpoints; `-` is standard input, None is no input.

    Raises
    ------
    OutputError
        If `output` is an input, stands in a folder that is one, or is a folder that holds one.
    """
    if str(output) == "-":
        stdout = _identity(1)
        for given in inputs:
            if stdout is not None and stdout == _identity(0 if str(given) == "-" else str(given)):
                raise OutputError(f"standard output is the input {given} too: send it elsewhere")
        return
    output = Path(output)
    real = Path(os.path.realpath(output))
    target = _identity(output)
    around = {_identity(folder) for folder in real.parents}
    for given in inputs:
        if given is None:
            continue
        source = Path(given)
        own = _identity(0 if str(given) == "-" else source)
        # The prefix of a checkpoint is no file: its name is compared.
        if (own is not None and own == target) or real == Path(os.path.realpath(source)):
            raise OutputError(f"{output}: is the input {given} too: choose another name with -o")
        if own is not None and own in around and source.is_dir():
            raise OutputError(f"{output}: lies in the input {given}: choose a name outside it")
        if target is not None and target in map(_identity, Path(os.path.realpath(source)).parents):
            raise OutputError(f"{output}: is a folder that holds the input {given}: choose another")


def _identity(path: Path | str | int) -> tuple[int, int] | None:
    """Return device and inode of a file or folder, None where nothing is there or a pipe is."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    whole = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return (status.st_dev, status.st_ino) if whole else None
