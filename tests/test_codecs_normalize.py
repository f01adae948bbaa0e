"""normalize around quantizers, by eye."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import embzip
from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.errors import FileFormatError

TABLE = np.array([[3.0, 4.0], [0.0, 0.0], [-30.0, 40.0], [0.0, 10.0]], np.float32)


def test_norms_and_unit_rows() -> None:
    small = compress(TABLE, "normalize|float32")
    np.testing.assert_array_equal(small.params["0.norm_range"], [5, 50])
    np.testing.assert_array_equal(small.codes["norm"][:3], [1, 0, 255])
    expected = [[0.6, 0.8], [0, 0], [-0.6, 0.8]]
    np.testing.assert_allclose(small.codes["values"][:3], expected, rtol=1e-6)
    np.testing.assert_allclose(small.decode(), TABLE, rtol=1e-6)
    assert small.nbytes == 4 * (2 * 4 + 1) + 8


def test_one_codebook_serves_rows_of_all_lengths() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(500, 8)) * 10 ** rng.uniform(-2, 2, (500, 1))).astype(np.float32)
    plain, normalized = (
        compress(values, spec).decode() for spec in ("kmeans:16", "normalize|kmeans:16")
    )

    def error(decoded: np.ndarray) -> np.ndarray:
        return np.square(decoded - values).sum(axis=1) / np.square(values).sum(axis=1)

    assert np.median(error(plain)) > 0.1
    assert np.median(error(normalized)) < 0.03


def test_it_is_part_of_the_quantizer() -> None:
    codec = parse_codec("svd:1|normalize|int4:scale=column")
    assert codec.spec == "svd:1|normalize|int4:scale=column"
    assert [stage.name for stage in codec.quantizer.stages] == ["normalize", "int4"]


@settings(max_examples=100, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    spec=st.sampled_from(["normalize|kmeans:4", "normalize|int8", "normalize|int4:scale=column"]),
)
def test_any_float32_decodes_to_finite_numbers(values: np.ndarray, spec: str) -> None:
    decoded = compress(values, spec).decode()
    assert np.isfinite(decoded).all()
    assert not decoded[~values.any(axis=1)].any()


def test_case_59_norms(tmp_path: Path) -> None:
    small = compress(TABLE, "normalize|int8")
    small.params["0.norm_range"][0] = 0  # type: ignore[index]
    embzip.save(small, tmp_path / "t.embz")
    with pytest.raises(FileFormatError, match="normalize: the scales"):
        embzip.load(tmp_path / "t.embz")


def test_case_59_of_the_inner_quantizer(tmp_path: Path) -> None:
    small = compress(TABLE, "normalize|int8")
    small.codes["scale"][2] = 0  # type: ignore[index]
    embzip.save(small, tmp_path / "t.embz")
    with pytest.raises(FileFormatError, match="int8: scale 2"):
        embzip.load(tmp_path / "t.embz")
