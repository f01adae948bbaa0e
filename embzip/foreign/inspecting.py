"""Inspects files of TensorFlow and Keras. They are read as data: no code in a file runs."""

from pathlib import Path

from embzip.foreign.formats.checkpoints import inspect_checkpoint
from embzip.foreign.formats.frozen import inspect_frozen
from embzip.foreign.formats.hdf5 import inspect_h5
from embzip.foreign.formats.keras_files import inspect_keras
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.formats.saved_models import inspect_saved_model
from embzip.foreign.formats.tflite import inspect_tflite
from embzip.inspection import ArtefactRecord

_READERS = {
    "checkpoint": inspect_checkpoint,
    "savedmodel": inspect_saved_model,
    "frozen": inspect_frozen,
    "h5": inspect_h5,
    "keras": inspect_keras,
    "tflite": inspect_tflite,
}


def inspect(path: str | Path) -> ArtefactRecord:
    """Return what takes up the bytes of a TensorFlow or Keras file.

    Parameters
    ----------
    path
        A checkpoint (folder, prefix, or one of its files), a SavedModel folder, a frozen .pb or
        .pbtxt, .h5, .keras or .tflite.

    Raises
    ------
    InputError
        For a file that is damaged, hostile, or of an unknown format.
    MissingFileError
        If the file, or one that belongs to it, does not exist.
    """
    kind, own = kind_of(path)
    return _READERS[kind](own)
