"""Reads every attribute of an HDF5 file in a child process, before the file is read here.

For some damaged files the HDF5 library never returns from reading an attribute, and cannot be
interrupted.
"""

import subprocess
import sys
from pathlib import Path

from embzip.errors import InputError

_SECONDS = 30.0
_CODE = """
import sys
import h5py
def read(item):
    for name in item.attrs:
        item.attrs[name]
with h5py.File(sys.argv[1], "r") as file:
    read(file)
    file.visititems(lambda name, item: read(item))
"""


def check_attributes(path: Path, where: str | None = None) -> None:
    """Check that the attributes of a file can be read, within half a minute.

    Parameters
    ----------
    where
        The name of the file in messages; by default its path.

    Raises
    ------
    InputError
        If they cannot be read, or not in time.
    """
    where = str(path) if where is None else where
    command = [sys.executable, "-I", "-c", _CODE, str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and code, the path is an argument
            command, capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{where}: its attributes could not be read within {_SECONDS:.0f} s: the HDF5 file is "
            "damaged"
        ) from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:160]
        raise InputError(f"{where}: damaged ({why})")
