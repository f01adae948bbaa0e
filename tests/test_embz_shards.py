"""Tables in shards: the rows of one file, and one line for each shard that is not as it was."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import embzip
from embzip.classifier import load_classifier
from embzip.codecs.joined import JoinedArray, Stretch
from embzip.embz.shards import shard_name
from embzip.errors import EmbzipError, FileFormatError, InputError, OutputError, SpecError
from embzip.files.limits import MOST
from tests.commands import outcome, stdout_of
from tests.models import tiny_classifier

CODECS = [
    "float32", "int8", "svd:4|int4", "svd|tcq:2", "mixed:2", "coarse:4|int8", "coarse:4|sparse:3",
    "normalize|pq:2", "rows:8", "ectcq:2", "center|kmeans:4", "svd|coarse:4|tcq:1",
]  # fmt: skip


def table_of(codec: str, rows: int = 500) -> embzip.CompressedEmbedding:
    numbers = np.random.default_rng(3).normal(size=(rows, 8)).astype(np.float32)
    numbers[0] = 0
    words = embzip.Vocabulary([f"w{number:04}" for number in range(rows)], pad_id=0)
    counts = np.arange(rows, dtype=np.int64)
    return embzip.compress(embzip.Vectors(words, numbers, counts), codec)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of int8 in `set`, in three shards."""
    monkeypatch.chdir(tmp_path)
    embzip.save(table_of("int8"), "set", shards=3, counts=True, meta={"licence": "MIT"})
    return tmp_path / "set"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("pack", [False, True], ids=["plain", "packed"])
def test_rows_are_those_of_one_file(tmp_path: Path, codec: str, pack: bool) -> None:
    table = table_of(codec)
    embzip.save(table, tmp_path / "one.embz", pack=pack, counts=True)
    one = embzip.load(tmp_path / "one.embz")
    ids = np.array([[499, 0, 7], [166, 167, 168]])
    # A matrix product rounds by where in memory its operands begin; the rest is equal to the bit.
    same = partial(np.testing.assert_allclose, rtol=0, atol=1e-6 if "svd" in codec else 0)
    for count in (1, 3, 7):
        embzip.save(table, tmp_path / "set", pack=pack, counts=True, shards=count)
        for path in (tmp_path / "set", tmp_path / "set" / "manifest.embz"):
            whole, mapped = embzip.load(path), embzip.load(path, mmap=True)
            same(mapped[ids], one[ids])
            same(mapped[100:400], one[100:400])
            mapped.verify()
            for found in (whole, mapped):
                same(found.decode(), one.decode())
                assert found.vocabulary == one.vocabulary
                assert found.counts is not None
                assert found.counts.tolist() == table.counts.tolist()  # type: ignore[union-attr]
    embzip.save(mapped, tmp_path / "again.embz", pack=pack, counts=True)
    assert (tmp_path / "again.embz").read_bytes() == (tmp_path / "one.embz").read_bytes()


def test_a_mapped_row_is_read_from_its_shard_alone(folder: Path) -> None:
    table = embzip.load(folder, mmap=True)
    values: Any = table.codes["values"]
    assert isinstance(values, JoinedArray)
    assert [type(each.array) for each in values.stretches] == [np.memmap] * 3
    content = bytearray((folder / shard_name(1, 3)).read_bytes())
    content[-166 * 8 :] = bytes(166 * 8)  # the second one's values
    (folder / shard_name(1, 3)).write_bytes(content)  # as long as before, so it stays mapped
    again = embzip.load(folder, mmap=True)
    np.testing.assert_array_equal(again[[10, 490]], table_of("int8")[[10, 490]])
    with pytest.raises(FileFormatError, match=r"shard-0002-of-0003\.embz: tensor 'codes\.values'"):
        again.verify()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.data())
def test_joined_arrays_do_what_arrays_do(lengths: list[int], data: st.DataObject) -> None:
    arrays = [np.arange(3 * n, dtype=np.int16).reshape(n, 3) + 100 * i
              for i, n in enumerate(lengths)]  # fmt: skip
    whole = np.concatenate(arrays)
    joined: Any = JoinedArray([Stretch(array, "", "") for array in arrays])
    assert (joined.shape, joined.size, joined.nbytes) == (whole.shape, whole.size, whole.nbytes)
    ends = st.integers(-7, 30) | st.none()
    part = slice(data.draw(ends), data.draw(ends), data.draw(st.sampled_from([None, 1, 2, -1])))
    np.testing.assert_array_equal(joined[part], whole[part])
    if len(whole):
        ids = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)), np.int64)
        np.testing.assert_array_equal(joined[ids], whole[ids])
        np.testing.assert_array_equal(joined.take(ids, axis=0), whole.take(ids, axis=0))
        np.testing.assert_array_equal(np.take(joined, ids, axis=0), np.take(whole, ids, axis=0))
        assert joined.max() == whole.max()
    np.testing.assert_array_equal(joined < 101, whole < 101)
    np.testing.assert_array_equal(joined.reshape(-1), whole.reshape(-1))
    with pytest.raises(IndexError):
        joined.take([len(whole)])


def damaged(path: Path, how: str) -> None:
    second, third = path / shard_name(1, 3), path / shard_name(2, 3)
    content = second.read_bytes()
    if how == "missing":
        second.unlink()
    elif how == "short":
        second.write_bytes(content[:-1])
    elif how == "long":
        second.write_bytes(content + b"\0")
    elif how == "swapped":
        second.rename(path / "aside")
        third.rename(second)
        (path / "aside").rename(third)
    elif how == "of another table":
        embzip.save(table_of("int8"), path.parent / "other", shards=3)
        other = embzip.load(path.parent / "other")
        codes = {**other.codes, "values": -other.codes["values"]}
        changed = embzip.CompressedEmbedding(
            other.codec, codes, other.params, other.rows, other.dim, other.vocabulary
        )
        embzip.save(changed, path.parent / "other", shards=3)
        shutil.copy(path.parent / "other" / shard_name(1, 3), second)
    elif how == "header":
        second.write_bytes(content.replace(b'"shard\\":1', b'"shard\\":2'))
    elif how == "bytes":
        second.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", r"no such file: it is shard 2 of the 3 of .*manifest\.embz: obtain it again"),
        ("short", r"shard 2 of the 3 of .* has [\d,]+ bytes, found [\d,]+: it is cut short"),
        ("long", r"shard 2 of the 3 of .* has [\d,]+ bytes, found"),
        ("swapped", "is not shard 2 of the 3 of|has .* bytes, found"),
        ("of another table", "is not shard 2 of the 3 of"),
        ("header", "the header does not match its digest"),
        ("bytes", "tensor 'codes.values' does not match its digest"),
    ],
)
def test_a_shard_that_is_not_as_it_was_is_named(folder: Path, how: str, said: str) -> None:
    damaged(folder, how)
    reads = [embzip.load, embzip.inspect, lambda path: embzip.load(path, mmap=True).verify()]
    for read in reads if how != "bytes" else (reads[0], reads[2]):
        with pytest.raises(EmbzipError, match=said) as caught:
            read(folder)
        assert "shard-0002-of-0003.embz" in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    done = outcome("convert", folder, "out.vec")
    assert (done.code, len(done.stderr.splitlines())) == (1, 1)


def test_a_shard_or_a_manifest_alone_is_no_table(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"found one of its shards: pass its folder, or man"):
        embzip.load(folder / shard_name(0, 3))
    shutil.copy(folder / "manifest.embz", tmp_path / "alone.embz")
    with pytest.raises(EmbzipError, match=r"shard-0001-of-0003\.embz: no such file: it is shard 1"):
        embzip.load(tmp_path / "alone.embz")


@pytest.mark.parametrize(
    "shards",
    [[], [[1, "a", 0, 500]], [[1, "a", 0, 400], [1, "a", 300, 500]], "x", [[1, "a", 0, 9]], [1],
     [[1, "a", 0, 250], [1, "a", 250, 500]]],
)  # fmt: skip
def test_a_manifest_that_was_made_up_is_refused(folder: Path, shards: Any) -> None:
    """With right digests, as a hostile one would have."""
    from embzip.embz.container import read_header, read_tensor, write_container

    path = folder / "manifest.embz"
    with path.open("rb") as file:
        header = read_header(file, path)
        tensors = {name: read_tensor(file, path, header, name, mmap=False) for name in header.specs}
    with path.open("wb") as file:
        write_container(file, {**header.record.values, "shards": shards}, tensors)
    with pytest.raises(EmbzipError):
        embzip.load(folder)


def test_every_file_is_a_safetensors_file(folder: Path) -> None:
    names = [shard_name(index, 3) for index in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.embz", *names]
    values = [safetensors.numpy.load_file(folder / name)["codes.values"] for name in names]
    np.testing.assert_array_equal(np.concatenate(values), table_of("int8").codes["values"])
    assert "codes.values" not in safetensors.numpy.load_file(folder / "manifest.embz")


def test_what_reads_a_table_takes_the_folder(folder: Path) -> None:
    Path("new.vec").write_text("1 8\nzzz 1 2 3 4 5 6 7 8\n")
    record = json.loads(stdout_of("inspect", "set", "--json"))
    assert (record["rows"], record["shards"], record["meta"]) == (500, 3, {"licence": "MIT"})
    assert record["bytes"]["total"] == sum(path.stat().st_size for path in folder.iterdir())
    embzip.save(table_of("int8"), "one.embz", counts=True, meta={"licence": "MIT"})
    for command in (
        "convert {} {}.vec",
        "compress {} --codec int4 -o {}.small.embz",
        "append {} new.vec -o {}.more.embz",
        "prune {} --max-vocab 9 -o {}.few.embz",
    ):
        ends = command.split("{}")[-1].split()[-1]
        for name in ("set", "one.embz"):
            stdout_of(*command.format(name, name).split())
        assert Path(f"set{ends}").read_bytes() == Path(f"one.embz{ends}").read_bytes()
    assert stdout_of("similar", "set", "w0009") == stdout_of("similar", "one.embz", "w0009")


def test_commands_write_shards(folder: Path) -> None:
    stdout_of("compress", "set", "--codec", "svd|tcq:2", "--shards", 2, "-o", "small")
    assert embzip.load("small").codec.spec.startswith("svd")
    done = json.loads(stdout_of("compress", "set", "--codec", "int4", "--shards", 2, "--json"))
    assert done["path"] == "set.compressed"
    assert done["file_bytes"] == sum(
        path.stat().st_size for path in Path("set.compressed").iterdir()
    )
    Path("new.vec").write_text("1 8\nzzz 1 2 3 4 5 6 7 8\n")
    stdout_of("append", "small", "new.vec", "--shards", 3)
    assert embzip.load("small.appended").shape == (501, 8)
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("two years")
    for target, said in (
        ("mine", "not a folder that contains manifest.embz"),
        ("set", "input set"),
    ):
        done_ = outcome("compress", "set", "--codec", "int8", "--shards", 2, "-o", target)
        assert done_.code == 1
        assert said in done_.stderr
    assert Path("mine/thesis.txt").exists()


def test_what_cannot_be_in_shards(tmp_path: Path) -> None:
    for count in (0, 501, MOST["shards"] + 1):
        with pytest.raises(SpecError, match=r"shards must lie in 1\.\.500 for a table of 500 rows"):
            embzip.save(table_of("int8"), tmp_path / "set", shards=count)
    with pytest.raises(InputError, match="shards are for tables, and this is a classifier"):
        embzip.save(tiny_classifier(), tmp_path / "set", shards=2)
    embzip.save(table_of("int8"), tmp_path / "set", shards=2)
    for read in (embzip.load_model, load_classifier):
        with pytest.raises(FileFormatError, match="found only an embedding: train one on it with"):
            read(tmp_path / "set")
    embzip.save(table_of("int8"), tmp_path / "set", shards=2)
    before = {path: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    with pytest.raises(OutputError, match=r"the files would have .* and 100 are allowed"):
        embzip.save(table_of("int4"), tmp_path / "set", shards=3, most=100)
    assert {path: path.read_bytes() for path in (tmp_path / "set").iterdir()} == before


KILLED = """
import os, signal, sys, numpy as np, embzip
from embzip.embz import shards
written, count = shards.write_container, int(sys.argv[1])

def write(*given):
    global count
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    count -= 1
    written(*given)

shards.write_container = write
embzip.save(embzip.compress(np.eye(40, 8, dtype=np.float32), "int8"), "set", shards=3)
"""


@pytest.mark.parametrize("files", [0, 1, 3])
@pytest.mark.parametrize("before", [False, True], ids=["new", "old"])
def test_a_crash_leaves_the_old_set_or_none(tmp_path: Path, files: int, before: bool) -> None:
    if before:
        embzip.save(table_of("int8"), tmp_path / "set", shards=2)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(files)], cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode < 0
    assert (tmp_path / "set").exists() == before
    if before:
        np.testing.assert_array_equal(
            embzip.load(tmp_path / "set").decode(), table_of("int8").decode()
        )


def test_workers_map_shards(tmp_path: Path) -> None:
    from embzip.engine import shipping

    embzip.save(table_of("int8", 4000), tmp_path / "set", shards=3)
    table = embzip.load(tmp_path / "set", mmap=True)
    codes = table.codes
    content, sender = shipping.packed(lambda: codes)
    assert len(content) < 3000
    again = shipping.Shipped(content, sender)()
    np.testing.assert_array_equal(again["values"], table.codes["values"])
