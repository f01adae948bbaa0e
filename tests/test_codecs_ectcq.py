"""Entropy-coded trellis quantization: by hand, against all paths, and against the bound."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.codecs.ectcq import rates
from embzip.codecs.ectcq.dependent import (
    activities,
    in_order,
    levels_of,
    put_back,
    states_of,
    symbols_of,
    thresholds_of,
    values_of,
)
from embzip.codecs.ectcq.path_search import search
from embzip.codecs.ectcq.quantizer import Ectcq
from embzip.codecs.ops import numpy_ops
from embzip.compression import compress
from embzip.errors import FileFormatError
from embzip.evaluation.bounds import pooled_bound
from embzip.packing.arrays import PackedArray


def normal(rows: int = 20_000, dim: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def snr_db(table: np.ndarray, decoded: np.ndarray) -> float:
    around = np.square(table - table.mean(axis=0)).sum()
    return float(10 * np.log10(around / np.square(table - decoded).sum()))


def file_bits(path: Path, small: embzip.CompressedEmbedding) -> float:
    embzip.save(small, path, pack=True)
    return 8 * path.stat().st_size / (small.shape[0] * small.shape[1])


def test_a_row_decoded_by_hand() -> None:
    """Column 0 has u = 1: it is odd, flips the parity of 2 and 5, and 3 takes odd values."""
    codes = {"values": np.array([[1, 2, 0, 4, 0, 254]], np.uint8)}
    params = {"step": np.array([0.5], np.float32), "shift": np.zeros((2, 4), np.float32)}
    params["shift"][1, 3] = 0.25
    quantizer = Ectcq(2)
    tables = quantizer.tables(params, 6)
    decoded = quantizer.decode(codes, {**params, **tables}, numpy_ops)
    # symbols 1 2 1 4 0 -1; in steps 2 4 2 (2 * 4 - 1 - 0.25) 0 -2
    np.testing.assert_array_equal(decoded, [[1, 2, 1, 3.375, 0, -1]])


@pytest.mark.parametrize(("dim", "closed"), [(9, False), (10, True), (11, True)])
def test_decoding_is_the_definition_column_by_column(dim: int, closed: bool) -> None:
    octets = np.random.default_rng(1).integers(0, 256, (50, dim)).astype(np.uint8)
    symbols, odd = symbols_of(octets, closed=closed)
    for row in range(50):
        for column in range(dim):
            u = [
                int(octets[row, column - back]) & 1 if closed or back <= column else 0
                for back in range(6)
            ]
            assert symbols[row, column] & 1 == u[0] ^ u[2] ^ u[5]
            assert odd[row, column] == u[3]
    shift = np.random.default_rng(2).uniform(0, 0.5, (2, 4)).astype(np.float32)
    params = {"step": np.ones(1, np.float32), "shift": shift}
    quantizer = Ectcq(2)
    decoded = quantizer.decode(
        {"values": octets}, {**params, **quantizer.tables(params, dim)}, numpy_ops
    )
    np.testing.assert_array_equal(decoded, values_of(shift)[odd, symbols])


def test_closed_paths_read_in_order_begin_in_their_last_bits() -> None:
    octets = np.random.default_rng(1).integers(0, 256, (20, 12)).astype(np.uint8)
    ordered = in_order(octets)
    np.testing.assert_array_equal(put_back(ordered), octets)
    for state, row in zip(states_of(ordered), octets, strict=True):
        assert [int(state) >> back & 1 for back in range(5)] == (row[4::-1] & 1).tolist()
    for found, turned in zip(
        symbols_of(octets, closed=True), symbols_of(ordered, closed=True), strict=True
    ):
        np.testing.assert_array_equal(in_order(found), turned)


def every_path(dim: int, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all symbols up to a size, and for open paths their bits and quantizers."""
    every = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * dim, indexing="ij"), axis=-1)
    every = (every.reshape(-1, dim) & 255).astype(np.uint8)
    u = np.zeros((len(every), dim + 5), np.uint8)
    for column in range(dim):
        u[:, column + 5] = every[:, column] & 1 ^ u[:, column + 3] ^ u[:, column]
    return every, u[:, 5:], u[:, 2 : 2 + dim]


@pytest.mark.parametrize("price", [0.0, 0.05, 0.4])
def test_the_search_finds_the_best_of_all_paths(price: float) -> None:
    """Every sequence of symbols is a path; where levels do not matter the search is exact."""
    rng = np.random.default_rng(3)
    rows, dim = 12, 6
    numbers = rng.uniform(-4, 4, (rows, dim)).astype(np.float32)
    bits = rng.uniform(0, 5, (dim, 1, 2, 256)).astype(np.float32)
    values = values_of(np.full((2, 4), 0.1))
    thresholds = np.zeros((dim, 0), np.int32)
    octets = np.empty((rows, dim), np.uint8)
    search(numbers, np.full(rows, price, np.float32), values, bits, thresholds, False, octets)
    every, _, odd = every_path(dim, 3)
    columns = np.arange(dim)
    spent = price * bits[columns, 0, odd, every].sum(axis=1)
    for row in range(rows):
        errors = np.square(numbers[row] - values[odd, every]).sum(axis=1)
        found, quantizer = symbols_of(octets[row : row + 1])
        cost = np.square(numbers[row] - values[quantizer, found]).sum()
        cost += price * bits[columns, 0, quantizer[0], found[0]].sum()
        assert cost == pytest.approx((errors + spent).min(), abs=1e-4)


def test_closed_paths_come_near_the_best_of_all() -> None:
    """Every row of bits is a closed path; in rows so short, all states are tried."""
    rng = np.random.default_rng(4)
    rows, dim = 60, 10
    numbers = rng.uniform(-9, 9, (rows, dim)).astype(np.float32)
    bits = np.zeros((dim, 1, 2, 256), np.float32)
    values = values_of(np.zeros((2, 4)))
    octets = np.empty((rows, dim), np.uint8)
    thresholds = np.zeros((dim, 0), np.int32)
    search(numbers, np.zeros(rows, np.float32), values, bits, thresholds, True, octets)
    u = (np.arange(2**dim)[:, None] >> np.arange(dim) & 1).astype(np.uint8)
    parity, odd = symbols_of(u, closed=True)
    # The error of the nearest symbol of each quantizer and parity.
    off = np.square(numbers[:, :, None, None] - values)
    off = off.reshape(rows, dim, 2, 128, 2).min(axis=3)
    best = off[:, np.arange(dim), odd, parity & 1].sum(axis=2).min(axis=1)
    found, quantizer = symbols_of(octets, closed=True)
    error = np.square(numbers - values[quantizer, found]).sum(axis=1)
    assert (error >= best - 1e-3).all()
    np.testing.assert_allclose(error, best, atol=1e-3)


def test_levels_part_rows_by_what_they_were_so_far() -> None:
    symbols = np.array([[1, 0, 3], [255, 254, 0], [0, 0, 0], [4, 4, 4]], np.uint8)
    sums = activities(symbols)
    assert sums.tolist() == [[0, 1, 1], [0, 1, 3], [0, 0, 0], [0, 4, 8]]
    levels = levels_of(sums, thresholds_of(sums, 2))
    assert levels[:, 2].tolist() == [0, 1, 0, 1]


def test_symbols_are_counted_in_pieces_as_at_once_in_bounded_memory(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    octets = rng.integers(0, 256, (16_000, 100)).astype(np.uint8)
    numbers = rng.normal(size=octets.shape).astype(np.float32)
    tracemalloc.start()
    in_pieces = rates.Rates.counted(numbers, octets, closed=True)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    monkeypatch.setattr(rates, "_PIECE", len(octets))
    at_once = rates.Rates.counted(numbers, octets, closed=True)
    np.testing.assert_array_equal(in_pieces.bits, at_once.bits)
    np.testing.assert_array_equal(in_pieces.shift, at_once.shift)
    assert held < 30 * octets.size


@pytest.mark.parametrize(("bits", "most"), [(1, 1.2), (2, 1.35), (4, 1.5)])
def test_files_take_the_bits_and_come_near_the_bound(
    tmp_path: Path, bits: float, most: float
) -> None:
    table = normal(8000, 40) * 2.0 ** (-np.arange(40, dtype=np.float32) / 12)
    small = compress(table, f"ectcq:{bits}")
    taken = file_bits(tmp_path / "a.embz", small)
    assert taken == pytest.approx(bits, rel=0.05)
    # All is counted, and frequency tables weigh heavily on so few rows.
    gap = pooled_bound(table).snr_db(taken) - snr_db(table, small.decode())
    assert 0 < gap < most


def test_rows_of_unlike_length_pass_the_bound_of_one_gaussian(tmp_path: Path) -> None:
    table = normal(dim=24) * np.exp(normal(dim=1, seed=5))
    small = compress(table, "ectcq:2")
    taken = file_bits(tmp_path / "a.embz", small)
    assert snr_db(table, small.decode()) > pooled_bound(table).snr_db(taken) + 1


def test_packed_rows_are_reached_by_their_blocks(tmp_path: Path) -> None:
    small = compress(normal(2000), "center|svd|ectcq:2")
    embzip.save(small, tmp_path / "a.embz", pack=True)
    loaded = embzip.load(tmp_path / "a.embz", mmap=True)
    np.testing.assert_allclose(loaded[[1999, 1990]], small[[1999, 1990]], atol=1e-6)
    values = loaded.codes["values"]
    assert isinstance(values, PackedArray)
    assert values.packed.contexts.before is not None
    assert not values.packed.contexts.states
    assert values.blocks_decoded == 2


def test_packed_closed_paths_are_read_from_their_states(tmp_path: Path) -> None:
    table = normal(3000, 16, seed=7) * np.exp(0.4 * normal(3000, 1, seed=8))
    small = compress(table, "svd|ectcq:2")
    embzip.save(small, tmp_path / "a.embz", pack=True)
    loaded = embzip.load(tmp_path / "a.embz", mmap=True)
    values = loaded.codes["values"]
    assert isinstance(values, PackedArray)
    assert values.packed.contexts.states
    np.testing.assert_allclose(loaded[[2999, 5]], small[[2999, 5]], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(values), small.codes["values"])


def test_closed_paths_err_less_than_open_ones() -> None:
    """By 0.2 dB in 50 columns: the first ones of an open path have little choice."""
    rng = np.random.default_rng(6)
    numbers = rng.uniform(-40, 40, (2000, 50)).astype(np.float32)
    bits, thresholds = np.zeros((50, 1, 2, 256), np.float32), np.zeros((50, 0), np.int32)
    values = values_of(np.zeros((2, 4)))
    octets = np.empty(numbers.shape, np.uint8)
    errors = []
    for closed in (False, True):
        search(numbers, np.zeros(2000, np.float32), values, bits, thresholds, closed, octets)
        found, quantizer = symbols_of(octets, closed=closed)
        errors.append(float(np.square(numbers - values[quantizer, found]).mean()))
    assert errors[1] < errors[0] * 10 ** (-0.15 / 10)


def test_weights_make_rows_better() -> None:
    table = normal(4000)
    weights = np.where(np.arange(4000) % 2, 16.0, 1.0)
    error = np.square(compress(table, "ectcq:1", weights=weights).decode() - table).mean(axis=1)
    assert error[1::2].mean() < 0.7 * error[::2].mean()


def test_case_48_zero_rows_and_rare_huge_numbers() -> None:
    table = normal(1000)
    table[::3] = 0
    table[1, 2] = 1e6
    with pytest.warns(UserWarning, match=r"'ectcq:4' takes 0\.\d\d bits .* the largest, 1e\+06"):
        decoded = compress(table, "ectcq:4").decode()
    assert not decoded[::3].any()
    assert decoded[1, 2] == pytest.approx(1e6, rel=0.02)


@pytest.mark.parametrize(("name", "value"), [("step", -1.0), ("shift", 1.0), ("shift", -3.0)])
def test_case_59_params_that_fitting_never_makes(tmp_path: Path, name: str, value: float) -> None:
    small = compress(normal(50), "ectcq:2")
    small.params[f"0.{name}"].reshape(-1)[0] = value
    embzip.save(small, tmp_path / "a.embz")
    with pytest.raises(FileFormatError, match="ectcq"):
        embzip.load(tmp_path / "a.embz")
