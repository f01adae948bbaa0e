"""What a file takes beside its numbers, and which tensors stand in one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.classifier import Classifier, CnnConfig, Kit, head_shapes, load_model
from embzip.classifier.rebuilding import bounded, rebuild
from embzip.classifier.storage import SCALED, storage
from embzip.compression import compress
from embzip.embz.container import read_header, read_tensor, write_container
from embzip.embz.contents import contents_of, words_of
from embzip.errors import FileFormatError
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary
from tests.models import classifiers, tiny_classifier, training_record

LABELS = ("business", "entertainment", "health", "sci_tech", "sport", "us", "world")


def student(codec: str, *, kernels: str = "int4", rows: int = 3000) -> Classifier:
    """A small CNN of four windows over a folded table, trained and tuned."""
    rng = np.random.default_rng(0)
    words = WordTokenizer([f"w{number:04}" for number in range(rows - 2)], Normalization())
    matrix = rng.normal(size=(rows, 40)).astype(np.float32)
    matrix[0] = 0
    table = compress(Vectors(words.vocabulary, matrix, np.arange(rows), words), "float32")
    config = CnnConfig(columns=40, max_length=28, filters=64)
    arrays = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in head_shapes(config, len(LABELS)).items()
    }
    model = Classifier(table, LABELS, config, arrays, training=training_record())
    return rebuild(model, codec=codec, kernels=kernels)


@pytest.mark.parametrize("codec", ["svd:16|tcq:2", "svd:16|int4", "center|svd:16|int4"])
@pytest.mark.parametrize("kernels", SCALED)
def test_the_fixed_part_of_a_small_file(codec: str, kernels: str, tmp_path: Path) -> None:
    model = student(codec, kernels=kernels)
    model.save(tmp_path / "a.embz")
    sizes = embzip.inspect(tmp_path / "a.embz").bytes
    levels = sum(
        -(-array.size * storage(kernels).bits // 8)
        for name, array in model.arrays.items()
        if name.endswith(".kernel")
    )
    fixed = sizes["total"] - sizes["embedding"] - sizes["vocabulary"] - levels
    text = len(json.dumps(LABELS).encode())
    assert fixed <= 1500 + 4 * (4 * 64 + len(LABELS)) + text
    assert sizes["header"] < 1000


@pytest.mark.parametrize("pack", [False, True])
def test_sizes_are_known_before_a_file_is_written(pack: bool, tmp_path: Path) -> None:
    words = Vectors(Vocabulary(["a b", "c"]), np.eye(2, 3))
    models = [
        student("svd:16|int4"),
        tiny_classifier("svd:3|int8"),
        Kit.of(classifiers("int8")),
        compress(words, "int8"),
        compress(np.eye(1200, 4), "int8"),
    ]
    for model in models:
        path = tmp_path / "a.embz"
        embzip.save(model, path, pack=pack)
        whole = isinstance(model, embzip.CompressedEmbedding)
        table = model if whole else model.embedding
        heads = () if whole else model.head_tensors()
        known = contents_of(table, heads, words_of(table.tokenizer, table.vocabulary)).nbytes
        assert path.stat().st_size <= known
        assert pack or path.stat().st_size == known


def test_a_promised_size_bounds_a_small_student(tmp_path: Path) -> None:
    model = student("float32", kernels="float32")
    for size in (60, 40, 30):
        wanted = bounded(model, f"auto:{size}KB", kernels="int4")
        made = rebuild(model, codec=wanted.codec, kernels="int4")
        made.save(tmp_path / "a.embz")
        assert 0.8 * size < (tmp_path / "a.embz").stat().st_size / 1000 <= size


def test_tensors_of_fewer_than_4096_bytes_stand_in_one(tmp_path: Path) -> None:
    for rows, own in ((1023, set()), (1024, {"codes.values"})):
        small = compress(np.ones((rows, 1)), "float32")
        embzip.save(small, path := tmp_path / "a.embz")
        with path.open("rb") as file:
            assert set(read_header(file, path).specs) == (own or {"small"})
        record = embzip.inspect(path)
        assert {each.name: each.nbytes for each in record.tensors} == {"codes.values": 4 * rows}
        for mmap in (False, True):
            loaded = embzip.load(path, mmap=mmap)
            loaded.verify()
            np.testing.assert_array_equal(loaded.decode(), small.decode())


def test_classes_of_rows_may_stand_among_small_tensors(tmp_path: Path) -> None:
    """Packed codes whose contexts depend on the classes of rows, which are not packed."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(3000, 24)) * np.exp(rng.normal(0, 0.5, (3000, 1)))
    small = compress(matrix.astype(np.float32), "svd|mixed:2")
    embzip.save(small, tmp_path / "a.embz", pack=True)
    for mmap in (False, True):
        np.testing.assert_array_equal(
            embzip.load(tmp_path / "a.embz", mmap=mmap).decode(), small.decode()
        )


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("change", ["short", "long", "type", "shape", "missing"])
def test_small_tensors_of_other_bytes_are_refused(change: str, mmap: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.embz"
    replace(tiny_classifier("int8"), kernels="int4").save(path)
    with path.open("rb") as file:
        header = read_header(file, path)
        tensors = {name: read_tensor(file, path, header, name, mmap=False) for name in header.specs}
    small = tensors.pop("small")
    tensors |= {
        "short": {"small": small[1:]},
        "long": {"small": np.append(small, np.uint8(0))},
        "type": {"small": small.view(np.int8)},
        "shape": {"small": small[None]},
        "missing": {},
    }[change]
    with path.open("wb") as file:
        write_container(file, header.record.values, tensors)
    for load in (embzip.load, load_model):
        with pytest.raises(FileFormatError, match=rf"^{path}: the header: .*'small' has \d+ bytes"):
            load(path, mmap=mmap)
    with pytest.raises(FileFormatError, match="'small' has"):
        embzip.inspect(path)
