"""Arrays of NumPy: read as data, held against the bytes that are there."""

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from embzip.errors import InputError
from embzip.files.npz import read_arrays


def test_arrays_by_name_and_one_without(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", ids=np.arange(6).reshape(2, 3), texts=np.array(["a", "bc"]))
    np.save(tmp_path / "one.npy", np.eye(2, dtype=np.float32))
    found = read_arrays(tmp_path / "some.npz")
    assert found["ids"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["texts"].tolist() == ["a", "bc"]
    assert read_arrays(tmp_path / "one.npy")[""].tolist() == [[1, 0], [0, 1]]


def test_pickles_damage_and_false_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"Python objects, as a pickle, which can run any code"):
        read_arrays(path)
    np.save(path, np.zeros(4))
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(InputError, match=r"the array has 24 bytes, and its header declares 32"):
        read_arrays(path)
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    path.write_bytes(whole[:8] + struct.pack("<H", len(header)) + header)
    with pytest.raises(InputError, match=r"has 0 bytes, and its header declares 8,000,000,000,000"):
        read_arrays(path)
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("ids.npy", whole[:20])
    with pytest.raises(InputError, match=r"cannot be read as \.npz"):
        read_arrays(tmp_path / "bad.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(InputError, match=r"expected arrays of NumPy: \.npz or \.npy, found text"):
        read_arrays(tmp_path / "text.npz")
