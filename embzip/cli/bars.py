"""What a command says of its progress, on stderr: bars on a terminal, lines in a pipe."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from embzip.cli import terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress

    from embzip.types import TrainingState


_drawn: ContextVar["Progress | None"] = ContextVar("drawn", default=None)


class Bar(Protocol):
    """Moves a bar; a training tells its state too."""

    def __call__(self, done: int, total: int, state: "TrainingState | None" = None, /) -> None: ...


@contextmanager
def progress(label: str, *, lines: bool = False, loading: str = "") -> Iterator[Bar | None]:
    """Draw a bar on stderr while the block runs, and give the callback that moves it.

    Until the callback is called the bar only shows that work goes on. Where stderr is no terminal
    nothing is drawn. With --quiet nothing is said.

    Parameters
    ----------
    lines
        Whether, where nothing is drawn, a line stands at the beginning of the work and one at its
        end: for what takes minutes. With --verbose they stand in any case.
    loading
        What is loaded before the first call, which the bar says.
    """
    if terminal.loudness == "quiet":
        yield None
    elif sys.stderr.isatty():
        with _bar(label, loading and f"loading {loading}") as bar:
            yield bar
    elif lines or terminal.loudness == "verbose":
        with _two_lines(label) as bar:
            yield bar
    else:
        yield None


@contextmanager
def _two_lines(label: str) -> Iterator[Bar]:
    """Say that the work began, at the first call: bad input is answered before, in one line."""
    began: list[float] = []

    def begin(done: int, total: int, state: "TrainingState | None" = None, /) -> None:
        if not began:
            began.append(time.perf_counter())
            terminal.log(label)

    yield begin
    if began:
        terminal.log(f"{label}, done in {time.perf_counter() - began[0]:.1f} s")


@contextmanager
def _bar(label: str, state: str) -> Iterator[Bar]:
    from rich import progress as bars
    from rich.console import Console

    with (
        # The terminal itself, which `without_notices` leaves alone.
        os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as shown,
        bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.TaskProgressColumn(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[state]}"),
            console=Console(file=shown),
            transient=True,
            redirect_stdout=False,  # stdout may be a file or a pipe, and belongs to the result
        ) as bar,
    ):
        task = bar.add_task(label, total=None, state=state)
        token = _drawn.set(bar)

        def move(done: int, total: int, state: "TrainingState | None" = None, /) -> None:
            # A full bar would look like the end; what follows the last step is not counted.
            bar.update(task, completed=done, total=total if done < total else None)
            bar.update(task, state="" if state is None else told(state))

        try:
            yield move
        finally:
            _drawn.reset(token)


@contextmanager
def counted(label: str) -> Iterator["Callable[[int, int], None] | None"]:
    """Draw a second line below the bar of `progress`, for what is counted and has no known end.

    Gives what is called with (how many are done, how many have begun); None where there is no bar.
    """
    bar = _drawn.get()
    if bar is None:
        yield None
        return
    line = bar.add_task(label, total=None, state="")
    yield lambda done, begun: bar.update(line, state=f"{done:,} done, {begun - done:,} at work")


def told(state: "TrainingState") -> str:
    """Return the state of a training in a few words."""
    dev = "" if state.dev_accuracy is None else f", dev accuracy {state.dev_accuracy:.4f}"
    return f"epoch {state.epoch}, loss {state.loss:.4f}{dev}"


@contextmanager
def live() -> Iterator["Callable[[RenderableType], None] | None"]:
    """Give what draws a picture in the place of the last one, below the lines of `log`.

    Where stderr is no terminal, and with --quiet, nothing is drawn, and it is None.
    """
    if terminal.loudness == "quiet" or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False, redirect_stdout=False) as picture:
        yield lambda renderable: picture.update(renderable, refresh=True)
