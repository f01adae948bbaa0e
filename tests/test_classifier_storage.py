"""Kernels in two bytes or one a number: what a file holds, what comes back, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import embzip
from embzip.classifier import Classifier, Encoder, Kit, MeanConfig, load_model
from embzip.classifier.factorizing import factorize
from embzip.classifier.rebuilding import rebuild, rebuild_kit
from embzip.classifier.registry import BUILTIN
from embzip.classifier.storage import rounded, storage, to_tensors
from embzip.embz.format import save
from embzip.errors import FileFormatError, InputError, MismatchError, SpecError
from tests.models import tiny_classifier

TEXTS = ["", "able zoo", "the lion and the tiger", "people say about people"]
KERNELS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-6e4, 6e4, width=32),
)


@given(KERNELS)
def test_int8_is_half_a_step_off_and_rounding_again_changes_nothing(kernel: Any) -> None:
    once = storage("int8").write("kernel", kernel)
    back = storage("int8").read("kernel", once)
    step = np.abs(kernel.astype(np.float64)).reshape(-1, kernel.shape[-1]).max(axis=0) / 127
    assert (np.abs(back - kernel.astype(np.float64)) <= step * 0.51 + 1e-36).all()
    again = storage("int8").write("kernel", back)
    np.testing.assert_array_equal(storage("int8").read("kernel", again), back)


@given(KERNELS)
def test_float16_is_that_of_numpy(kernel: Any) -> None:
    back = storage("float16").read("kernel", storage("float16").write("kernel", kernel))
    np.testing.assert_array_equal(back, kernel.astype(np.float16).astype(np.float32))


def test_a_kernel_by_hand() -> None:
    kernel = np.array([[[254.0, 0, -1]], [[-100.0, 0, 0.26]]], np.float32)
    stored = storage("int8").write("conv.kernel", kernel)
    assert stored["conv.kernel"].tolist() == [[[127, 0, -127]], [[-50, 0, 33]]]
    np.testing.assert_allclose(stored["conv.kernel.scale"], [2, 1, 1 / 127], rtol=2**-16)


@pytest.mark.parametrize("encoder", BUILTIN)
@pytest.mark.parametrize(("kernels", "size"), [("float16", 2), ("int8", 1)])
@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_answers_as_memory_does(
    encoder: type[Encoder], kernels: str, size: int, pack: bool, mmap: bool, tmp_path: Path
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
    tolerance = {"float16": 5e-3, "int8": 0.1}[kernels]
    np.testing.assert_allclose(
        small.probabilities(TEXTS), whole.probabilities(TEXTS), atol=tolerance
    )
    for tensor in embzip.inspect(path).to_json()["tensors"]:
        if tensor["name"].endswith(".kernel"):
            assert tensor["unpacked_bytes"] == size * np.prod(tensor["shape"])
        elif tensor["name"].endswith((".bias", ".gamma", ".beta", ".scale")):
            assert tensor["dtype"] == "float32"


def test_weights_alone_keep_the_table_and_none_keeps_the_weights() -> None:
    plain = tiny_classifier("svd:3|int8")
    small = rebuild(plain, kernels="int8")
    assert small.embedding is plain.embedding
    assert rebuild(small, codec="int4").kernels == "int8"
    assert rebuild(small, kernels="float32").kernels == "float32"
    wide = tiny_classifier(dim=40, encoder=MeanConfig, labels=tuple("abcdefghijklmnopqrst"))
    assert factorize(rebuild(wide, kernels="int8"), rank=2).kernels == "int8"
    with pytest.raises(SpecError, match="float32, float16, int8"):
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
    def __init__(self, classifier: Classifier, **changes: Any) -> None:
        self.embedding = classifier.embedding
        self._tensors = {**classifier.tensors({}), **changes}

    def head_tensors(self) -> list[dict]:
        return [{name: array for name, array in self._tensors.items() if array is not None}]


SCALE = "dense.kernel.scale"


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        *({SCALE: np.array([1, bad], np.float32)} for bad in (0, -1, np.nan, np.inf, 3e38)),
        {SCALE: np.ones(3, np.float32)},
        {SCALE: np.ones(2, np.float64)},
        {SCALE: None},
        {"dense.kernel": np.ones((15, 2), np.float16)},
        {"dense.kernel": np.ones((15, 2), np.uint8)},
        {"dense.bias": np.ones(2, np.int8)},
        {"dense.bias.scale": np.ones(2, np.float32)},
    ],
)
def test_crafted_kernels_are_refused(changes: dict, mmap: bool, tmp_path: Path) -> None:
    path = tmp_path / "crafted.embz"
    small = replace(tiny_classifier(), kernels="int8")
    small.arrays["dense.kernel"][:] = 1  # so that 3e38 overflows
    save(Crafted(small, **changes), path)
    with pytest.raises(FileFormatError, match=r"crafted\.embz"):
        load_model(path, mmap=mmap)


@pytest.mark.parametrize("name", ["dense.kernel", "dense.kernel.scale"])
def test_a_flipped_byte_of_a_mapped_kernel_is_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "small.embz"
    replace(tiny_classifier(), kernels="int8").save(path)
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    content[8 + length + header[f"heads.0.{name}"]["data_offsets"][0]] ^= 2
    path.write_bytes(bytes(content))
    for mmap in (False, True):
        with pytest.raises(FileFormatError, match="digest"):
            load_model(path, mmap=mmap)


def test_numbers_that_no_storage_holds(tmp_path: Path) -> None:
    big = tiny_classifier()
    big.arrays["dense.kernel"][0, 0] = 7e4
    with pytest.raises(InputError, match="65504"):
        rebuild(big, kernels="float16")
    big.arrays["dense.kernel"][0, 0] = np.inf
    with pytest.raises(InputError, match="must be finite"):
        rebuild(big, kernels="int8")
    with pytest.raises(MismatchError, match="needs"):
        replace(big, arrays={}, kernels="int8")


def test_biases_and_float32_kernels_are_the_same_objects() -> None:
    plain = tiny_classifier()
    assert all(to_tensors(plain.arrays, "float32")[n] is a for n, a in plain.arrays.items())
    assert rounded(plain.arrays, "int8")["dense.bias"] is plain.arrays["dense.bias"]
