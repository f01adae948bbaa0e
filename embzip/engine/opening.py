"""The Dask cluster that a text names: a scheduler somewhere, or processes of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embzip.errors import ClusterError, MissingPackageError, SpecError
from embzip.threads import ONE_THREAD, one_thread

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

_REACHED_IN = 30  # seconds: the scheduler


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
        from distributed import Client
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
    with _processes(int(count) if count else None) as cluster, Client(cluster) as client:
        kept = len(cluster.workers)
        cluster.adapt(minimum=kept, maximum=kept)  # starts another where one is lost
        yield client


@contextmanager
def _processes(count: int | None) -> "Iterator[LocalCluster]":
    """Give so many Python processes of one thread: none waits for another's interpreter lock."""
    import dask
    from distributed import LocalCluster

    # Dask takes the environment's number of threads before the one it is told, and leaves it
    # changed.
    with (
        one_thread(),
        dask.config.set({"distributed.nanny.pre-spawn-environ": ONE_THREAD}),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
    ):
        try:
            yield cluster
        finally:
            _forget_failed_watch(cluster)


def _forget_failed_watch(cluster: "LocalCluster") -> None:
    """Drop the task that follows workers where it has ended by itself: closing would raise why.

    It ends with a KeyError where a worker is lost that it had not met (distributed 2026.8).
    """
    watch = cluster._watch_worker_status_task
    if watch is not None and watch.done() and isinstance(watch.exception(), KeyError):
        cluster._watch_worker_status_task = None
