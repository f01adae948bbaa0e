"""Where work over blocks runs: here, or on the workers of a Dask cluster.

Nothing distributed is done here. Tasks, their data, lost workers and their repetition are Dask's;
this module hands blocks over, a bounded number at a time, and takes the answers in order.
"""

import pickle
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from embzip.engine.folding import folded
from embzip.engine.opening import opened
from embzip.errors import ClusterError, EmbzipError
from embzip.types import Progress

if TYPE_CHECKING:
    from distributed import Client, Future

_ACTIVE: ContextVar["Cluster | None"] = ContextVar("cluster", default=None)
_FEWEST = 4  # blocks that are with the cluster at a time
_ANSWERS_IN = 120  # seconds: the first worker


class Cluster:
    """The workers that a Dask client reaches.

    Parameters
    ----------
    progress
        As `on_cluster` has it.
    """

    def __init__(self, client: "Client", progress: Progress | None = None) -> None:
        self._client, self._progress = client, progress
        self._done = self._given = 0  # tasks

    def map(self, function: Callable[..., Any], parts: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield `function(*part)` of each part, in order; few of them are in memory at a time."""
        shipped = self._shipped(function)
        begun = ((1, self._submitted(shipped, part)) for part in parts)
        yield from (found for _, found in self._in_order(begun))

    def reduced(
        self,
        function: Callable[..., Any],
        combine: Callable[[Any, Any], Any],
        groups: Iterable[Sequence[tuple[Any, ...]]],
    ) -> Iterator[tuple[int, Any]]:
        """Yield (number of parts, what is found in them, combined) of each group, in order.

        Workers combine, neighbours first, as in a binary tree.
        """
        from embzip.engine.shipping import called

        shipped, combining = self._shipped(function), self._shipped(combine)

        def combined(one: "Future", other: "Future") -> "Future":
            return self._client.submit(called, combining, one, other, pure=False)

        def begun() -> "Iterator[tuple[int, Future]]":
            for group in groups:
                parts = ((1, self._submitted(shipped, part)) for part in group)
                if (found := folded(parts, combined)) is not None:
                    yield len(group), found

        yield from self._in_order(begun())

    def each(
        self,
        function: Callable[..., Any],
        parts: Sequence[tuple[Any, ...]],
        until: Callable[[], bool],
    ) -> Iterator[tuple[int, Any]]:
        """Yield the place of each part and `function(*part)`, as one is done.

        A thread of a worker is given one part at a time, and none once `until` says False.
        """
        shipped = self._shipped(function)
        waiting = list(enumerate(parts))
        running: dict[Future, int] = {}
        while True:
            while waiting and len(running) < max(1, self._threads()) and until():
                place, part = waiting.pop(0)
                running[self._submitted(shipped, part)] = place
            if not running:
                return
            future = self._first_done(list(running))
            yield running.pop(future), self._answer(1, future)[1]

    def _in_order(self, begun: "Iterable[tuple[int, Future]]") -> Iterator[tuple[int, Any]]:
        """Yield the answers of tasks that have begun, so many behind each, as they come."""
        waiting: deque[tuple[int, Future]] = deque()  # when nobody holds them, Dask forgets them
        for each in begun:
            waiting.append(each)
            while len(waiting) > 1 and sum(size for size, _ in waiting) >= self._at_once():
                yield self._answer(*waiting.popleft())
        while waiting:
            yield self._answer(*waiting.popleft())

    def _answer(self, tasks: int, future: "Future") -> tuple[int, Any]:
        """Wait for what so many tasks have found, and count them."""
        found = self._result(future)
        self._done += tasks
        if self._progress is not None:
            self._progress(self._done, self._given)
        return tasks, found

    def _shipped(self, function: Callable[..., Any]) -> "Future":
        from embzip.engine.shipping import Shipped, packed

        # A task, not scattered data: if all workers that have it are lost, Dask makes it again.
        with self._reached():
            return self._client.submit(Shipped, *packed(function), pure=False)

    def _submitted(self, shipped: "Future", part: tuple[Any, ...]) -> "Future":
        from embzip.engine.shipping import run

        content = pickle.dumps(part, protocol=pickle.HIGHEST_PROTOCOL)
        self._given += 1
        with self._reached():
            return self._client.submit(run, shipped, content, pure=False)

    def _at_once(self) -> int:
        """Return how many blocks the cluster is given before an answer is awaited."""
        return max(_FEWEST, 2 * self._threads())

    def _threads(self) -> int:
        with self._reached():
            return sum(self._client.nthreads().values())

    def _result(self, future: "Future") -> Any:
        self._first_done([future])
        if future.status == "error" and isinstance(error := future.exception(), OSError):
            raise error  # of the work, where `_reached` would say that it is the scheduler's
        with self._reached():
            return future.result()

    def _first_done(self, futures: "list[Future]") -> "Future":
        """Wait for the first that is done, or failed, and return it."""
        from distributed import wait

        while True:
            with self._reached(), self._client.as_current():  # whatever client is the default
                try:
                    done, _ = wait(futures, timeout=_ANSWERS_IN, return_when="FIRST_COMPLETED")
                    return next(future for future in futures if future in done)
                except TimeoutError:
                    pass
            if not self._threads():  # else one may still be at it
                raise ClusterError(
                    f"{self._client.scheduler.addr}: all workers are lost, and none came within "
                    f"{_ANSWERS_IN} seconds: no file was written; start some, and run the command "
                    "again"
                )

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Say what it means where Dask gives up; and let a block be of any size."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError, FuturesCancelledError
        from distributed.comm import CommClosedError

        try:
            with warnings.catch_warnings():
                # Dask warns of ten megabytes, and suggests what is done here.
                warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
                yield
        except EmbzipError:
            raise  # what a worker found, which may be an OSError too
        except KilledWorker as error:
            raise ClusterError(
                "a block of work ended several workers, one after the other: is there too little "
                "memory for it? Give workers more (dask worker --memory-limit), or fewer threads"
            ) from error
        except (FutureCancelledError, FuturesCancelledError, CommClosedError, OSError) as error:
            raise ClusterError(
                f"the scheduler at {self._client.scheduler.addr} is lost ({error}): no file was "
                "written; start it, and run the command again"
            ) from error


@contextmanager
def on_cluster(
    cluster: "str | Client | None", *, progress: Progress | None = None
) -> Iterator[None]:
    """Run what is done within over the workers of a cluster; None changes nothing.

    Parameters
    ----------
    cluster
        A Dask client; the address of a scheduler, `tcp://HOST:PORT`; or `local:N` for N processes
        of one thread on this machine, `local` for one a core. What is named by a text is closed
        at the end.
    progress
        Called with (tasks done, tasks handed over), as answers come; how many there will be is not
        known.

    Raises
    ------
    SpecError
        For another text.
    ClusterError
        Where no worker answers, or one runs another version of embzip, Python or NumPy.
    MissingPackageError
        Without Dask.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.engine import sum_rows
    >>> with on_cluster("local:1"):
    ...     total = sum_rows(lambda first, block: (block.sum(),), np.eye(4))
    >>> total
    (np.float32(4.0),)
    """
    if cluster is None:
        yield
    elif isinstance(cluster, str):
        with opened(cluster) as client, on_cluster(client, progress=progress):
            yield
    else:
        from embzip.engine.shipping import check_workers

        check_workers(cluster, timeout=_ANSWERS_IN)
        token = _ACTIVE.set(Cluster(cluster, progress))
        try:
            yield
        finally:
            _ACTIVE.reset(token)


def active() -> Cluster | None:
    """Return the cluster that work goes to; None for a plain loop."""
    return _ACTIVE.get()
