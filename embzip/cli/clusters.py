"""`--cluster`: where a command's blocks of texts and rows are worked on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter

from embzip.cli.bars import counted
from embzip.cli.terminal import tell

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
    """Run the block on a cluster, and say where its dashboard is; None runs it here.

    Where a bar is drawn, a line below it counts tasks.
    """
    if cluster is None:
        yield
        return
    from embzip.engine import on_cluster, opened

    with (
        opened(cluster) as client,
        counted("tasks") as report,
        on_cluster(client, progress=report),
    ):
        tell(f"cluster {client.scheduler.addr}, dashboard {client.dashboard_link}")
        yield
