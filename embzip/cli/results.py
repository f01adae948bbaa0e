"""Where the result of a command goes: checked before the work, measured and told after it."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from embzip.cli.parameters import Json, UsageError
from embzip.cli.terminal import drop_stdout, show, tell
from embzip.errors import OutputError
from embzip.files.locations import files_at
from embzip.files.outputs import FOLDER, Formats, check_apart, format_of, output_path
from embzip.files.writing import is_character_device, temporary_folder
from embzip.inspection import bytes_on_disk

if TYPE_CHECKING:
    from embzip.vectors.base import Vectors

STREAM = Path("-")
TABLES = {".embz": "embz", ".vec": "text", ".txt": "text", ".bin": "binary"}
EMBZ = {".embz": "embz"}


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
    changed
        What was left out or changed of the vectors that were read; None where none were.
    """

    path: Path
    name: Path
    format: str
    as_json: bool
    nbytes: int = 0
    changed: Mapping[str, int] | None = None

    def show(self, record: Mapping[str, object], *lines: str) -> None:
        """Print what came of it, and its name."""
        if self.name == STREAM:  # stdout holds the result itself
            for line in lines:
                tell(line)
            return
        changed = {} if self.changed is None else {"changed": dict(self.changed)}
        whole = {"path": str(self.name), **record, **changed}
        show(whole, *lines, str(self.name), as_json=self.as_json)


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
        inputs: Sequence[str | Path | None],
        suffix: str,
        formats: Formats,
        *,
        marker: str | None = None,
    ) -> Iterator[Output]:
        """Check where the result goes, let the block write it, and measure it.

        Parameters
        ----------
        inputs
            All that the command reads, also as patterns; without -o, the first one names the
            result.
        suffix
            Of the name without -o.
        formats, marker
            As in `embzip.files.outputs.format_of`.

        Raises
        ------
        OutputError
            For a result that cannot be written, is an input, or has an unfit suffix; before the
            block runs.
        """
        files = [file for given in inputs if given is not None for file in files_at(given)]
        name = STREAM if self.output == STREAM else None
        if name is not None and self.as_json:
            raise UsageError("-o - and --json cannot go together: both would be written to stdout")
        path = name or output_path(files[0], suffix, self.output, force=self.force)
        format = format_of(path, formats, marker=marker)
        if name is not None and format == formats.get(FOLDER):
            raise UsageError(f"-o - is for one file: a {format} is several, so name a folder")
        check_apart(path, files)
        if name is not None or is_character_device(path):
            with temporary_folder() as folder:
                made = Output(folder / f"result{suffix}", path, format, self.as_json)
                yield made
                made.nbytes = made.path.stat().st_size
                _write_through(made.path, path)
            return
        made = Output(path, path, format, self.as_json)
        yield made
        made.nbytes = bytes_on_disk(path)


def write_table(vectors: "Vectors", made: Output) -> None:
    """Write a table as the output's suffix says: word2vec text or binary, or .embz with counts."""
    from embzip.compression import compress
    from embzip.embz.format import save
    from embzip.vectors.converting import write_vectors

    if made.format == "embz":
        save(
            compress(vectors, "float32"), made.path, counts=True
        )  # to prune and to weight by later
    else:
        write_vectors(vectors, made.path, binary=made.format == "binary")


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
