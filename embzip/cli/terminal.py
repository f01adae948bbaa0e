"""What the commands share: option types, results on stdout, progress and warnings on stderr.

Nothing else may stand on stdout, so that `--json` prints exactly one object.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from embzip.errors import OutputError
from embzip.types import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

Format = Literal["auto", "text", "binary", "npy"]

CorpusArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="CORPUS...",
        help="Text files, one text a line; several are read one after the other; - is stdin. "
        ".gz and .xz are decompressed.",
        show_default=False,
    ),
]
VectorsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="VECTORS",
        help="A .embz file (a classifier's too: its embedding), word2vec text or binary, GloVe, "
        "fastText .vec, or .npy with --words.",
        show_default=False,
    ),
]
ModelArgument = Annotated[
    Path,
    typer.Argument(metavar="MODEL.embz", help="A classifier's .embz file.", show_default=False),
]
WordsOption = Annotated[
    Path | None,
    typer.Option("--words", metavar="FILE", help="The tokens of a .npy table, one a line."),
]
FormatOption = Annotated[
    Format,
    typer.Option("--format", help="How to read foreign vectors; auto looks at the file."),
]
LabelledOption = Annotated[
    bool,
    typer.Option("--labelled", help="Lines are label<TAB>text, of which the text is read."),
]
ErrorsOption = Annotated[
    Literal["strict", "replace"],
    typer.Option("--errors", help="Invalid UTF-8: refuse the file, or put U+FFFD in its place."),
]
LowercaseOption = Annotated[
    bool, typer.Option("--lowercase/--no-lowercase", help="Lower-case every text first.")
]
UnicodeOption = Annotated[
    Literal["NFC", "NFKC", "NFD", "NFKD", "none"],
    typer.Option("--unicode", help="The unicode normal form every text is brought to first."),
]
SeedOption = Annotated[
    int, typer.Option("--seed", help="The same seed and input give the same result.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout instead.")
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Replace an existing file of the default name."),
]
PackOption = Annotated[
    bool,
    typer.Option("--pack", help="Entropy code what gets smaller by it; loading takes longer."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Where the result goes, replacing what is there.",
    ),
]


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
        raise  # nobody reads on, which typer ends quietly
    except OSError as error:
        # What is left in the buffer would fail once more, noisily, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from error


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


def log(line: str) -> None:
    """Say on stderr what a long command has done so far."""
    typer.echo(f"embzip: {one_line(line)}", err=True)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line on stderr: what `warnings.showwarning` is in our process."""
    typer.echo(f"embzip: warning: {one_line(message)}", err=True)


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
