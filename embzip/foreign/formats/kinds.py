"""Recognizes the kind of a file, without TensorFlow: by its content first, by its name second."""

import glob
import os
import re
from pathlib import Path

from embzip.errors import InputError, MissingFileError
from embzip.files.signatures import signature_of

KINDS = (
    "a checkpoint (folder, prefix, or one of its files), a SavedModel folder, a frozen .pb or "
    ".pbtxt, .h5, .keras or .tflite"
)
_PARTS = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_SUFFIXES = {
    ".pb": "frozen",
    ".pbtxt": "frozen",
    ".h5": "h5",
    ".hdf5": "h5",
    ".keras": "keras",
    ".tflite": "tflite",
}


def kind_of(path: str | Path, *, expected: str = KINDS) -> tuple[str, Path]:
    """Return the format of an artefact and its path, which for `saved_model.pb` is the folder.

    A file whose content is of no known kind, such as a damaged one, is what its name says.

    Parameters
    ----------
    expected
        What is expected there, for the message.

    Raises
    ------
    MissingFileError
        If the path does not exist.
    InputError
        For a file of another kind, which the message names.
    """
    path = Path(path)
    if path.name in ("saved_model.pb", "saved_model.pbtxt") and path.is_file():
        path = path.parent
    if path.is_dir() and saved_model_file(path) is not None:
        return "savedmodel", path
    if _PARTS.search(path.name):  # what a checkpoint's data begins with, says nothing
        return "checkpoint", path
    found = signature_of(path) if os.path.isfile(path) else None
    if found is not None and found.kind in _SUFFIXES.values():
        return found.kind, path
    named = found is None or found.kind in ("unknown", "empty") or path.suffix == ".pbtxt"
    if named and path.suffix in _SUFFIXES and not path.is_dir():
        return _SUFFIXES[path.suffix], path
    if find_prefix(path) is not None:
        return "checkpoint", path
    if not path.exists():
        raise MissingFileError(f"{path}: no such file, folder or checkpoint prefix")
    what = "a folder without one" if found is None else str(found)
    raise InputError(f"{path}: expected {expected}, found {what}")


def find_prefix(path: Path) -> Path | None:
    """Return the checkpoint prefix that a folder, a prefix or one of its files names, or None.

    Raises
    ------
    InputError
        For a folder with several checkpoints and no `checkpoint` file that names the latest.
    """
    if path.is_dir():
        prefixes = sorted({p.with_suffix("") for p in path.glob("*.index")})
        state = path / "checkpoint"
        if state.is_file():
            latest = path / _latest(state)
            if latest in prefixes or not prefixes:
                return latest
        if len(prefixes) > 1:
            raise InputError(
                f"{path}: contains several checkpoints ({', '.join(p.name for p in prefixes)}) and "
                "no file `checkpoint` that names one: pass the prefix of one of them"
            )
        return prefixes[0] if prefixes else None
    if _PARTS.search(path.name):
        return path.with_name(_PARTS.sub("", path.name))
    exists = any(Path(f"{path}{end}").exists() for end in (".index", ".meta"))
    return path if exists or any(path.parent.glob(f"{glob.escape(path.name)}.data-*")) else None


def saved_model_file(folder: Path) -> Path | None:
    """Return the protobuf file that makes a folder a SavedModel, or None."""
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        if (folder / name).is_file():
            return folder / name
    return None


def _latest(state: Path) -> str:
    # Imported here, because most folders have no such file and TensorFlow takes seconds to import.
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

    message = CheckpointState()
    try:
        text_format.Parse(state.read_bytes().decode("utf-8"), message)
    except (text_format.ParseError, UnicodeDecodeError, DecodeError, RecursionError) as error:
        raise InputError(
            f"{state}: the checkpoint state cannot be read ({error}): pass a checkpoint prefix"
        ) from error
    # Only the name is used: folders are moved, and paths in foreign files must not be followed.
    return Path(message.model_checkpoint_path).name
