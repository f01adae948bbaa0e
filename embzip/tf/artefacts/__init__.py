"""TensorFlow's files: what is in them, and the same files with nothing but what inference needs.

`inspect` reads any of them as data: no code, graph or layer of a file runs.
"""

from pathlib import Path

from embzip.errors import InputError, MissingFileError
from embzip.tf.artefacts.checkpoints import find_prefix, inspect_checkpoint
from embzip.tf.artefacts.frozen import inspect_frozen
from embzip.tf.artefacts.hdf5 import inspect_h5
from embzip.tf.artefacts.keras_files import inspect_keras
from embzip.tf.artefacts.record import ArtefactRecord, NodeCounts, StoredTensor
from embzip.tf.artefacts.saved_models import inspect_saved_model, saved_model_file
from embzip.tf.artefacts.tflite import inspect_tflite

__all__ = ["ArtefactRecord", "NodeCounts", "StoredTensor", "inspect", "kind_of"]

_READERS = {
    "checkpoint": inspect_checkpoint,
    "savedmodel": inspect_saved_model,
    "frozen": inspect_frozen,
    "h5": inspect_h5,
    "keras": inspect_keras,
    "tflite": inspect_tflite,
}
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


def inspect(path: str | Path) -> ArtefactRecord:
    """Return where the bytes of a TensorFlow or Keras file are.

    Parameters
    ----------
    path
        A checkpoint (folder, prefix, or one of its files), a SavedModel folder, a frozen .pb or
        .pbtxt, .h5, .keras or .tflite.

    Raises
    ------
    InputError
        For a file that is damaged or hostile, or of no known format.
    MissingFileError
        Where it, or a part of it, is missing.
    """
    kind, own = kind_of(path)
    return _READERS[kind](own)
