"""Cases 53 to 59 for packed tensors: refused or unchanged, before anything is allocated."""

import json
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.embedding import CompressedEmbedding
from embzip.embz.container import read_header, write_container
from embzip.errors import FileFormatError
from embzip.files.reading import digest
from embzip.packing.models import Models, read_models

ROWS, DIM = 600, 3


def small() -> CompressedEmbedding:
    rng = np.random.default_rng(0)
    return embzip.compress((rng.normal(size=(ROWS, DIM)) ** 3).astype(np.float32), "kmeans:5")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    embzip.save(small(), tmp_path / "a.embz", pack=True)
    assert "codes.values" in stored(tmp_path / "a.embz")[0]["packed"]
    return tmp_path / "a.embz"


def stored(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The record and the stored tensors of a file."""
    with path.open("rb") as file:
        header = read_header(file, path)
    raw = path.read_bytes()
    tensors = {
        name: np.frombuffer(
            raw[header.offsets[name] :][: spec.nbytes], np.dtype(spec.dtype)
        ).reshape(spec.shape)
        for name, spec in header.specs.items()
    }
    return dict(header.record.values), tensors


def crafted(path: Path, *, content=None, **changes) -> Path:
    """The same file with another packing of `codes.values`, and all digests right."""
    record, tensors = stored(path)
    record["packed"]["codes.values"] |= changes
    if content is not None:
        tensors["codes.values"] = np.frombuffer(content, np.uint8)
    other = path.with_name("crafted.embz")
    with other.open("wb") as file:
        write_container(file, record, tensors)
    return other


def refused(path: Path) -> str:
    """Load in both modes, within little memory; return the message."""
    messages = []
    for mmap in (False, True):
        tracemalloc.start()
        with pytest.raises(FileFormatError) as caught:
            embzip.load(path, mmap=mmap)[[0, ROWS - 1]]
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
        tracemalloc.stop()
        messages.append(str(caught.value))
    return messages[0]


def test_case_53_every_prefix(path: Path) -> None:
    whole = path.read_bytes()
    broken = path.with_name("b.embz")
    for length in range(0, len(whole), 3):
        broken.write_bytes(whole[:length])
        for mmap in (False, True):
            with pytest.raises(FileFormatError):
                embzip.load(broken, mmap=mmap)


def test_case_54_every_flipped_byte_in_both_modes(path: Path) -> None:
    expected = small().decode()
    record, tensors = stored(path)
    whole = bytearray(path.read_bytes())
    assert tensors.keys() >= {"codes.values", "small"}
    assert record
    broken = path.with_name("b.embz")
    for index in range(len(whole)):
        whole[index] ^= 0x10
        broken.write_bytes(whole)
        whole[index] ^= 0x10
        for mmap in (False, True):
            try:
                found = embzip.load(broken, mmap=mmap).decode()
            except FileFormatError:
                continue
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "object"},
        {"shape": [2**40, 2**40]},
        {"shape": [ROWS, 2**46]},
        {"shape": [-1, 3]},
        {"shape": [ROWS, DIM + 1]},
        {"shape": "600"},
        {"axes": 0},
        {"axes": 9},
        {"view": "pieces3"},
        {"view": ["pieces8"]},
        {"view": "planes2"},
        {"period": 0},
        {"period": 2**50},
        {"classes": ["codes.values", 3]},
        {"classes": ["none", 3]},
        {"classes": None},
        {"dependent": True},
        {"dependent": 1},
        {"differences": True},
        {"tables": 0},
        {"tables": 10**9},
        {"tables": 7},
        {"models": 2**40},
        {"models": 0},
        {"models": -1},
        {"lengths": [3, 0]},
        {"lengths": [1, 2**31]},
        {"lengths": [1, -5]},
        {"lengths": [4, 0]},
        {"digest": "0" * 32},
    ],
)
def test_case_55_to_57_packings_that_do_not_fit(path: Path, changes: dict) -> None:
    assert "codes.values" in refused(crafted(path, **changes))


def test_case_57_lengths_beyond_the_tensor(path: Path) -> None:
    record, tensors = stored(path)
    packing = record["packed"]["codes.values"]
    raw = bytearray(tensors["codes.values"].tobytes())
    at = packing["models"]
    raw[at] ^= 0x40
    head = packing["models"] + 3 * (packing["lengths"][0] + 2)
    message = refused(crafted(path, content=bytes(raw), digest=digest(bytes(raw[:head]))))
    assert "end at byte" in message


def test_case_59_frequency_tables(path: Path) -> None:
    zero = zlib.compress(bytes(4 + 2 * 8))
    with pytest.raises(FileFormatError, match="sum is zero"):
        read_models(zero, 4, 2, 8)
    with pytest.raises(FileFormatError, match="names 9"):
        read_models(zlib.compress(bytes([9] * 20)), 4, 2, 8)
    with pytest.raises(FileFormatError, match="take 20 bytes"):
        read_models(zlib.compress(bytes(10**8)), 4, 2, 8)
    with pytest.raises(FileFormatError, match="damaged"):
        read_models(b"no zlib", 4, 2, 8)


def test_mapped_blocks_that_are_damaged_raise_and_others_do_not(path: Path) -> None:
    with path.open("rb") as file:
        header = read_header(file, path)
    whole = bytearray(path.read_bytes())
    last = header.offsets["codes.values"] + header.specs["codes.values"].nbytes - 1
    whole[last] ^= 1
    path.write_bytes(whole)
    loaded = embzip.load(path, mmap=True)
    np.testing.assert_array_equal(loaded[[0, 300]], small()[[0, 300]])
    with pytest.raises(FileFormatError, match="block 2 of 3"):
        loaded[[ROWS - 1]]
    with pytest.raises(FileFormatError, match=r"codes\.values"):
        loaded.verify()


def test_header_packs_only_what_is_there(path: Path) -> None:
    record, tensors = stored(path)
    for packed in ([], {"codes.other": {}}, {"codes.values": None}, json.loads("7")):
        with path.with_name("c.embz").open("wb") as file:
            write_container(file, record | {"packed": packed}, tensors)
        with pytest.raises(FileFormatError):
            embzip.load(path.with_name("c.embz"))


def test_a_wide_block_is_not_packed_and_a_crafted_one_refused(tmp_path: Path) -> None:
    """Found in an audit: 10 kB of a table 100,000 wide took 454 MB to decode."""
    path = tmp_path / "wide.embz"
    rng = np.random.default_rng(0)
    for columns, packs in ((30_000, True), (40_000, False)):
        values = np.where(rng.random((256, columns)) < 1 / 1000, 3, 7).astype(np.int8)
        wide = embzip.compress(np.ones((256, columns), np.float32), "int8:scale=none")
        wide = replace(wide, codes={"values": values})
        embzip.save(wide, path, pack=True)
        if packs:
            record, tensors = stored(path)
        assert (path.stat().st_size < values.nbytes / 20) == packs
        for mmap in (False, True):
            tracemalloc.start()
            loaded = embzip.load(path, mmap=mmap)
            np.testing.assert_array_equal(np.asarray(loaded.codes["values"]), values)
            assert tracemalloc.get_traced_memory()[1] < 160_000_000
            tracemalloc.stop()
    record["dim"] = 32_769
    record["packed"]["codes.values"] |= {"shape": [256, 32_769], "period": 1}
    with path.open("wb") as file:
        write_container(file, record, tensors)
    with pytest.raises(FileFormatError, match="a block has at most"):
        embzip.load(path)


def test_damage_that_is_met_when_rows_are_read_names_the_file(path: Path) -> None:
    tensors = stored(path)[1]
    content = tensors["codes.values"].copy()
    content[-1] ^= 1
    other = crafted(path, content=content)
    loaded = embzip.load(other, mmap=True)
    with pytest.raises(FileFormatError, match=r"^\S*crafted\.embz: tensor .*block 2 of 3: it does"):
        loaded[[ROWS - 1]]
    with pytest.raises(FileFormatError, match=r"^\S*crafted\.embz: tensor .*block 2 of 3: it does"):
        loaded.codes["values"].take(np.array([ROWS - 1]))


def closed_file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(3000, 12)) * np.exp(rng.normal(0, 0.4, (3000, 1)))).astype(np.float32)
    embzip.save(embzip.compress(table, "ectcq:2"), tmp_path / "a.embz", pack=True)
    assert stored(tmp_path / "a.embz")[0]["packed"]["codes.values"]["dependent"]
    return tmp_path / "a.embz"


@pytest.mark.parametrize(
    "changes",
    [{"dependent": 1}, {"dependent": False}, {"classes": ["codes.values", 2]}],
)
def test_records_of_closed_paths_that_packing_never_writes(tmp_path: Path, changes: dict) -> None:
    assert "codes.values" in refused(crafted(closed_file(tmp_path), **changes))


@pytest.mark.parametrize("parity", [0, 1])
def test_a_table_that_lacks_the_parity_a_state_asks_for(tmp_path: Path, parity: int) -> None:
    path = closed_file(tmp_path)
    record, tensors = stored(path)
    packed = record["packed"]["codes.values"]
    raw = tensors["codes.values"].tobytes()
    contexts = 16 * 12 + 1
    models = read_models(raw[: packed["models"]], contexts, packed["tables"], 256)
    tables = models.tables.copy()
    tables[models.of_context[:-1], parity::2] = 0
    written = Models(models.of_context, np.where(tables.any(axis=1)[:, None], tables, 1)).to_bytes()
    lengths = 12 * (packed["lengths"][0] + 2)
    head = written + raw[packed["models"] :][: 2 * 7 * 12 + lengths]
    body = raw[packed["models"] + 2 * 7 * 12 + lengths :]
    changes = {"models": len(written), "digest": digest(head)}
    assert "parity" in refused(crafted(path, content=head + body, **changes))
