"""`--cluster`: where a command's blocks of texts and rows are worked on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter

from embzip.cli.terminal import log

Cluster = Annotated[
    str | None,
    Parameter(
        metavar="local[:N]|ADDRESS",
        help="Work on a Dask cluster: N processes of this machine, by default one a core, or a "
        "scheduler such as tcp://host:8786.",
    ),
]


@contextmanager
def running_on(cluster: str | None) -> Iterator[None]:
    """Run the block on a cluster, and say where its dashboard is; None runs it here."""
    if cluster is None:
        yield
        return
    from embzip.engine import on_cluster, opened

    with opened(cluster) as client, on_cluster(client):
        log(f"cluster {client.scheduler.addr}, dashboard {client.dashboard_link}")
        yield
