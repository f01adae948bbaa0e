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
from embzip.errors import ClusterError, EmbzipError, MissingPackageError, SpecError
from embzip.threads import ONE_THREAD, one_thread
from embzip.types import Progress

if TYPE_CHECKING:
    from distributed import Client, Future

_ACTIVE: ContextVar["Cluster | None"] = ContextVar("cluster", default=None)
_FEWEST = 4  # blocks that are with the cluster at a time
_REACHED_IN = 30  # seconds: the scheduler
_ANSWERS_IN = 120  # and the first worker


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


@contextmanager
def opened(name: str) -> "Iterator[Client]":
    """Give a client of the cluster that a text names (see `on_cluster`), closed at the end."""
    kind, _, count = name.partition(":")
    local = kind == "local" and (name == "local" or (count.isdecimal() and int(count) > 0))
    if not local and not name.startswith(("tcp://", "tls://", "ucx://", "ws://", "wss://")):
        raise SpecError(
            "a cluster is local, local:N with N processes, or the address of a scheduler such as "
            f"tcp://host:8786, received {name!r}"
        )
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise MissingPackageError(
            "a cluster needs Dask, which is not installed: `pip install 'distributed>=2025.1'`, "
            "or `uv sync --extra scale` in a checkout"
        ) from error
    if not local:
        try:
            # A client that fails by its address is not closed, and waits a minute where it is
            # collected; in another client's thread it holds up that one.
            get_address_host_port(name, strict=True)
            client = Client(name, timeout=_REACHED_IN)
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"{name}: no scheduler answers there ({error}): start one with `dask scheduler`"
            ) from error
        except (ValueError, TypeError) as error:  # no port; no certificates; no such protocol
            raise ClusterError(
                f"{name}: no scheduler can be reached by this address ({error}): name one such as "
                "tcp://host:8786"
            ) from error
        with client:
            yield client
        return
    # Workers are Python processes of their own: no task waits for another's interpreter lock. Dask
    # takes the environment's number of threads before the one it is told, and leaves it changed.
    with (
        one_thread(),
        dask.config.set({"distributed.nanny.pre-spawn-environ": ONE_THREAD}),
        LocalCluster(
            n_workers=int(count) if count else None,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        kept = len(cluster.workers)
        cluster.adapt(minimum=kept, maximum=kept)  # starts another where one is lost
        yield client
