"""What the commands share: parameters, results on stdout, progress and warnings on stderr.

Nothing else may stand on stdout, so that `--json` prints exactly one object.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

from cyclopts import Parameter, Token

from embzip.cli.choices import CHOICE
from embzip.errors import OutputError
from embzip.files import is_character_device, temporary_folder
from embzip.inspection import bytes_on_disk
from embzip.outputs import FOLDER, Formats, check_apart, format_of, output_path
from embzip.types import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType


STREAM = Path("-")
TABLES = {".embz": "embz", ".vec": "text", ".txt": "text", ".bin": "binary"}
EMBZ = {".embz": "embz"}
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udc7f\udd00-\udfff]"
)
_TAB = {ord("\t"): "\\t"}
_COLOUR = re.compile("(\x1b\\[[0-9;]*m)")


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
        "gzip, bzip2, xz and zstd are decompressed.",
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


@dataclass
class Output:
    """The result of a command while it is made, and what is said of it.

    Attributes
    ----------
    path
        Where the command writes.
    name
        What the user calls it; another path for what is not written in its place, such as stdout.
    format
        What its suffix stands for.
    as_json
        Whether a JSON object is printed.
    nbytes
        Bytes on the disk, once it is written.
    """

    path: Path
    name: Path
    format: str
    as_json: bool
    nbytes: int = 0

    def show(self, record: Mapping[str, object], *lines: str) -> None:
        """Print what came of it, and its name."""
        if self.name == STREAM:  # stdout holds the result itself
            for line in lines:
                log(line)
            return
        show({"path": str(self.name), **record}, *lines, str(self.name), as_json=self.as_json)


@Parameter(name="*")
@dataclass(frozen=True)
class Result:
    """Where the result of a command goes, and how it is told.

    Attributes
    ----------
    output
        Where the result goes, replacing what is there; its suffix decides the format. A single file
        goes to stdout where this is -.
    force
        Replace an existing file of the default name.
    """

    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FILE")] = None
    force: bool = False
    as_json: Json = False

    @contextmanager
    def writing(
        self,
        inputs: Sequence[Path | None],
        suffix: str,
        formats: Formats,
        *,
        marker: str | None = None,
    ) -> Iterator[Output]:
        """Check where the result goes, let the block write it, and measure it.

        Parameters
        ----------
        inputs
            All that the command reads; without -o, the first one names the result.
        suffix
            Of the name without -o.
        formats, marker
            As in `embzip.outputs.format_of`.

        Raises
        ------
        OutputError
            For a result that cannot be written, is an input, or has an unfit suffix; before the
            block runs.
        """
        name = STREAM if self.output == STREAM else None
        if name is not None and self.as_json:
            raise UsageError("-o - and --json go not together: both would be written to stdout")
        path = name or output_path(str(inputs[0]), suffix, self.output, force=self.force)
        format = format_of(path, formats, marker=marker)
        if FOLDER in formats and format == formats[FOLDER]:
            if name is not None:
                raise UsageError(f"-o - is for one file: a {format} is several, so name a folder")
        elif name is not None or is_character_device(path):
            with temporary_folder() as folder:
                made = Output(folder / f"result{suffix}", path, format, self.as_json)
                yield made
                made.nbytes = made.path.stat().st_size
                _write_through(made.path, path)
            return
        check_apart(path, inputs)
        made = Output(path, path, format, self.as_json)
        yield made
        made.nbytes = bytes_on_disk(path)


def _write_through(source: Path, target: Path) -> None:
    """Copy a file to stdout or to a device."""
    try:
        with (
            source.open("rb") as file,
            nullcontext(sys.stdout.buffer) if target == STREAM else target.open("wb") as through,
        ):
            shutil.copyfileobj(file, through, 1 << 20)
            through.flush()
    except BrokenPipeError:
        raise  # nobody reads on, which `main` ends quietly
    except OSError as error:
        if target == STREAM:
            drop_stdout()
        raise OutputError(f"{target}: writing failed: {error.strerror}") from error


def show(
    record: Mapping[str, object], *lines: str, drawing: str = "", as_json: bool = False
) -> None:
    """Print a result on stdout: one JSON object, or what `drawn` returned and lines for a person.

    Raises
    ------
    OutputError
        Where stdout cannot be written, such as on a full disk.
    """
    # Non-ASCII characters are escaped: any reader in any locale gets the same object.
    told = [drawing] if drawing else []
    told += [printable(line) for line in lines]
    if as_json:
        told = [json.dumps(record, allow_nan=False)]
    try:
        sys.stdout.writelines(f"{line}\n" for line in told)
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

    >>> field("a\\tb")
    'a\\\\tb'
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
