"""What the commands share: parameters, results on stdout, progress and warnings on stderr.

Nothing else may stand on stdout, so that `--json` prints exactly one object.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

from cyclopts import Parameter, Token

from embzip.cli.choices import CHOICE
from embzip.errors import OutputError
from embzip.files import output_path
from embzip.types import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType


class UsageError(Exception):
    """Options that do not go together: wrong usage, which ends with exit code 2."""


def _whole(_: type, tokens: Sequence[Token]) -> int:
    """Read a whole number; cyclopts by itself would round 3.7."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, received {tokens[0].value!r}") from None


Whole = Annotated[int, Parameter(converter=_whole)]
Corpus = Annotated[
    Path,
    Parameter(
        name="CORPUS",
        required=True,
        help="Text files, one text a line; several are read one after the other; - is stdin. "
        ".gz and .xz are decompressed.",
    ),
]

Table = Annotated[
    Path,
    Parameter(
        name="VECTORS",
        help="A .embz file (a classifier's too: its embedding), word2vec text or binary, GloVe, "
        "fastText .vec, or .npy with --words.",
    ),
]
Model = Annotated[Path, Parameter(name="MODEL.embz", help="A classifier's .embz file.")]
Labelled = Annotated[bool, Parameter(help="Lines are label<TAB>text, of which the text is read.")]
Errors = Annotated[
    Literal["strict", "replace"],
    CHOICE,
    Parameter(help="Invalid UTF-8: refuse the file, or put U+FFFD in its place."),
]
Lowercase = Annotated[
    bool, Parameter(negative="--no-lowercase", help="Lower-case every text first.")
]
Unicode = Annotated[
    Literal["NFC", "NFKC", "NFD", "NFKD", "none"],
    CHOICE,
    Parameter(help="The unicode normal form every text is brought to first."),
]
Seed = Annotated[Whole, Parameter(help="The same seed and input give the same result.")]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON object on stdout instead.")]
Pack = Annotated[
    bool, Parameter(help="Entropy code what gets smaller by it; loading takes longer.")
]


@Parameter(name="*")
@dataclass(frozen=True)
class Result:
    """Where the result of a command goes, and how it is told.

    Attributes
    ----------
    output
        Where the result goes, replacing what is there.
    force
        Replace an existing file of the default name.
    """

    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FILE")] = None
    force: bool = False
    as_json: Json = False

    def path(self, source: Path, suffix: str, *, marker: str | None = None) -> Path:
        """Return where the result goes, as `embzip.files.output_path` has it."""
        return output_path(source, suffix, self.output, force=self.force, marker=marker)

    def show(self, record: Mapping[str, object], human: str) -> None:
        """Print what came of it."""
        show(record, human, as_json=self.as_json)


def show(record: Mapping[str, object], human: str, *, as_json: bool) -> None:
    """Print a result on stdout: one JSON object, or a few words for a person.

    Raises
    ------
    OutputError
        Where stdout cannot be written, such as on a full disk.
    """
    # Non-ASCII characters are escaped: any reader in any locale gets the same object.
    text = json.dumps(record, allow_nan=False) if as_json else human
    try:
        sys.stdout.write(text + "\n" if text else "")
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
    return capture.get().rstrip("\n")


def one_line(message: object) -> str:
    """Return a message without its line breaks.

    >>> one_line("a\\n  b")
    'a b'
    """
    return " ".join(str(message).split())


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


@contextmanager
def progress(label: str) -> Iterator[Progress | None]:
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
            console=Console(file=terminal),
            transient=True,
            redirect_stdout=False,  # stdout may be a file or a pipe, and belongs to the result
        ) as bar,
    ):
        task = bar.add_task(label, total=None)

        def move(done: int, total: int) -> None:
            # A full bar would look like the end; what follows the last step is not counted.
            bar.update(task, completed=done, total=total if done < total else None)

        yield move


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
