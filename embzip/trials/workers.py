"""Workers of a search, each at one task at a time: processes of this machine, or a cluster's."""

import json
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from embzip.engine import Cluster, active
from embzip.errors import EmbzipError
from embzip.threads import ONE_THREAD
from embzip.trials.making import Making
from embzip.trials.working import perform_alone

_CHILD = "from embzip.trials.working import serve; serve()"

Task = Mapping[str, Any]
Answer = dict[str, Any]


class Workers(Protocol):
    """Who does the tasks of a search.

    Attributes
    ----------
    making
        What steps follow from; it may be replaced between tasks.
    """

    making: Making

    def done(
        self, tasks: Sequence[Task], *, until: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the place and the answer of each task as it is done.

        Parameters
        ----------
        until
            Asked before each task is begun; where it says False, no further one is.

        Raises
        ------
        EmbzipError
            For a task that failed, with what its worker said.
        """


def one(workers: Workers, task: Task) -> Answer:
    """Do one task."""
    return next(workers.done([task]))[1]


@dataclass
class ClusterWorkers:
    """Workers of a Dask cluster, which see the search's folder under the same path.

    A task whose worker is lost is done again by another.
    """

    making: Making
    cluster: Cluster

    def done(
        self, tasks: Sequence[Task], *, until: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the place and the answer of each task as it is done; see `Workers`."""
        making = self.making.to_json()
        yield from self.cluster.each(perform_alone, [(making, dict(task)) for task in tasks], until)


class Processes:
    """Processes that do tasks; `started` makes them.

    Parameters
    ----------
    processes
        That are idle.
    """

    def __init__(
        self,
        making: Making,
        processes: Sequence["subprocess.Popen[str]"],
        logs: Sequence[Path],
    ) -> None:
        self.making = making
        self._logs = dict(zip((each.pid for each in processes), logs, strict=True))
        self._free: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        for process in processes:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(len(processes), "worker")

    def done(
        self, tasks: Sequence[Task], *, until: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the place and the answer of each task as it is done; see `Workers`."""
        waiting = list(enumerate(tasks))
        running: dict[Future[Answer], int] = {}
        while waiting or running:
            while waiting and len(running) < len(self._logs) and until():
                place, task = waiting.pop(0)
                running[self._threads.submit(self._do, task)] = place
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()

    def _do(self, task: Task) -> Answer:
        process = self._free.get()
        line = ""
        with suppress(OSError, ValueError):  # it has ended
            assert process.stdin is not None and process.stdout is not None  # noqa: PT018, S101
            process.stdin.write(json.dumps([self.making.to_json(), task]) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        log = self._logs[process.pid]
        if not line:
            raise EmbzipError(
                f"a worker ended with status {process.wait()} before its task was done, and said "
                f"{_last_line(log)!r} ({log}); if it said nothing, memory was too little: take "
                "fewer workers. The same command goes on from here"
            )
        self._free.put(process)
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise EmbzipError(answer["error"])
        return answer

    def close(self) -> None:
        """Wait for no task any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").split("\n") if log.is_file() else []
    return next((line for line in reversed(lines) if line.strip()), "")


@contextmanager
def started(making: Making, count: int) -> Iterator[Workers]:
    """Give the workers of a search: of the cluster that is named, else as many processes.

    Processes are started here, and ended with the block, whatever they are at.
    """
    cluster = active()
    if cluster is not None:
        yield ClusterWorkers(making, cluster)
        return
    root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    environment = {**os.environ, **ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "2"}
    # They must import this very package.
    environment["PYTHONPATH"] = root + (os.pathsep + inherited if inherited else "")
    logs = [making.directory / f"worker-{number}.log" for number in range(count)]
    processes = []
    try:
        for log in logs:
            with log.open("wb") as said:
                process = subprocess.Popen(  # noqa: S603  # this interpreter, a fixed program
                    [sys.executable, "-P", "-c", _CHILD],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                    encoding="utf-8",
                    env=environment,
                    # Ctrl-C is the search's, which ends its workers.
                    start_new_session=True,
                )
            processes.append(process)
        workers = Processes(making, processes, logs)
        try:
            yield workers
        finally:
            workers.close()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
