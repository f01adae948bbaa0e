"""The contract of codecs/base.py, held by every stage and by chains of them."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embzip.codecs import parse_codec
from embzip.codecs.ops import numpy_ops
from embzip.codecs.registry import BUILTIN
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, InputTypeError, MismatchError, SpecError

SPECS = [
    "float32",
    "float16",
    "int8",
    "int8:scale=column",
    "int8:scale=none",
    "svd:3|float32",
    "svd|int8",
    "svd:energy=0.9|int8:scale=column",
    "center|int8",
    "center|svd:2|float16",
    "svd:4|center|int8:scale=column",
    "int4",
    "int4:scale=column",
    "int4:scale=none",
    "int2",
    "svd|int2:scale=column",
    "int1",
    "svd:5|int4",
    "svd:5,components=int8|int4",
    "svd:energy=0.9,components=int8|int8",
    "kmeans:7",
    "svd:4|kmeans:3",
    "kmeans:200",
    "sparse:2",
    "svd|sparse:6",
    "topdim:2|float32",
    "normalize|int4:scale=column",
    "svd:4|normalize|kmeans:16",
    "rows:5",
    "svd:4|rows:9",
    "mixed:2",
    "center|svd:4|mixed:0.7,classes=3",
    "tcq:2",
    "svd|tcq:3.5,classes=4",
    "svd:5|center|tcq:0.4,states=8",
    "svd|tcq:2.5,states=128",
    "ectcq:3",
    "center|svd:4|ectcq:0.7",
    "auto:9B/row",
]
# Fitted by an optional package.
FAISS_SPECS = [
    "pq:3,bits=2",
    "pq:4,bits=1",
    "opq:2,bits=2",
    "opq:4,bits=1",
    "rq:3,bits=2",
    "rq:2,bits=1",
    "svd:4|normalize|pq:2,bits=2",
]
SPECS += FAISS_SPECS
# Every quantizer that a wrapper may stand before, and transforms in front of both.
WRAPPED = [
    "int8",
    "int8:scale=column",
    "int4",
    "int4:scale=column",
    "int2",
    "int1",
    "sparse:3",
    "mixed:2",
    "tcq:2",
    "tcq:3,states=8,classes=3",
    "ectcq:3",
    "pq:2,bits=2",
    "rq:2,bits=2",
]
WRAPPERS = ("coarse:5", "normalize", "normalize|coarse:5")
SPECS += [f"{wrapper}|{inner}" for wrapper in WRAPPERS for inner in WRAPPED]
SPECS += [f"normalize|{inner}" for inner in ("float32", "float16", "kmeans:16", "rows:5")]
SPECS += [
    "coarse|tcq:2",
    "coarse:9|tcq:2",
    "svd|coarse|int4",
    "center|svd:4|coarse:3|mixed:1.5",
    "svd|normalize|tcq:2",
    "svd:5|normalize|coarse|int4",
    "center|normalize|int8",
    "topdim:2|coarse:5|tcq:2",
    "topdim:2|normalize|int4",
    "opq:2,bits=2|coarse:5|pq:2,bits=2",
    "opq:2,bits=2|normalize|pq:2,bits=2",
]


def table(rows: int = 40, dim: int = 6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 2.0 ** -np.arange(dim)
    return (rng.normal(size=(rows, dim)) * scale).astype(np.float32)


def test_every_builtin_stage_is_in_a_tested_spec() -> None:
    named = {part.split(":")[0] for spec in SPECS + FAISS_SPECS for part in spec.split("|")}
    assert {stage.name for stage in BUILTIN} <= named


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_reads_back_from_itself(spec: str) -> None:
    codec = parse_codec(spec)
    assert parse_codec(codec.spec) == codec
    resolved = compress(table(), spec).codec
    assert parse_codec(resolved.spec) == resolved


@pytest.mark.parametrize("spec", SPECS)
def test_layout_states_every_tensor_before_fitting(spec: str) -> None:
    small = compress(table(), spec)
    layout = small.codec.layout(*small.shape)
    assert layout.nbytes == small.nbytes
    for specs, arrays in ((layout.codes, small.codes), (layout.params, small.params)):
        assert {s.name: (s.dtype, s.shape) for s in specs} == {
            name: (array.dtype.name, array.shape) for name, array in arrays.items()
        }


@pytest.mark.parametrize("spec", SPECS)
def test_rows_are_independent(spec: str) -> None:
    small = compress(table(), spec)
    every = small.codec.quantizer.take(small.codes, np.arange(40))
    whole = small.codec.decode(every, {**small.params, **small.tables}, numpy_ops)
    ids = np.array([5, 0, 39, 5])
    # A matrix product of other sizes may differ in the last bits.
    np.testing.assert_allclose(small[ids], whole[ids], rtol=1e-6, atol=1e-7)
    assert small[np.zeros((0,), np.int64)].shape == (0, 6)
    assert small[ids.reshape(2, 2)].shape == (2, 2, 6)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("largest", [3.4e38, 1e38, 1e-42])
@pytest.mark.filterwarnings("error")
def test_numbers_at_the_ends_of_float32_are_coded_or_refused(spec: str, largest: float) -> None:
    values = table().astype(np.float64)
    values *= largest / np.abs(values).max()
    said = ""
    try:
        decoded = compress(values.astype(np.float32), spec).decode()
    except InputError as error:
        said = str(error)
    if said:
        assert largest > 1
        assert re.search(r"largest float32|up to 65504", said)
    else:
        assert np.isfinite(decoded).all()


@pytest.mark.parametrize("spec", SPECS)
def test_same_input_same_bytes_and_input_untouched(spec: str) -> None:
    values = table()
    before = values.copy()
    first, second = compress(values, spec, seed=3), compress(values, spec, seed=3)
    np.testing.assert_array_equal(values, before)
    for name, array in {**first.codes, **first.params}.items():
        assert array.tobytes() == {**second.codes, **second.params}[name].tobytes()


@pytest.mark.parametrize("spec", SPECS)
def test_blocks_of_any_size_give_the_same_codes(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compress(table(), spec)
    monkeypatch.setattr("embzip.engine.rows.BLOCK_BYTES", 7 * 6 * 4)
    parts = compress(table(), spec)
    np.testing.assert_allclose(whole.decode(), parts.decode(), rtol=1e-5, atol=0.02)
    assert whole.codec == parts.codec


@pytest.mark.parametrize("spec", SPECS)
def test_memory_mapped_and_foreign_arrays(spec: str, tmp_path) -> None:
    """Cases 51 and 52: any memory order, byte order and float width gives the same table."""
    values = table()
    np.save(tmp_path / "table.npy", values)
    expected = compress(values, spec).decode()
    for other in (
        np.load(tmp_path / "table.npy", mmap_mode="r"),
        np.asfortranarray(values),
        values.astype(">f4"),
        values.astype(np.float64),
        np.repeat(values, 2, axis=0)[::2],
        values[::-1][::-1],
    ):
        np.testing.assert_array_equal(compress(other, spec).decode(), expected)


@pytest.mark.parametrize("spec", [s for s in SPECS if "center" not in s and "topdim" not in s])
def test_case_48_zero_rows_are_exact(spec: str) -> None:
    values = table()
    values[7] = 0
    np.testing.assert_array_equal(compress(values, spec)[7], np.zeros(6))


@pytest.mark.parametrize("spec", SPECS)
def test_case_48_constant_columns_and_all_zero_tables(spec: str) -> None:
    values = table()
    values[:, 2] = 1.0
    assert np.isfinite(compress(values, spec).decode()).all()
    zeros = compress(np.zeros((9, 6), np.float32), spec).decode()
    np.testing.assert_array_equal(zeros, np.zeros((9, 6)))


@pytest.mark.parametrize("spec", ["float32", "float16", "int8", "center|int8", "svd:1|int8"])
def test_case_48_one_row(spec: str) -> None:
    values = np.array([[1.0, -2.0, 0.5]], np.float32)
    decoded = compress(values, spec).decode()
    np.testing.assert_allclose(decoded, values, rtol=0, atol=2 / 127)


def test_case_48_rank_too_large_is_refused() -> None:
    for shape in ((40, 6), (3, 6)):
        with pytest.raises(SpecError, match="at most"):
            compress(np.ones(shape, np.float32), "svd:7|int8")


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_case_44_non_finite_rows_are_named(spec: str, bad: float) -> None:
    values = table().astype(np.float64)
    values[13, 4] = bad
    with pytest.raises(InputError, match="row 13"):
        compress(values, spec)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (2, 2, 2)])
def test_tables_without_rows_or_columns_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="shape"):
        compress(np.zeros(shape, np.float32), "int8")


def test_tables_of_other_types_are_refused() -> None:
    with pytest.raises(InputTypeError, match="complex"):
        compress(np.zeros((2, 2), np.complex64), "int8")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("int8|svd:8", "last stage"),
        ("svd:8", "ends with"),
        ("svd:0|int8", "from 1"),
        ("svd:-3|int8", "from 1"),
        ("svd:x|int8", "from 1"),
        ("svd:energy=1.5|int8", r"\(0, 1\]"),
        ("svd:energy=nan|int8", r"\(0, 1\]"),
        ("svd:3,4|int8", "takes"),
        ("svd:3,components=int4|int8", "components=float32 or"),
        ("svd:3,energy=0.5,components=int8|int8", "takes"),
        ("int9", "known ones are"),
        ("int8:scale=diagonal", "scale=row"),
        ("float32:2", "no arguments"),
        ("", "name"),
        ("int8|", "name"),
        ("center:1|int8", "no arguments"),
        ("svd:energy=0.5,energy=0.6|int8", "twice"),
        ("int4:3", "scale=row"),
        ("int1:scale=column", "scale=row"),
        ("kmeans", "2 to 256"),
        ("normalize", "before a quantizer"),
        ("normalize|svd:3|int8", "directly before"),
        ("normalize|normalize|int8", "twice"),
        ("normalize:2|int8", "no arguments"),
        ("rows:0", "from 1"),
        ("pq", "parts from 1"),
        ("pq:4,bits=3", "bits=1, 2, 4 or 8"),
        ("opq:0", "parts from 1"),
        ("opq:4|svd:2", "ends with"),
        ("rq:4,beam=2", "codebooks from 1"),
        ("rows:70000", "from 1"),
        ("coarse", "before a quantizer"),
        ("coarse:1|int8", "from 2 to 65536"),
        ("coarse:65537|int8", "from 2 to 65536"),
        ("coarse:009999999|int8", "from 2 to 65536"),
        ("rows:009999999", "from 1 to 65536"),
        ("pq:009999999", "from 1 and bits"),
        (f"svd:{'9' * 900}|int8", "from 1"),
        (f"topdim:{'9' * 900}|int8", "from 1"),
        ("coarse:4,5|int8", "from 2 to 65536"),
        ("coarse:k=4|int8", "from 2 to 65536"),
        ("coarse:4|coarse:4|int8", "twice"),
        ("coarse:4|kmeans:4", "shares numbers"),
        ("coarse:4|rows:4", "code of whole rows"),
        ("coarse:4|float32", "as it is"),
        ("coarse:4|float16", "as many bytes"),
        ("coarse:4|int4:scale=none", "whole numbers"),
        ("coarse:4|normalize|int8", "errs less before"),
        ("coarse:4|svd:2|int8", "directly before"),
        ("coarse:4|auto:1KB", "stand alone"),
        ("kmeans:1", "2 to 256"),
        ("kmeans:16,bits=4", "2 to 256"),
        ("sparse:0", "how many"),
        ("topdim:x|int8", "from 1"),
        ("ectcq", "above 0 and at most 6"),
        ("ectcq:0", "above 0 and at most 6"),
        ("ectcq:2,classes=3", "above 0 and at most 6"),
        ("ectcq:7", "above 0 and at most 6"),
    ],
)
def test_specs_that_are_no_chain_are_refused(spec: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_codec(spec)


@pytest.mark.parametrize("weights", [np.ones(3), np.full(40, -1.0), np.zeros(40), "counts"])
def test_bad_weights_are_refused(weights) -> None:
    with pytest.raises((InputError, MismatchError)):
        compress(table(), "int8", weights=weights)


def test_sqrt_counts_need_counts() -> None:
    with pytest.raises(InputError, match="token counts"):
        compress(table(), "int8", weights="sqrt-counts")


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
        elements=st.floats(-1e4, 1e4, width=32),
    ),
    spec=st.sampled_from(
        [
            "float32",
            "float16",
            "int8",
            "int8:scale=column",
            "svd|int8",
            "kmeans:5",
            "sparse:1",
            "mixed:2",
            "svd|tcq:5",
            "svd|ectcq:4",
        ]
    ),
)
def test_any_finite_table_decodes_to_finite_numbers(values: np.ndarray, spec: str) -> None:
    small = compress(values, spec)
    decoded = small.decode()
    assert np.isfinite(decoded).all()
    if spec == "float32":
        np.testing.assert_array_equal(decoded, values)
    if spec == "int8":
        error = np.abs(decoded - values).max(axis=1)
        assert (error <= np.abs(values).max(axis=1) / 127 * 0.5001 + 1e-30).all()


def test_compressing_a_compressed_table_reads_its_rows() -> None:
    small = compress(table(), "svd:3|int8")
    again = compress(small, "float32")
    assert isinstance(again, CompressedEmbedding)
    np.testing.assert_array_equal(again.decode(), small.decode())
