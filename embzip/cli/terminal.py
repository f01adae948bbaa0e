"""What commands write: results on stdout, progress and warnings on stderr.

Nothing else may stand on stdout, so that `--json` prints exactly one object.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TextIO

from embzip.errors import OutputError

if TYPE_CHECKING:
    from rich.console import RenderableType

_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udc9f\udd00-\udfff]"
)
# What --quiet and --verbose ask for in this process; `main` sets it.
loudness: Literal["quiet", "usual", "verbose"] = "usual"

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


def tell(line: object) -> None:
    """Say one line on stderr of what a long command does; nothing with --quiet."""
    if loudness != "quiet":
        log(line)


def log(line: object) -> None:
    """Say one line on stderr that is always said: a warning, an error."""
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


def load_quietly(module: str) -> None:
    """Import a module that loads TensorFlow, without the notices of its C++ side."""
    with without_notices():
        import_module(module)


@contextmanager
def without_notices() -> Iterator[None]:
    """Drop what is written to file descriptor 2 in the block: an import of TensorFlow.

    Its C++ side writes notices there that no setting suppresses, and an error of ours is one line.
    With --verbose they are shown.
    """
    if loudness == "verbose":
        yield
        return
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
