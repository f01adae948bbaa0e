"""Which kind of file a path is, by the names of files and folders, without TensorFlow."""

import glob
import re
from pathlib import Path

from embzip.errors import InputError, MissingFileError

_PARTS = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_SUFFIXES = {
    ".pb": "frozen",
    ".pbtxt": "frozen",
    ".h5": "h5",
    ".hdf5": "h5",
    ".keras": "keras",
    ".tflite": "tflite",
}


def kind_of(path: str | Path) -> tuple[str, Path]:
    """Return the format of an artefact and its own path: the folder of a `saved_model.pb`.

    Raises
    ------
    MissingFileError
        Where nothing is there.
    InputError
        Where it is none of the formats.
    """
    path = Path(path)
    if path.name in ("saved_model.pb", "saved_model.pbtxt") and path.is_file():
        path = path.parent
    if path.is_dir() and saved_model_file(path) is not None:
        return "savedmodel", path
    if path.suffix in _SUFFIXES and not path.is_dir():
        return _SUFFIXES[path.suffix], path
    if find_prefix(path) is not None:
        return "checkpoint", path
    if not path.exists():
        raise MissingFileError(f"{path}: no such file, folder or checkpoint prefix")
    raise InputError(
        f"{path}: none of the files that are known: a checkpoint folder or prefix, a SavedModel "
        "folder, .pb, .pbtxt, .h5, .keras or .tflite; a .embz file is inspected and rebuilt, not "
        "slimmed"
    )


def find_prefix(path: Path) -> Path | None:
    """Return the checkpoint prefix a folder, a prefix or one of its files means, or None.

    Raises
    ------
    InputError
        For a folder with several checkpoints and no state file that names the newest.
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
                f"{path}: holds several checkpoints ({', '.join(p.name for p in prefixes)}) and "
                "no file `checkpoint` that names one: give the prefix of the one you mean"
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
    # In most folders there is no such file, and TensorFlow takes seconds.
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

    message = CheckpointState()
    try:
        text_format.Parse(state.read_bytes().decode("utf-8"), message)
    except (text_format.ParseError, UnicodeDecodeError, DecodeError) as error:
        raise InputError(f"{state}: no readable checkpoint state ({error})") from error
    # Only a name: folders move, and a path in a file of someone else is not to be followed.
    return Path(message.model_checkpoint_path).name
