"""The one int8 rounding, by hand and against the plain definition, and that others are it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import embzip
from embzip.classifier.storage import whole_levels
from embzip.codecs.rounding import scale_of, symmetric_int8

_PLAIN = st.floats(-(2.0**100), 2.0**100, width=32)
NUMBERS = _PLAIN.filter(lambda number: number == 0 or abs(number) > 2.0**-60)


def test_by_hand() -> None:
    numbers = np.array([[254.0, 0.0, -3.0], [0.0, 0.0, 0.0], [1e-44, 0.0, 0.0]], np.float32)
    levels, scale = symmetric_int8(numbers, axis=1)
    assert levels.tolist() == [[127, 0, -2], [0, 0, 0], [0, 0, 0]]  # -1.5 goes to the even -2
    assert scale.tolist() == [2, 1, 1]
    levels, _ = symmetric_int8(numbers[:1], axis=1, scale=np.ones(1, np.float32))
    assert levels.tolist() == [[127, 0, -3]]


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=5), elements=NUMBERS))
def test_each_number_is_at_most_half_a_step_off(numbers: Any) -> None:
    axis = tuple(range(1, numbers.ndim))
    levels, scale = symmetric_int8(numbers, axis=axis)
    wide = scale.astype(np.float64).reshape(-1, *[1] * len(axis))
    assert (np.abs(levels * wide - numbers) <= wide * 0.50001).all()
    scratch = np.empty_like(numbers)
    for found, again in zip(
        (levels, scale), symmetric_int8(numbers, axis=axis, scratch=scratch), strict=True
    ):
        np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("spec", ["int8", "int8:scale=column"])
def test_the_codec_and_the_kernels_of_files_round_so(spec: str) -> None:
    table = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
    small = embzip.compress(table, spec)
    levels, scale = symmetric_int8(table, axis=1 if spec == "int8" else 0)
    np.testing.assert_array_equal(small.codes["values"], levels)
    np.testing.assert_array_equal(small.codes.get("scale", small.params.get("0.scale")), scale)
    stored, scale = whole_levels(table, "int8")
    np.testing.assert_allclose(scale, scale_of(np.abs(table).max(axis=0)), rtol=2**-10)
    assert np.abs(stored.astype(int) - symmetric_int8(table, axis=0)[0]).max() <= 1
