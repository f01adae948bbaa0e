"""Kernels in 16, 8, 4 or 2 bits a number: what a file holds, what comes back, what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import embzip
from embzip.classifier import Classifier, Encoder, Kit, MeanConfig, head_shapes, load_model
from embzip.classifier.factorizing import factorize
from embzip.classifier.grids import divisors, fitted
from embzip.classifier.rebuilding import rebuild, rebuild_kit
from embzip.classifier.registry import BUILTIN
from embzip.classifier.storage import (
    SCALED,
    from_tensor,
    rounded,
    storage,
    to_tensor,
    whole_levels,
)
from embzip.embz.container import read_header
from embzip.embz.format import save
from embzip.errors import FileFormatError, InputError, MismatchError, SpecError
from tests.models import tiny_classifier

TEXTS = ["", "able zoo", "the lion and the tiger", "people say about people"]
KERNELS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-6e4, 6e4, width=32),
)
# Of all magnitudes that a scale in float16 can have, and below.
TINY = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.builds(
        lambda number, power: float(np.float32(number * 2.0**power)),
        st.floats(-1 + 2**-10, 1 - 2**-10, width=32),  # float16 ends at 65,504
        st.integers(-30, 16),
    ),
)


def stored(kernel: Any, form: str) -> Any:
    way = storage(form)
    return way.read("k", way.write("k", kernel), kernel.shape)


@given(KERNELS | TINY, st.sampled_from(["float16", *SCALED]))
def test_rounding_a_rounded_kernel_changes_nothing(kernel: Any, form: str) -> None:
    once = stored(kernel, form)
    assert once.shape == kernel.shape
    assert once.dtype == np.float32
    np.testing.assert_array_equal(stored(once, form), once)
    content = storage(form).write("k", once)
    assert content.size == storage(form).size(kernel.shape)
    np.testing.assert_array_equal(storage(form).write("k", stored(once, form)), content)


@given(KERNELS)
def test_int8_is_half_a_step_off(kernel: Any) -> None:
    step = np.abs(kernel.astype(np.float64)).reshape(-1, kernel.shape[-1]).max(axis=0) / 127
    step = np.maximum(step * 1.001, 2.0**-16)
    assert (np.abs(stored(kernel, "int8") - kernel.astype(np.float64)) <= step * 0.501).all()


@given(KERNELS | TINY, st.sampled_from(["int4", "int2"]))
def test_no_scale_of_those_tried_has_a_smaller_error(kernel: Any, form: str) -> None:
    """Against the plain definition: every column, every scale, every level."""
    bits = storage(form).bits
    flat = kernel.reshape(-1, kernel.shape[-1])
    found = stored(kernel, form).reshape(flat.shape).astype(np.float64)
    levels = np.arange(2**bits) - (2**bits - 1) / 2
    for column, back in zip(flat.T.astype(np.float64), found.T, strict=True):
        error, largest = np.square(back - column).sum(), np.float32(np.abs(column).max())
        for divisor in divisors(bits):
            scale = np.float64(np.float16(min(largest / divisor, np.float32(65504))))
            tried = np.square(column[:, None] - levels * scale).min(axis=1).sum()
            assert error <= tried * (1 + 1e-9)


@given(KERNELS)
def test_float16_is_that_of_numpy(kernel: Any) -> None:
    expected = kernel.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(stored(kernel, "float16"), expected)


def test_int8_by_hand() -> None:
    kernel = np.array([[[254.0, 0, -1]], [[-100.0, 0, 0.26]]], np.float32)
    content = storage("int8").write("conv.kernel", kernel)
    scale = content[:6].view(np.float16)
    # 1 / 127 is 0.0078740; the next float16 above it is 0.0078812. No scale is below 2^-16.
    assert scale.tolist() == [2, 2**-16, 0.00787353515625 + 2**-17]
    assert (content[6:].astype(int) - 127).tolist() == [127, 0, -127, -50, 0, 33]
    levels, scales = whole_levels(kernel, "int8")
    assert levels.tolist() == [[[127, 0, -127]], [[-50, 0, 33]]]
    np.testing.assert_array_equal(levels * scales, stored(kernel, "int8"))


def test_int4_and_int2_by_hand() -> None:
    kernel = np.array([[7.5, 0], [-7.5, 0], [0.5, 0]], np.float32)
    content = storage("int4").write("k", kernel)
    assert content[:4].view(np.float16).tolist() == [1, 0]
    # Codes 15 8, 0 8, 8 8: the first in the lowest bits.
    assert content[4:].tolist() == [0x8F, 0x80, 0x88]
    np.testing.assert_array_equal(stored(kernel, "int4"), kernel)
    kernel = np.array([[3.0], [-1.0], [1.0], [-3.0], [1.0]], np.float32)
    content = storage("int2").write("k", kernel)
    assert content[:2].view(np.float16).tolist() == [2]
    assert content[2:].tolist() == [0b00_10_01_11, 0b10]
    np.testing.assert_array_equal(stored(kernel, "int2"), kernel)
    levels, scale = whole_levels(kernel, "int2")
    assert (levels.T.tolist(), scale.tolist()) == ([[3, -1, 1, -3, 1]], [1])


def test_a_large_number_is_cut_off_where_that_has_the_least_error() -> None:
    kernel = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32)
    kernel[0] = 8
    for form, most in (("int4", 0.07), ("int2", 0.25)):
        found = stored(kernel, form)
        assert np.square(found - kernel).mean() < most
        step = 8 / (2 ** (storage(form).bits - 1) - 0.5)  # with the largest number as a level
        plain = step * (np.floor(kernel / step) + 0.5)
        assert np.square(plain - kernel).mean() > 1.3 * most
        assert found.max() < 6


def test_columns_of_zeros_and_tiny_and_huge_numbers() -> None:
    for form in ("int4", "int2"):
        assert not stored(np.zeros((3, 2), np.float32), form).any()
        tiny = np.array([[1e-9, 1e-40], [-1e-9, 0]], np.float32)
        codes, scale = fitted(tiny, storage(form).bits)
        assert not scale.any()
        assert not np.signbit(stored(tiny, form)).any()
        assert codes.tolist() == [[2 ** (storage(form).bits - 1)] * 2] * 2
    most = {"float16": 65504, "int8": 127 * 65504, "int4": 7.5 * 65504, "int2": 1.5 * 65504}
    for form, largest in most.items():
        kernel = np.array([[largest], [-largest]], np.float32)
        np.testing.assert_array_equal(stored(kernel, form), kernel)
        with pytest.raises(InputError, match=f"^{form} holds numbers up to {largest:,.0f} here"):
            storage(form).write("k", kernel * np.float32(1.0001))
        for bad in (np.nan, np.inf, -np.inf):
            with pytest.raises(InputError, match="k must be finite, and contains infinity or NaN"):
                storage(form).write("k", np.array([[1], [bad]], np.float32))


@pytest.mark.parametrize("form", SCALED)
def test_columns_are_rounded_each_for_itself(form: str) -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    whole = stored(kernel, form)
    for column in range(7):
        one = stored(np.ascontiguousarray(kernel[..., [column]]), form)
        np.testing.assert_array_equal(one[..., 0], whole[..., column])


@pytest.mark.parametrize("encoder", BUILTIN)
@pytest.mark.parametrize("kernels", ["float16", *SCALED])
@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_answers_as_memory_does(
    encoder: type[Encoder], kernels: str, pack: bool, mmap: bool, tmp_path: Path
) -> None:
    plain = tiny_classifier(encoder=encoder)
    small = rebuild(plain, codec="int8", kernels=kernels)
    path, again = tmp_path / "small.embz", tmp_path / "again.embz"
    small.save(path, pack=pack)
    loaded = load_model(path, mmap=mmap)
    assert isinstance(loaded, Classifier)
    loaded.verify()
    assert loaded.kernels == kernels
    np.testing.assert_array_equal(loaded.probabilities(TEXTS), small.probabilities(TEXTS))
    loaded.save(again, pack=pack)
    assert again.read_bytes() == path.read_bytes()
    whole = rebuild(plain, codec="int8")
    tolerance = {"float16": 5e-3, "int8": 0.1, "int4": 0.6, "int2": 1}[kernels]
    np.testing.assert_allclose(
        small.probabilities(TEXTS), whole.probabilities(TEXTS), atol=tolerance
    )
    shapes = head_shapes(small.config, len(small.labels))
    found = {each.name: each for each in embzip.inspect(path).tensors}["heads.0.arrays"]
    # Whole bytes of each kernel, a scale of two for each of its columns, two for any other number.
    sizes = [
        -(-np.prod(shape) * storage(kernels).bits // 8) + 2 * shape[-1] * (kernels in SCALED)
        if name.endswith(".kernel")
        else 2 * np.prod(shape)
        for name, shape in shapes.items()
    ]
    assert found.unpacked == sum(sizes)
    assert found.dtype == ("float16" if kernels == "float16" else "uint8")


@pytest.mark.parametrize("mmap", [False, True])
def test_float32_arrays_stay_mapped(mmap: bool, tmp_path: Path) -> None:
    plain = tiny_classifier()
    plain.save(tmp_path / "a.embz")
    loaded = load_model(tmp_path / "a.embz", mmap=mmap)
    assert isinstance(loaded, Classifier)
    for name, array in loaded.arrays.items():
        np.testing.assert_array_equal(array, plain.arrays[name])
        assert array.flags.writeable == (not mmap)
        assert array.flags.aligned


def test_one_tensor_holds_all_arrays() -> None:
    found = {"b.kernel": np.full((3, 2), 127, np.float32), "a.bias": np.float32([0.1, 70])}
    shapes = {name: array.shape for name, array in found.items()}
    sizes = {"float32": 4 * 8, "float16": 2 * 8, "int8": 4 + 6 + 4, "int4": 4 + 3 + 4, "int2": 10}
    for form, nbytes in sizes.items():
        tensor = to_tensor(found, form)
        assert tensor.nbytes == nbytes
        back = from_tensor(tensor, shapes, form)
        np.testing.assert_allclose(back["b.kernel"], found["b.kernel"], rtol=5e-4)
        bias = found["a.bias"] if form == "float32" else np.float32(np.float16(found["a.bias"]))
        np.testing.assert_array_equal(back["a.bias"], bias)
        with pytest.raises(FileFormatError, match="a classifier of this shape needs arrays of"):
            from_tensor(tensor[1:], shapes, form)


def test_weights_alone_keep_the_table_and_none_keeps_the_weights() -> None:
    plain = tiny_classifier("svd:3|int8")
    small = rebuild(plain, kernels="int8")
    assert small.embedding is plain.embedding
    assert rebuild(small, codec="int4").kernels == "int8"
    assert rebuild(small, kernels="float32").kernels == "float32"
    wide = tiny_classifier(dim=40, encoder=MeanConfig, labels=tuple("abcdefghijklmnopqrst"))
    assert factorize(rebuild(wide, kernels="int8"), rank=2).kernels == "int8"
    with pytest.raises(SpecError, match="float32, float16, int8, int4, int2"):
        rebuild(plain, kernels="int7")
    with pytest.raises(InputError, match="exactly one"):
        rebuild(plain)


def test_a_kit_keeps_each_ones_weights(tmp_path: Path) -> None:
    one, two = tiny_classifier("int8"), tiny_classifier("int8", encoder=MeanConfig)
    mixed = Kit.of({"one": replace(one, kernels="int8"), "two": two})
    mixed.save(tmp_path / "kit.embz")
    loaded = load_model(tmp_path / "kit.embz", mmap=True)
    assert isinstance(loaded, Kit)
    loaded.verify()
    assert [each.kernels for each in loaded.classifiers.values()] == ["int8", "float32"]
    for name, answer in mixed.probabilities(TEXTS).items():
        np.testing.assert_array_equal(loaded.probabilities(TEXTS)[name], answer)
    all_half = rebuild_kit(loaded, codec="int4", kernels="float16")
    assert {each.kernels for each in all_half.classifiers.values()} == {"float16"}
    only = rebuild_kit(loaded, kernels="float16")
    assert only.embedding is loaded.embedding


class Crafted:
    def __init__(self, classifier: Classifier, arrays: Any) -> None:
        self.embedding = classifier.embedding
        self._tensors = {**classifier.tensors({}), "arrays": arrays}

    def head_tensors(self) -> list[dict]:
        return [{name: array for name, array in self._tensors.items() if array is not None}]


def with_scale(arrays: Any, scale: float) -> Any:
    """`dense.kernel` stands last, behind `dense.bias`; its scales are the first of it."""
    changed = arrays.copy()
    first = len(arrays) - storage("int8").size((15, 2))
    changed[first : first + 4] = np.float16([1, scale]).view(np.uint8)
    return changed


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        *(lambda arrays, bad=bad: with_scale(arrays, bad) for bad in (-1, np.nan, np.inf)),
        lambda arrays: arrays[:-1],
        lambda arrays: np.append(arrays, np.uint8(0)),
        lambda arrays: arrays.view(np.int8),
        lambda arrays: arrays.astype(np.float32),
        lambda arrays: arrays[None],
        lambda arrays: None,
    ],
)
def test_crafted_kernels_are_refused(change: Any, mmap: bool, tmp_path: Path) -> None:
    path = tmp_path / "crafted.embz"
    small = replace(tiny_classifier(), kernels="int8")
    save(Crafted(small, change(small.tensors({})["arrays"])), path)
    with pytest.raises(FileFormatError, match=r"crafted\.embz"):
        load_model(path, mmap=mmap)


@given(st.binary(max_size=80), st.sampled_from(["float16", *SCALED]))
def test_any_bytes_are_arrays_or_refused(content: bytes, form: str) -> None:
    shapes: dict[str, tuple[int, ...]] = {"a.kernel": (3, 2), "b.bias": (2,)}
    way = storage(form)
    tensor = np.frombuffer(content[: len(content) // 2 * 2], way.dtype)
    size = sum(storage(f).size(shapes[n]) for n, f in (("a.kernel", form), ("b.bias", "float16")))
    for part in (tensor, np.resize(tensor, size + (form in SCALED) * 2)):
        try:
            found = from_tensor(part, shapes, form)
        except FileFormatError:
            continue
        assert all(np.isfinite(array).all() for array in found.values())
        rounded(found, form)


@pytest.mark.parametrize("kernels", ["float32", "float16", *SCALED])
def test_a_flipped_byte_of_a_mapped_kernel_is_found(kernels: str, tmp_path: Path) -> None:
    path = tmp_path / "small.embz"
    replace(tiny_classifier(), kernels=kernels).save(path)
    content = bytearray(path.read_bytes())
    with path.open("rb") as file:
        content[read_header(file, path).offsets["heads.0.arrays"] + 1] ^= 2
    path.write_bytes(bytes(content))
    for mmap in (False, True):
        with pytest.raises(FileFormatError, match="digest"):
            load_model(path, mmap=mmap).verify()  # type: ignore[union-attr]  # a .embz


def test_numbers_that_no_storage_holds() -> None:
    big = tiny_classifier()
    big.arrays["dense.kernel"][0, 0] = 7e4
    with pytest.raises(InputError, match="65,504"):
        rebuild(big, kernels="float16")
    assert rebuild(big, kernels="int2").arrays["dense.kernel"].max() > 2e4
    big.arrays["dense.bias"][0] = 7e4
    with pytest.raises(InputError, match=r"65,504 here, and dense\.bias contains 70000: store"):
        rebuild(big, kernels="int8")
    big.arrays["dense.kernel"][0, 0] = np.inf
    with pytest.raises(InputError, match="must be finite"):
        rebuild(big, kernels="int8")
    with pytest.raises(MismatchError, match="needs"):
        replace(big, arrays={}, kernels="int8")


def test_biases_are_rounded_with_kernels() -> None:
    plain = tiny_classifier()
    assert all(rounded(plain.arrays, "float32")[n] is a for n, a in plain.arrays.items())
    for form in ("float16", *SCALED):
        found = replace(plain, kernels=form).arrays["dense.bias"]
        expected = plain.arrays["dense.bias"].astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(found, expected)
