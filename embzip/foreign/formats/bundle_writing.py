"""Writes a checkpoint a few tensors at a time, so that memory holds little more than one."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.context import eager_mode

from embzip.errors import EmbzipError, OutputError
from embzip.files.writing import temporary_folder
from embzip.foreign.formats.bundles import Bundle

SHARD = 2**29  # bytes written at a time; a larger tensor is written alone
_FILES = re.compile(r"\.(index|data-\d{5}-of-\d{5})$")


def write_bundle(
    target: Path, names: Sequence[str], value: Callable[[str], Any], source: Bundle
) -> None:
    """Write the .index and .data files of a prefix, replacing those of an older checkpoint.

    Parameters
    ----------
    names
        Keys of the tensors; `source` has their sizes.
    value
        Returns the tensor of a key; called once for each.

    Raises
    ------
    OutputError
        If writing fails.
    """
    with (
        temporary_folder(target.parent, for_output=target) as folder,
        eager_mode(),  # a script for TF1 may have turned it off
        tensorflow_writes(target),
    ):
        parts = []
        for number, group in enumerate(_groups(names, source)):
            parts.append(f"{folder}/part-{number}")
            tf.raw_ops.SaveV2(
                prefix=parts[-1],
                tensor_names=group,
                shape_and_slices=[""] * len(group),
                tensors=[value(name) for name in group],
            )
        whole = parts[0]
        if len(parts) > 1:
            whole = f"{folder}/whole"
            tf.raw_ops.MergeV2Checkpoints(
                checkpoint_prefixes=parts, destination_prefix=whole, delete_old_dirs=False
            )
        made = _files(Path(whole))
        old = [end for end in _files(target) if end not in made]
        for end in made:  # the index last: without it, TensorFlow sees no checkpoint
            Path(f"{whole}{end}").replace(f"{target}{end}")
        for end in old:
            Path(f"{target}{end}").unlink()


@contextmanager
def tensorflow_writes(target: Path) -> Iterator[None]:
    """Say in one line, with the name of the output, what TensorFlow raises when it cannot write.

    Raises
    ------
    OutputError
        Where the block raises an error of TensorFlow or of the operating system.
    """
    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        if isinstance(error, EmbzipError):
            raise
        found = " ".join(str(error).split())
        reason = "No space left on device"  # TensorFlow says it after names of its own
        why = reason if reason in found else found[-200:]
        raise OutputError(
            f"{target}: writing failed ({why}); what stood there, if anything, is untouched"
        ) from error


def _groups(names: Sequence[str], source: Bundle) -> Iterator[list[str]]:
    group: list[str] = []
    held = 0
    for name in names:
        size = source.nbytes(name)
        if group and held + size > SHARD:
            yield group
            group, held = [], 0
        group.append(name)
        held += size
    yield group


def _files(prefix: Path) -> list[str]:
    """Return the suffixes of a checkpoint's file names, the index last."""
    ends = [
        path.name.removeprefix(prefix.name)
        for path in prefix.parent.iterdir()
        if path.name.startswith(prefix.name) and _FILES.fullmatch(path.name[len(prefix.name) :])
    ]
    return sorted(ends)
