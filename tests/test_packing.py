"""Packed files: the same codes, fewer bytes, rows by their blocks, and every way to break one."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embzip
from embzip.codecs.row_classes.index import classes_of
from embzip.compression import compress
from embzip.packing.arrays import PackedArray, read_packed
from embzip.packing.choosing import Classes, pack_array
from embzip.packing.record import Packed
from tests.models import tiny_classifier
from tests.test_codecs_contract import SPECS


def matrix(rows: int = 700, dim: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.standard_t(8, (rows, dim)) * 2.0 ** (-np.arange(dim) / 2)
    return (values * np.exp(rng.normal(0, 0.4, (rows, 1)))).astype(np.float32)


def entropy_bytes(array: np.ndarray) -> float:
    """The empirical entropy of every column's symbols, apart from each other."""
    total = 0.0
    for column in array.reshape(len(array), -1).T:
        counts = np.unique(column, return_counts=True)[1]
        total -= float((counts * np.log2(counts / len(array))).sum())
    return total / 8


@pytest.mark.parametrize("spec", SPECS)
def test_any_codec_packs_and_loads_the_same(tmp_path: Path, spec: str) -> None:
    small = compress(matrix(), spec)
    embzip.save(small, tmp_path / "plain.embz")
    embzip.save(small, tmp_path / "packed.embz", pack=True)
    plain, packed = (tmp_path / name for name in ("plain.embz", "packed.embz"))
    assert packed.stat().st_size <= plain.stat().st_size
    for mmap in (False, True):
        loaded = embzip.load(packed, mmap=mmap)
        loaded.verify()
        ids = np.array([[699, 3], [256, 255]])
        # A matrix product rounds by where in memory its operands begin; codes are equal to the bit.
        np.testing.assert_allclose(loaded[ids], small[ids], rtol=0, atol=1e-6)
        for ours, theirs in ((loaded.codes, small.codes), (loaded.params, small.params)):
            for name, array in theirs.items():
                found = np.asarray(ours[name])
                assert (found.dtype, found.shape) == (array.dtype, array.shape)
                np.testing.assert_array_equal(found, array)
        embzip.save(loaded, tmp_path / "again.embz")
        assert (tmp_path / "again.embz").read_bytes() == plain.read_bytes()


def test_rows_are_reached_by_decoding_their_blocks_only(tmp_path: Path) -> None:
    small = compress(matrix(5000), "int8:scale=column")
    embzip.save(small, tmp_path / "a.embz", pack=True)
    loaded = embzip.load(tmp_path / "a.embz", mmap=True)
    values = loaded.codes["values"]
    assert isinstance(values, PackedArray)
    assert values.packed.blocks == 20
    assert values.blocks_decoded == 1, "the first row is looked at"
    np.testing.assert_array_equal(loaded[[4999, 4990]], small[[4999, 4990]])
    assert values.blocks_decoded == 2
    np.testing.assert_array_equal(loaded[[0, 300, 1]], small[[0, 300, 1]])
    assert values.blocks_decoded == 4
    loaded.decode()
    assert values.blocks_decoded == 24


def test_stored_bytes_are_within_two_per_cent_of_the_entropy(tmp_path: Path) -> None:
    small = compress(matrix(60_000, 12), "int8:scale=column")
    embzip.save(small, tmp_path / "a.embz", pack=True)
    values = embzip.load(tmp_path / "a.embz", mmap=True).codes["values"]
    assert values.content.nbytes < 1.02 * entropy_bytes(small.codes["values"])


def test_class_ids_in_planes_and_offsets_are_packed_near_their_entropy(tmp_path: Path) -> None:
    small = compress(matrix(60_000), "tcq:2")
    embzip.save(small, tmp_path / "a.embz", pack=True)
    stored = {t["name"]: t for t in embzip.inspect(tmp_path / "a.embz").to_json()["tensors"]}
    classes, offsets = stored["codes.classes"], stored["codes.offsets"]
    of_row = classes_of(small.codes["classes"])
    assert classes["packed"]
    assert classes["bytes"] < 1.05 * entropy_bytes(of_row[:, None])
    assert offsets["packed"]
    assert offsets["bytes"] < 0.5 * small.codes["offsets"].nbytes


def test_what_does_not_pay_stays_plain(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3000, 8)).astype(np.uint8)
    assert pack_array(noise) is None
    assert pack_array(np.zeros(10, np.uint8)) is None
    embzip.save(compress(matrix(4), "int8"), tmp_path / "a.embz", pack=True)
    embzip.save(compress(matrix(4), "int8"), tmp_path / "b.embz")
    assert (tmp_path / "a.embz").read_bytes() == (tmp_path / "b.embz").read_bytes()


def test_inspect_shows_what_is_packed(tmp_path: Path) -> None:
    small = compress(matrix(3000), "int4")
    embzip.save(small, tmp_path / "a.embz", pack=True)
    record = embzip.inspect(tmp_path / "a.embz").to_json()
    assert sum(v for k, v in record["bytes"].items() if k != "total") == record["bytes"]["total"]
    values = next(t for t in record["tensors"] if t["name"] == "codes.values")
    assert values["packed"]
    assert values["bytes"] < values["unpacked_bytes"] == small.codes["values"].nbytes
    assert values["shape"] == list(small.codes["values"].shape)


def test_classifiers_pack_too(tmp_path: Path) -> None:
    model = tiny_classifier()
    model.save(tmp_path / "a.embz", pack=True, counts=True)
    loaded = embzip.load_model(tmp_path / "a.embz")
    np.testing.assert_array_equal(
        loaded.probabilities(["able zoo"]), model.probabilities(["able zoo"])
    )


@given(
    st.tuples(
        st.sampled_from(["u1", "i1", "u2", "<f2", "<f4", "<i4", "<i8"]),
        st.integers(1, 900),
        st.integers(1, 5),
        st.integers(0, 2**32 - 1),
        st.integers(1, 256),
    )
)
@settings(max_examples=60, deadline=None)
def test_any_array_that_packs_reads_back(drawn: tuple) -> None:
    dtype, rows, columns, seed, spread = drawn
    rng = np.random.default_rng(seed)
    array = rng.geometric(1 / spread, (rows, columns)).clip(0, 120).astype(dtype)
    kinds = rng.integers(0, 5, rows).astype(np.uint8)
    found = pack_array(array, classes=Classes("kinds", kinds))
    if found is not None:
        packed, content = found
        assert len(content) < array.nbytes
        record = json.loads(json.dumps(packed.to_json()))
        again = Packed.from_json("x", record, len(content))
        read = read_packed(content, again, kinds if again.classes else None)
        np.testing.assert_array_equal(np.asarray(read), array)
        ids = rng.integers(0, rows, 7)
        np.testing.assert_array_equal(read.take(ids), array[ids])
