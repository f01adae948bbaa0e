"""int8 on tables small enough to check by eye."""

import numpy as np

from embzip.compression import compress

TABLE = np.array(
    [
        [127.0, -127.0, 64.0, 0.0, 1.0, -1.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [-0.5, 0.25, 0.125, 0.0, 0.5, 0.0],
    ],
    np.float32,
)


def test_a_scale_a_row() -> None:
    small = compress(TABLE, "int8")
    np.testing.assert_array_equal(
        small.codes["values"],
        [[127, -127, 64, 0, 1, -1], [0, 0, 0, 0, 0, 0], [-127, 64, 32, 0, 127, 0]],
    )
    np.testing.assert_allclose(small.codes["scale"], [1.0, 1.0, 0.5 / 127])


def test_a_scale_a_column() -> None:
    small = compress(TABLE, "int8:scale=column")
    np.testing.assert_array_equal(
        small.codes["values"],
        [[127, -127, 127, 0, 127, -127], [0] * 6, [0, 0, 0, 0, 64, 0]],
    )
    np.testing.assert_allclose(small.params["0.scale"], [1, 1, 64 / 127, 1, 1 / 127, 1 / 127])


def test_no_scale_rounds() -> None:
    small = compress(TABLE, "int8:scale=none")
    np.testing.assert_array_equal(small[0], TABLE[0])
    np.testing.assert_array_equal(small[2], [0, 0, 0, 0, 0, 0])  # ties go to even


def test_numbers_too_small_to_scale_decode_to_zero() -> None:
    tiny = np.full((1, 3), 1e-45, np.float32)
    np.testing.assert_array_equal(compress(tiny, "int8")[0], np.zeros(3))
