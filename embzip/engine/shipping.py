"""How functions and tables reach a worker: once each, and mapped files by their place.

An array that is mapped from a file is not sent. The worker maps the same file, so all machines must
see it under one path, and it must not have changed.
"""

import importlib.metadata
import io
import mmap
import pickle
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from embzip.engine.finite import finite_rows
from embzip.errors import ClusterError
from embzip.files.own_source import source_digest
from embzip.files.seen import SeenFile

if TYPE_CHECKING:
    from distributed import Client

Identity = tuple[str, str, str, str]
_CARRIED = 1_000_000  # bytes of a table that go with every function


def identity() -> Identity:
    """Return the versions that run here, and the source of embzip: they must be equal."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return importlib.metadata.version("embzip"), python, np.__version__, source_digest()[:8]


def check_identity(other: Identity, where: str) -> None:
    """Raise `ClusterError` unless a process runs the same versions as this one."""
    names = ("embzip", "Python", "NumPy", "source files of embzip with digest")
    for name, theirs, ours in zip(names, other, identity(), strict=True):
        if theirs != ours:
            raise ClusterError(
                f"{where}: every process of a cluster must run the same versions, found {name} "
                f"{theirs} there and {ours} here: install the same environment on all machines"
            )


def check_workers(client: "Client", *, timeout: float) -> None:
    """Raise `ClusterError` unless there are workers, and all run the same versions as we do.

    Parameters
    ----------
    timeout
        Seconds until the first must have answered.
    """

    def found_there() -> Identity:  # sent as a whole, since embzip may be missing there
        from embzip.engine import shipping

        return shipping.identity()

    address = client.scheduler.addr
    try:
        scheduler = client.run_on_scheduler(found_there)
        # A task, since workers of an adaptive cluster start when there is something to do.
        client.submit(int, pure=False).result(timeout=timeout)
        answers = client.run(found_there, on_error="return")
        workers = {worker: _answered(answer) for worker, answer in answers.items()}
    except TimeoutError as error:
        raise ClusterError(
            f"{address}: no worker answered within {timeout} seconds: start some with "
            f"`dask worker {address}`"
        ) from error
    except ImportError as error:
        raise ClusterError(
            f"{address}: the scheduler and every worker must have embzip installed ({error}): "
            "install the same environment on all machines"
        ) from error
    check_identity(scheduler, f"scheduler {address}")
    for worker, theirs in workers.items():
        if theirs is not None:
            check_identity(theirs, f"worker {worker}")


def _answered(answer: Identity | Exception) -> Identity | None:
    """Return what a worker runs; None of one that was lost meanwhile, as any may be at any time."""
    from distributed.comm import CommClosedError

    if isinstance(answer, CommClosedError):
        return None
    if isinstance(answer, Exception):
        raise answer
    return answer


class Shipped:
    """A function, as bytes until a worker first calls it.

    It is pickled again as the same bytes, so that one worker can hand it on to another.
    """

    def __init__(self, content: bytes, sender: Identity) -> None:
        self._content, self._sender = content, sender
        self._function: Callable[..., Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Shipped, (self._content, self._sender)

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        if self._function is None:
            check_identity(self._sender, "the process that sends the work")
            self._function = pickle.loads(self._content)  # noqa: S301 (from our own client)
        return self._function(*arguments)


def run(function: Shipped, arguments: bytes) -> Any:
    """Call a function on a worker with pickled arguments, into which Dask need not look."""
    return function(*pickle.loads(arguments))  # noqa: S301 (from our own client)


def called(function: Shipped, *arguments: Any) -> Any:
    """Call a function on a worker with what other tasks found."""
    return function(*arguments)


def packed(function: Callable[..., Any]) -> tuple[bytes, Identity]:
    """Return what `Shipped` is made of."""
    return _pickled(function), identity()


class OnRows:
    """A function of blocks, and the table as it is seen; called on a worker with a block's place.

    `carried` says whether the table's source goes along; else rows of it are given with each block.
    """

    def __init__(
        self, function: Callable[[int, NDArray[Any]], Any], table: Any, carried: bool
    ) -> None:
        self._function, self._table = function, table if carried else _with_source(table, None)

    def __call__(self, first: int, stop: int, held: NDArray[Any] | None) -> Any:
        """Return what the function finds in the rows from `first` to before `stop`."""
        table = self._table if held is None else _with_source(self._table, _Held(first, held))
        found = self._function(first, finite_rows(table[slice(first, stop)], first))
        _give_back(source_of(table))
        return found


def source_of(table: Any) -> Any:
    """Return what a table that is seen through others is read from in the end.

    A view is a dataclass whose field `table` is the one behind it.
    """
    while _is_view(table):
        table = table.table
    return table


def can_be_carried(source: Any) -> bool:
    """Say whether a table takes few bytes to send: a small one, or one mapped from a file."""
    try:
        _pickled(source, _CARRIED)
    except _TooLargeError:
        return False
    return True


class _Held:
    """The rows of one block, in the place of the whole table."""

    def __init__(self, first: int, rows: NDArray[Any]) -> None:
        self._first, self._rows = first, rows

    @property
    def shape(self) -> tuple[int, ...]:
        return self._rows.shape

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        return self._rows[rows.start - self._first : rows.stop - self._first]


def _give_back(source: Any) -> None:
    """Drop what was read of a mapped file from this process's memory, which Dask limits."""
    while isinstance(source, np.ndarray):
        source = source.base
    if isinstance(source, mmap.mmap):
        source.madvise(mmap.MADV_DONTNEED)


def _is_view(table: Any) -> bool:
    return is_dataclass(table) and any(field.name == "table" for field in fields(table))


def _with_source(table: Any, source: Any) -> Any:
    if not _is_view(table):
        return source
    return replace(table, table=_with_source(table.table, source))


class _TooLargeError(Exception):
    """More bytes than were asked for."""


class _Bounded(io.BytesIO):
    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, content: Any, /) -> int:
        if self.tell() + memoryview(content).nbytes > self._most:
            raise _TooLargeError
        return super().write(content)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles functions of any kind, and mapped arrays as the place where they are mapped."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray):
            place = _place_of(obj)
            return NotImplemented if place is None else (_mapped, place)
        return super().reducer_override(obj)


def _pickled(thing: Any, most: int | None = None) -> bytes:
    file = io.BytesIO() if most is None else _Bounded(most)
    _Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(thing)
    return file.getvalue()


_Place = tuple[SeenFile, str, int, tuple[int, ...], str]


def _place_of(array: NDArray[Any]) -> _Place | None:
    """Return the file and place that an array is mapped from, to read; None of others."""
    root = None
    base: Any = array
    while isinstance(base, np.ndarray):
        root, base = (base if isinstance(base, np.memmap) else root), base.base
    order = "C" if array.flags.c_contiguous else "F"
    if root is None or root.filename is None or root.mode != "r" or not array.flags.forc:
        return None
    try:
        file = SeenFile.of(root.filename)
    except OSError:  # a copy of what was compressed or elsewhere, which was removed: rows are sent
        return None
    offset = root.offset + array.ctypes.data - root.ctypes.data
    return file, array.dtype.str, offset, array.shape, order


def _mapped(
    file: SeenFile, dtype: str, offset: int, shape: tuple[int, ...], order: str
) -> NDArray[Any]:
    with file.found():
        return np.memmap(file.path, dtype, "r", offset, shape, "C" if order == "C" else "F")
