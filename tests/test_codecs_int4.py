"""int4, int2 and int1 on tables small enough to check by eye, and against brute force."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import embzip
from embzip.codecs.ops import numpy_ops
from embzip.codecs.scales import fit_scale_range, nearest_scale, scale_table
from embzip.codecs.sub_byte import byte_tables, pack, packed_specs, unpack
from embzip.compression import compress
from embzip.errors import FileFormatError

TABLE = np.array(
    [
        [7.0, -7.0, 3.0, 0.0, 1.0, -1.0, 2.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [7.0, 7.0, -7.0, 0.0, 1.0, 0.4, -2.0],
    ],
    np.float32,
)


def brute_force(row: np.ndarray, levels: np.ndarray) -> float:
    """Return the least squared error over 4,000 scales."""
    return min(
        float(
            np.square(row - scale * levels[np.abs(row[:, None] - scale * levels).argmin(1)]).sum()
        )
        for scale in np.linspace(1e-3, 2.5, 4000) * np.abs(row).max()
    )


def test_whole_levels_two_a_byte() -> None:
    """Levels are stored from -7 on: 14 is 7, 7 is 0; the first of two stands in the low half."""
    small = compress(TABLE, "int4:scale=none")
    np.testing.assert_array_equal(
        small.codes["values"], [[0x0E, 0x7A, 0x68], [0x77, 0x77, 0x77], [0xEE, 0x70, 0x78]]
    )
    np.testing.assert_array_equal(small.codes["last"], [9, 7, 5])
    np.testing.assert_array_equal(small.decode(), np.rint(TABLE))


def test_signs_and_their_mean_magnitude() -> None:
    small = compress(np.array([[1.0, 3.0, -2.0], [-4.0, 4.0, 4.0]], np.float32), "int1")
    np.testing.assert_array_equal(small.codes["last"], [0b011, 0b110])
    np.testing.assert_allclose(small.decode(), [[2, 2, -2], [-4, 4, 4]], rtol=0.02)
    assert small.nbytes == 2 * (1 + 1) + 8


def test_numbers_that_are_levels_come_back() -> None:
    row = np.array([[-1.5, 0.5, 1.5, -0.5, 1.5]], np.float32)
    np.testing.assert_allclose(compress(row, "int2").decode(), row, rtol=0.02)
    columns = np.array([[-1, 0], [0, 3], [1, -3], [1, 3]], np.float32) * 0.25
    np.testing.assert_allclose(compress(columns, "int2:scale=column").decode(), columns, rtol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("kind", ["normal", "heavy", "spike"])
def test_the_clip_is_nearly_as_good_as_by_brute_force(bits: int, kind: str) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(12, 50)) if kind == "normal" else rng.standard_t(3, size=(12, 50))
    if kind == "spike":
        values[:, 3] = 40
    rows = values.astype(np.float32)
    levels = np.arange(2**bits) - (2**bits - 1) / 2
    best = np.array([brute_force(row, levels) for row in rows])
    error = np.square(compress(rows, f"int{bits}").decode() - rows).sum(axis=1)
    # The scale's own byte costs a little, and the error has many shallow minima.
    assert error.sum() <= best.sum() * 1.01
    assert (error <= best * 1.05).all()


@pytest.mark.parametrize("bits", [2, 4])
def test_the_clip_of_a_column_too_and_weights_move_it(bits: int) -> None:
    columns = np.random.default_rng(6).standard_t(3, size=(60, 5)).astype(np.float32)
    top = 2 ** (bits - 1) - 1
    levels = np.arange(-top, top + 1)
    best = np.array([brute_force(column, levels) for column in columns.T])
    spec = f"int{bits}:scale=column"
    error = np.square(compress(columns, spec).decode() - columns).sum(axis=0)
    assert (error <= best * 1.03).all()
    weights = np.where(np.arange(60) < 30, 1.0, 0.0)
    half = compress(columns, spec, weights=weights).decode()[:30]
    best = np.array([brute_force(column, levels) for column in columns[:30].T])
    assert (np.square(half - columns[:30]).sum(axis=0) <= best * 1.03).all()


def test_weights_do_not_matter_where_each_row_has_its_scale() -> None:
    rows = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    weighted = compress(rows, "int4", weights=np.arange(9.0))
    np.testing.assert_array_equal(weighted.decode(), compress(rows, "int4").decode())


@settings(max_examples=150, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=11),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    spec=st.sampled_from(["int4", "int2", "int1", "int4:scale=column", "int2:scale=column"]),
)
def test_any_float32_decodes_to_finite_numbers_not_worse_than_zero(
    values: np.ndarray, spec: str
) -> None:
    small = compress(values, spec)
    decoded = small.decode().astype(np.float64)
    assert np.isfinite(decoded).all()
    assert not decoded[~values.any(axis=1)].any()
    axis = 0 if "column" in spec else 1
    energy = np.square(values.astype(np.float64)).sum(axis=axis)
    error = np.square(decoded - values).sum(axis=axis)
    # A row far below the largest one may get a scale that is twice its own.
    assert (error <= energy * (1 + 1e-5) + 4 * energy.max() * 2.0**-28).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [1, 2, 5, 8, 9])
def test_packing_both_ways(bits: int, count: int) -> None:
    codes = np.random.default_rng(count).integers(0, 2**bits, (6, count)).astype(np.uint8)
    packed = pack(codes, bits)
    specs = packed_specs(6, count, bits)
    assert {s.name: (s.dtype, s.shape) for s in specs} == {
        name: (array.dtype.name, array.shape) for name, array in packed.items()
    }
    assert sum(s.nbytes for s in specs) == 6 * -(-count * bits // 8)
    tables = byte_tables(np.arange(2**bits), bits, count)
    np.testing.assert_array_equal(unpack(packed, tables, numpy_ops), codes)


def test_the_scale_of_a_row_in_a_byte() -> None:
    scales = np.array([0.0, 1.0, 1.5, 20.0])
    table = scale_table(fit_scale_range([(scales, scales)]))
    codes = nearest_scale(scales, table)
    assert codes[[0, 1, 3]].tolist() == [0, 1, 255]
    np.testing.assert_allclose(table[codes], scales, rtol=0.006)
    assert len(set(np.round(np.diff(np.log(table[1:].astype(float))), 6))) == 1


def saved_with(path: Path, small: embzip.CompressedEmbedding, **arrays: np.ndarray) -> Path:
    for name, array in arrays.items():
        (small.params if f"0.{name}" in small.params else small.codes)[  # type: ignore[index]
            f"0.{name}" if f"0.{name}" in small.params else name
        ] = array
    embzip.save(small, path)
    return path


@pytest.mark.parametrize("low_high", [(0, 1), (2, 1), (-1, 1), (1, 1e38), (np.nan, 1), (1, np.inf)])
def test_case_59_ranges_of_scales(tmp_path: Path, low_high: tuple[float, float]) -> None:
    small = compress(TABLE, "int4")
    path = saved_with(tmp_path / "t.embz", small, scale_range=np.array(low_high, np.float32))
    with pytest.raises(FileFormatError, match=r"scale"):
        embzip.load(path)


@pytest.mark.parametrize("scale", [0, -1, 1e38, np.nan])
def test_case_59_scales_of_columns(tmp_path: Path, scale: float) -> None:
    small = compress(TABLE, "int4:scale=column")
    bad = small.params["0.scale"].copy()
    bad[2] = scale
    path = saved_with(tmp_path / "t.embz", small, scale=bad)
    with pytest.raises(FileFormatError, match=r"scale"):
        embzip.load(path)


def test_case_59_codes_that_are_no_level(tmp_path: Path) -> None:
    small = compress(TABLE, "int4:scale=none")
    path = saved_with(tmp_path / "t.embz", small, last=np.array([1, 15, 1], np.uint8))
    with pytest.raises(FileFormatError, match=r"0\.\.14"):
        embzip.load(path)


@pytest.mark.parametrize("spec", ["int4", "int2:scale=column", "int1"])
def test_a_saved_table_decodes_to_the_same_numbers(tmp_path: Path, spec: str) -> None:
    small = compress(TABLE, spec)
    embzip.save(small, tmp_path / "t.embz")
    for mmap in (False, True):
        found = embzip.load(tmp_path / "t.embz", mmap=mmap)
        np.testing.assert_array_equal(found.decode(), small.decode())
        assert found.resident_nbytes > found.nbytes == small.nbytes
