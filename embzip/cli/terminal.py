"""What commands write: results on stdout, progress and warnings on stderr.

Nothing else may stand on stdout, so that `--json` prints exactly one object.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO

from embzip.errors import OutputError

if TYPE_CHECKING:
    from rich.console import RenderableType

_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udc9f\udd00-\udfff]"
)
_TAB = {ord("\t"): "\\t"}
_COLOUR = re.compile("(\x1b\\[[0-9;]*m)")


def show(
    record: Mapping[str, object], *lines: str, drawing: str = "", as_json: bool = False
) -> None:
    """Print a result on stdout: one JSON object, or what `drawn` returned and lines for a person.

    Raises
    ------
    OutputError
        As in `write`.
    """
    # Non-ASCII characters are escaped: any reader in any locale gets the same object.
    told = [drawing] if drawing else []
    told += [printable(line) for line in lines]
    if as_json:
        told = [json.dumps(record, allow_nan=False)]
    write(["".join(f"{line}\n" for line in told)])


def write(parts: Iterable[str]) -> None:
    """Write parts of a result on stdout, as they come.

    Raises
    ------
    OutputError
        Where stdout cannot be written, such as on a full disk.
    """
    for part in parts:  # making one may fail too, which is no fault of stdout
        try:
            sys.stdout.write(part)
            sys.stdout.flush()
        except BrokenPipeError:
            raise  # nobody reads on, which `main` ends quietly
        except OSError as error:
            drop_stdout()
            raise OutputError(f"standard output: cannot be written: {error.strerror}") from error


def drop_stdout() -> None:
    """Write what is left for stdout nowhere: at the interpreter's end it would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def drawn(renderable: "RenderableType") -> str:
    """Return what rich draws, in the width of stdout, with colours where it is a terminal."""
    from rich.console import Console

    console = Console()
    with console.capture() as capture:
        console.print(renderable)
    parts = _COLOUR.split(capture.get().rstrip("\n"))
    return "".join(
        part if _COLOUR.fullmatch(part) else "\n".join(map(printable, part.split("\n")))
        for part in parts
    )


def printable(text: str) -> str:
    r"""Return text as one line that a terminal shows and does not obey.

    Control characters but the tab, lone surrogates, and characters that turn the direction of
    writing become escapes. What stands for a byte of a file name that is not UTF-8 stays.

    >>> printable("red\x1b[31m")
    'red\\x1b[31m'
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def field(text: str) -> str:
    r"""Return text as a field of a line: `printable`, without tabs, and valid UTF-8.

    >>> field("a\tb")
    'a\\tb'
    """
    return printable(text.translate(_TAB)).encode("utf-8", "backslashreplace").decode()


def one_line(message: object) -> str:
    """Return a message without its line breaks, as `printable` has it.

    >>> one_line("a\\n  b")
    'a b'
    """
    return printable(" ".join(str(message).split()))


def log(line: object) -> None:
    """Say one line on stderr, such as what a long command has done so far."""
    sys.stderr.write(f"embzip: {one_line(line)}\n")


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line on stderr: what `warnings.showwarning` is in our process."""
    log(f"warning: {message}")


class Bar(Protocol):
    """Moves a bar; a training tells its loss too."""

    def __call__(self, done: int, total: int, loss: float | None = None, /) -> None: ...


@contextmanager
def progress(label: str) -> Iterator[Bar | None]:
    """Draw a bar on stderr while the block runs, and give the callback that moves it.

    Until the callback is called the bar only shows that work goes on. Where stderr is no
    terminal nothing is drawn and the callback is None.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars
    from rich.console import Console

    with (
        # The terminal itself, which `without_notices` leaves alone.
        os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as terminal,
        bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.TaskProgressColumn(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("{task.fields[loss]}"),
            console=Console(file=terminal),
            transient=True,
            redirect_stdout=False,  # stdout may be a file or a pipe, and belongs to the result
        ) as bar,
    ):
        task = bar.add_task(label, total=None, loss="")

        def move(done: int, total: int, loss: float | None = None, /) -> None:
            # A full bar would look like the end; what follows the last step is not counted.
            bar.update(task, completed=done, total=total if done < total else None)
            if loss is not None:
                bar.update(task, loss=f"loss {loss:.4f}")

        yield move


@contextmanager
def live() -> Iterator["Callable[[RenderableType], None] | None"]:
    """Give what draws a picture in the place of the last one, below the lines of `log`.

    Where stderr is no terminal nothing is drawn, and it is None.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False, redirect_stdout=False) as picture:
        yield lambda renderable: picture.update(renderable, refresh=True)


def load_quietly(module: str) -> None:
    """Import a module that loads TensorFlow, without the notices of its C++ side."""
    with without_notices():
        import_module(module)


@contextmanager
def without_notices() -> Iterator[None]:
    """Drop what is written to file descriptor 2 in the block: an import of TensorFlow.

    Its C++ side writes notices there that no setting suppresses, and an error of ours is one line.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
