"""Writing is atomic, keeps modes and links, and fails without leaving anything."""

import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from embzip.errors import MissingFileError, OutputError
from embzip.files.reading import blocks_of, digest, existing_file
from embzip.files.writing import atomic_folder, atomic_write, temporary_folder, write_bytes


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
        "from embzip.files.writing import write_bytes\n"
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
    with pytest.raises(OutputError, match="found a directory"):
        write_bytes(tmp_path / "folder", b"x")
    with pytest.raises(OutputError, match="cannot write here: File name too long"):
        write_bytes(tmp_path / ("x" * 300) / "model", b"x")
    with pytest.raises(OutputError, match=r"writing failed \(File name too long"):
        write_bytes(tmp_path / ("x" * 300), b"x")
    with pytest.raises(OutputError, match="embedded null byte"):
        write_bytes(f"{tmp_path}/a\0b", b"x")
    write_bytes(tmp_path / ("x" * 255), b"x")  # as long as a name can be
    (tmp_path / ("x" * 255)).unlink()
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_case_01_and_02_existing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        existing_file(tmp_path / "absent")
    with pytest.raises(MissingFileError, match="found a directory"):
        existing_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        existing_file(tmp_path / "absent")
    with pytest.raises(MissingFileError, match="cannot be opened: File name too long"):
        existing_file(tmp_path / ("x" * 300))
    with pytest.raises(MissingFileError, match="cannot be opened: embedded null byte"):
        existing_file(f"{tmp_path}/a\0b")


def test_a_device_is_written_through_and_stays_one(tmp_path: Path) -> None:
    # A pseudo-terminal is a character device that any user may make, and that can be read back.
    leader, follower = pty.openpty()
    try:
        device = os.ttyname(follower)
        write_bytes(device, b"through\n")
        assert os.read(leader, 100) == b"through\r\n"
        assert stat.S_ISCHR(os.stat(device).st_mode)
        link = tmp_path / "link"
        link.symlink_to(device)
        write_bytes(link, b"again\n")
        assert os.read(leader, 100) == b"again\r\n"
        assert link.is_symlink()
    finally:
        os.close(leader)
        os.close(follower)


def test_a_fifo_and_a_socket_are_refused_and_stay(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name, kind in (("fifo", stat.S_IFIFO), ("socket", stat.S_IFSOCK)):
            with pytest.raises(OutputError, match=f"found a (?i:{name})"):
                write_bytes(tmp_path / name, b"x")
            assert stat.S_IFMT((tmp_path / name).stat().st_mode) == kind
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "socket"]


def test_what_a_killed_process_left_is_removed_by_the_next_save(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from embzip.files.writing import atomic_folder, atomic_write, temporary_folder\n"
        "here = Path(sys.argv[1])\n"
        "with atomic_write(here / 'a') as a, atomic_folder(here / 'b', marker='m') as b:\n"
        "    with temporary_folder(here) as c:\n"
        "        (c / 'part').touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = sorted(tmp_path.iterdir())
    assert len(left) == 3
    (tmp_path / ".embzip-notes").write_text("of a user")
    write_bytes(tmp_path / "model", b"x")
    assert sorted(tmp_path.iterdir()) == sorted(
        [*left, tmp_path / ".embzip-notes", tmp_path / "model"]
    ), "what was changed in the last minute stays"
    for path in left:
        os.utime(path, (0, 0))
    with atomic_write(tmp_path / "other") as running:
        os.utime(running.name, (0, 0))
        write_bytes(tmp_path / "model", b"y")  # our own process runs: what it writes stays
        running.write(b"z")
    assert {path.name for path in tmp_path.iterdir()} == {".embzip-notes", "model", "other"}


def test_a_folder_that_was_being_replaced_is_left_to_the_user(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "model", marker="m") as folder:
        leftover = folder.parent
    leftover.joinpath("old").mkdir(parents=True)
    renamed = leftover.rename(str(leftover).replace(f"-{os.getpid()}-", "-999999999-"))
    os.utime(renamed, (0, 0))
    write_bytes(tmp_path / "other", b"x")
    assert renamed.is_dir()


def test_a_folder_for_temporary_files_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/absent/folder")
    with (
        pytest.raises(OutputError, match=r"^TMPDIR: cannot write here: No such file .*TMPDIR"),
        temporary_folder(),
    ):
        pass


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
