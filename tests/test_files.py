"""Writing is atomic, keeps modes and links, and fails without leaving anything."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from embzip.errors import MissingFileError, OutputError
from embzip.files import (
    atomic_folder,
    atomic_write,
    blocks_of,
    digest,
    existing_file,
    output_path,
    write_bytes,
)


def test_a_failing_block_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_bytes(path, b"old")

    def interrupted() -> None:
        with atomic_write(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert path.read_bytes() == b"old"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "model"

    def write(content: str, end: type[BaseException] | None = None) -> None:
        with atomic_folder(path, marker="mark") as folder:
            (folder / "mark").write_text(content)
            (folder / content).touch()
            if end is not None:
                raise end

    write("first")
    with pytest.raises(KeyboardInterrupt):
        write("second", KeyboardInterrupt)
    assert sorted(p.name for p in path.iterdir()) == ["first", "mark"]
    write("third")
    assert sorted(p.name for p in path.iterdir()) == ["mark", "third"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    (path / "mark").unlink()
    with pytest.raises(OutputError, match="is not a folder that contains mark"):
        write("fourth")
    assert [p.name for p in path.iterdir()] == ["third"]
    assert output_path("x", ".y", tmp_path / "new", marker="mark") == tmp_path / "new"
    with pytest.raises(OutputError, match="is not a folder that contains mark"):
        output_path("x", ".y", path, marker="mark")


def test_case_63_mode_and_link_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "target"
    target.parent.mkdir()
    link = tmp_path / "link"
    link.symlink_to(target)
    before = os.umask(0o022)
    try:
        write_bytes(link, b"one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    target.chmod(0o600)
    write_bytes(link, b"two")
    assert link.is_symlink()
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_case_61_disk_full_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_bytes(path, b"old")
    # The limit is the kernel's own: a write beyond it fails as on a full disk.
    program = (
        "import resource, sys\n"
        "from embzip.files import write_bytes\n"
        "from embzip.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_bytes(sys.argv[1], b'x' * 5000)\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert "the old file, if any, is untouched" in done.stdout
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_unwritable_place_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write here: No such file"):
        write_bytes(tmp_path / "absent" / "model", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="writing failed"):
        write_bytes(tmp_path / "folder", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_an_output_is_named_after_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_path("/data/corpus.txt", ".bpe.model") == Path("corpus.bpe.model")
    assert output_path("/data/corpus", ".bpe.model") == Path("corpus.bpe.model")
    assert output_path("-", ".words.tsv") == Path("stdin.words.tsv")
    Path("corpus.bpe.model").touch()
    with pytest.raises(OutputError, match="already exists: choose another name with -o"):
        output_path("corpus.txt", ".bpe.model")
    assert output_path("corpus.txt", ".bpe.model", force=True) == Path("corpus.bpe.model")
    assert output_path("x", ".y", "corpus.bpe.model") == Path("corpus.bpe.model")
    with pytest.raises(OutputError, match="found a directory"):
        output_path("x", ".y", tmp_path)
    with pytest.raises(OutputError, match="does not exist: create it first"):
        output_path("x", ".y", tmp_path / "absent" / "file")


def test_case_01_and_02_existing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        existing_file(tmp_path / "absent")
    with pytest.raises(MissingFileError, match="found a directory"):
        existing_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        existing_file(tmp_path / "absent")


def test_digest_tells_one_flipped_bit() -> None:
    assert digest(b"a") != digest(b"`")
    assert digest(memoryview(b"a")) == digest(b"a")
    assert len(digest(b"")) == 32


@pytest.mark.parametrize("size", [0, 5, (1 << 20) - 1, 1 << 20, (1 << 20) + 5, 3 << 20])
def test_the_beginning_of_a_file_in_blocks(tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * 9000
    path = tmp_path / "model"
    path.write_bytes(content)
    blocks = list(blocks_of(path, size))
    assert b"".join(blocks) == content[:size]
    assert max(map(len, blocks), default=0) <= 1 << 20
