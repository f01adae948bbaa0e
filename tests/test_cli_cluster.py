"""`--cluster` with a scheduler and a worker that were started by hand, as on several machines."""

import gzip
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embzip.engine import opened, rows, shipping, texts
from embzip.engine.clusters import Cluster
from embzip.files import line_parts
from tests.commands import outcome, stdout_of, write_inputs

WITHOUT_EMBZIP = (
    "import runpy, sys; sys.modules['embzip'] = None; "
    "sys.argv = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__')"
)
Running = tuple[str, "subprocess.Popen[bytes]"]


@contextmanager
def started(folder: Path, *, lacks: str = "") -> Iterator[Running]:
    """Give the address and the process of a scheduler with one worker; one may lack embzip."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{found.getsockname()[1]}"
    options = {
        "scheduler": ["--host", address],
        # A worker without a nanny is the process that is started here.
        "worker": [address, "--no-nanny", "--nthreads=1", f"--local-directory={folder}"],
    }
    running = []
    with (folder / "dask.log").open("wb") as log:
        try:
            for kind, given in options.items():
                how = ["-c", WITHOUT_EMBZIP] if kind == lacks else ["-m"]
                command = [sys.executable, *how, f"distributed.cli.dask_{kind}", *given]
                running.append(
                    subprocess.Popen([*command, "--no-dashboard"], stdout=log, stderr=log)
                )
            yield address, running[0]
        finally:
            for process in running:
                process.kill()
                process.wait()


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Running]:
    with started(tmp_path) as running:
        yield running


@pytest.mark.parametrize("lacks", ["scheduler", "worker"])
def test_a_process_without_embzip_is_named_as_what_lacks_it(tmp_path: Path, lacks: str) -> None:
    (tmp_path / "corpus.txt").write_text("the sea and the sun\n")
    with started(tmp_path, lacks=lacks) as (address, _):
        command = ["build-words", "corpus.txt", "--cluster", address, "-o", "words.tsv"]
        done = subprocess.run(
            [sys.executable, "-m", "embzip", *command], cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"embzip: error: {address}: the scheduler and every worker must have embzip installed ("
    )
    assert not (tmp_path / "words.tsv").exists()


def test_a_cluster_is_named_by_its_address_and_a_lost_scheduler_is_said(
    tmp_path: Path, scheduler: Running
) -> None:
    address, process = scheduler
    (tmp_path / "corpus.txt").write_text("the sea and the sun\n" * 500)
    for where, target in (([], "plain.tsv"), (["--cluster", address], "apart.tsv")):
        command = ["build-words", "corpus.txt", *where, "-o", target]
        done = subprocess.run(
            [sys.executable, "-m", "embzip", *command], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "apart.tsv").read_bytes() == (tmp_path / "plain.tsv").read_bytes()

    # A corpus that comes by a pipe, in the middle of which the scheduler ends.
    command = ["build-words", "-", "--cluster", address, "-o", "lost.tsv"]
    with subprocess.Popen(
        [sys.executable, "-m", "embzip", *command],
        cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"},
    ) as running:  # fmt: skip
        assert running.stdin is not None and running.stderr is not None  # noqa: PT018
        said = running.stderr.readline()
        assert "dashboard" in said
        running.stdin.write("the sea and the sun\n" * 30_000)
        running.stdin.flush()
        process.kill()
        process.wait()
        running.stdin.write("the sea and the sun\n" * 30_000)
        running.stdin.close()
        last = running.stderr.read().strip().splitlines()[-1]
    assert running.returncode == 1
    assert re.match(
        rf"embzip: error: the scheduler at {address} is lost .*: no file was written", last
    )
    assert not (tmp_path / "lost.tsv").exists()


def test_workers_of_this_machine_read_a_pattern_of_compressed_files(tmp_path: Path) -> None:
    for name, text in (("a.gz", "the sea and the sun\n"), ("b.gz", "a ship and the sea\n")):
        (tmp_path / name).write_bytes(gzip.compress(text.encode() * 3000))
    for corpus, where, target in (
        ("*.gz", [], "plain.tsv"),
        (f"file://{tmp_path}/*.gz", ["--cluster", "local:2"], "apart.tsv"),
    ):
        command = ["build-words", corpus, *where, "-o", target]
        done = subprocess.run(
            [sys.executable, "-m", "embzip", *command], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"embzip: cluster tcp://\S+, dashboard http://\S+/status\n", done.stderr)
    assert (tmp_path / "apart.tsv").read_bytes() == (tmp_path / "plain.tsv").read_bytes()


def test_tasks_are_counted_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("the sea and the sun\n" * 3000)
    command = [sys.executable, "-m", "embzip", "build-words", "corpus.txt", "--cluster", "local:1"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, stderr=theirs, stdout=subprocess.PIPE) as running:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how a terminal ends
            while more := os.read(ours, 65536):
                shown += more
        os.close(ours)
    assert running.returncode == 0, shown
    assert re.search(rb"embzip: cluster tcp://\S+, dashboard http://\S+/status", shown)
    assert b"1 done, 0 at work" in shown, shown[-2000:]


def test_where_no_scheduler_is_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus.txt").write_text("the sea\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("embzip.engine.opening._REACHED_IN", 1)
    done = outcome("build-words", "corpus.txt", "--cluster", "tcp://127.0.0.1:9")
    assert done.code == 1
    assert "tcp://127.0.0.1:9: no scheduler answers there" in done.stderr


def test_without_dask_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus.txt").write_text("the sea\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = outcome("build-words", "corpus.txt", "--cluster", "local:2")
    assert done.code == 1
    assert "`uv sync --extra scale` in a checkout" in done.stderr


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    """A client of two workers, of which lost ones are replaced."""
    with opened("local:2") as client:
        yield client


@pytest.fixture
def killed(workers: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The workers that were killed: one, as soon as the first block of a command is done."""
    workers.wait_for_workers(2)
    ended: list[int] = []
    answered = Cluster._answer

    def answer(self: Cluster, *given: Any) -> tuple[int, Any]:
        found = answered(self, *given)
        if not ended:
            ended.append(next(iter(workers.run(os.getpid).values())))
            os.kill(ended[0], signal.SIGKILL)
        return found

    monkeypatch.setattr(Cluster, "_answer", answer)
    return ended


@pytest.mark.parametrize(
    "command",
    [
        "build-words corpus.txt --min-count 1",
        "build-bpe corpus.txt --vocab 60 --threads 1",
        "train-vectors corpus.txt --tokenizer words.tsv --dim 8",
        "train-vectors corpus.txt --tokenizer words.tsv --method word2vec --dim 8 --epochs 1",
        "compress rows.vec --codec svd|coarse:16|tcq:1",
        "append coded.embz more.vec",
        "prune table.embz --by coverage --texts corpus.txt --max-vocab 2",
        "predict model.embz corpus.txt --proba",
    ],
    ids=lambda command: "-".join(command.split()[:6:5] or command.split()[:1]),
)
def test_a_worker_is_killed_in_the_middle_of_a_command_and_the_bytes_are_the_same(
    workers: Any, killed: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for module, name, value in (
        (texts, "_TEXTS", 10), (rows, "BLOCK_BYTES", 4 * 8 * 40), (line_parts, "_BYTES", 500),
        (shipping, "_CARRIED", 10_000),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    write_inputs(tmp_path)
    rng = np.random.default_rng(0)
    words = ["goal", "market", "the", *(f"w{number}" for number in range(400))]
    lines = "".join(" ".join(rng.choice(words, 12)) + "\n" for _ in range(280))
    Path("corpus.txt").write_text(lines)
    write_vectors("rows.vec", words, rng)
    write_vectors("more.vec", [f"more{number}" for number in range(200)], rng)
    stdout_of("build-words", "corpus.txt", "--min-count", "1", "-o", "words.tsv")
    stdout_of("compress", "rows.vec", "--codec", "svd|tcq:1", "-o", "coded.embz")

    made = {}
    for target, where in (("plain", []), ("apart", ["--cluster", workers.scheduler.address])):
        name = target + {"build-words": ".tsv", "build-bpe": ".model"}.get(
            command.split()[0], ".embz"
        )
        output = [] if command.startswith("predict") else ["-o", name]
        said = stdout_of(*command.split(), *output, *where)
        made[target] = Path(name).read_bytes() if output else said
    assert killed
    assert made["apart"] == made["plain"]


def write_vectors(name: str, words: list[str], rng: np.random.Generator) -> None:
    lines = [" ".join([word, *map(str, rng.normal(size=8).round(4))]) for word in words]
    Path(name).write_text(f"{len(words)} 8\n" + "\n".join(lines) + "\n")
