"""Steps cached by content: what was made once from the same inputs is never made again.

A step is a name, parameters and the steps it builds on. Its key is a digest of those, of their
keys, of embzip's version and of its source files, so whatever changes the result changes the key. A
line of embzip that was edited makes every step anew, also one that it does not touch; versions of
other packages are not looked at. Its files stand in `DIR/steps/<name>-<key>/`. That folder gets its
name when they are complete, so that a run that was killed leaves nothing that a later one could
take for a finished step. What a step does is not known here.

`step.json` in a step's folder holds what its key is made of, the digest of each of its files, and a
digest of itself. A folder that does not match it (a digit changed, a file cut, empty or missing) is
removed, and the step made again.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from glob import escape
from pathlib import Path
from threading import get_ident
from typing import Any

from embzip.errors import FileFormatError, OutputError
from embzip.files.own_source import source_digest
from embzip.files.reading import digest, digest_of_file
from embzip.files.records import Fields, parse_json
from embzip.files.writing import is_alive, write_bytes
from embzip.report.record import embzip_version
from embzip.types import Progress

# Writes a step's files into the folder given first; reads the folders of its parents, in order.
Make = Callable[[Path, Sequence[Path], Progress], None]
_RECORD = "step.json"
_PARTS = 100  # into which the progress callback divides a step


@dataclass(frozen=True, eq=False)
class Step:
    """One cached step; equal keys mean equal results.

    Attributes
    ----------
    name
        What the folder's name begins with.
    parameters
        Everything but the parents that the result depends on, ready for JSON.
    parents
        The steps it builds on.
    make
        Writes the result; called at most once a key.
    """

    name: str
    parameters: Mapping[str, object]
    parents: tuple["Step", ...]
    make: Make

    @cached_property
    def key(self) -> str:
        """The step's digest, 32 hexadecimal digits."""
        return _digest_of(self.to_json())

    def to_json(self) -> dict[str, object]:
        """Return what the key is made of."""
        return {
            "step": self.name,
            "embzip": embzip_version(),
            "code": source_digest(),
            "parameters": dict(self.parameters),
            "parents": [f"{parent.name}-{parent.key}" for parent in self.parents],
        }


class Steps:
    """The cache of one output folder.

    Parameters
    ----------
    directory
        The run's output folder, made where it is missing.
    progress
        Called with (parts done, parts in all) of the expected steps.
    log
        Called with one line for each step, such as "words: train, done in 12.3 s".

    Raises
    ------
    OutputError
        Where the folder cannot be made.
    """

    def __init__(
        self,
        directory: Path,
        *,
        progress: Progress | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._folder = directory / "steps"
        self._progress = progress
        self._log = log
        self._seen: set[str] = set()
        self._names: dict[str, str] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{directory}: cannot be made: {error.strerror}") from error
        self._remove_leftovers()

    def expect(self, asked: Iterable[tuple[str, Step]]) -> None:
        """Tell which steps will be asked for: so progress knows the whole, and `log` the names.

        Parameters
        ----------
        asked
            Pairs of a candidate's name and one of its steps. A step that several candidates share
            is named after the first, one that builds on no other after none.
        """
        for owner, step in asked:
            if step.key not in self._names:
                self._names[step.key] = f"{owner}: {step.name}" if step.parents else step.name
                self.expect((owner, parent) for parent in step.parents)

    def place(self, step: Step) -> Path:
        """Return where the folder of a step is, or will be."""
        return self._folder / f"{step.name}-{step.key}"

    def made(self, step: Step) -> bool:
        """Return whether a step's folder is there, as it was made."""
        return _damage(self.place(step), step) is None

    def folder(self, step: Step) -> Path:
        """Return the folder of a step, after making what is missing of it and its parents."""
        target = self.place(step)
        if step.key in self._seen:
            return target
        name = self._names.get(step.key, step.name)
        damage = _damage(target, step)
        if damage is None:
            self._tell(f"{name}, done before")
        else:
            if os.path.lexists(target):
                self._tell(f"{name}, made again: {damage}")
                _remove(target)
            parents = [self.folder(parent) for parent in step.parents]
            started = time.perf_counter()
            self._make(step, parents, target)
            self._tell(f"{name}, done in {time.perf_counter() - started:.1f} s")
        self._seen.add(step.key)
        self._report(0, 1)
        return target

    def record(self, step: Step, name: str) -> Any:
        """Return the JSON file `name` of a step's folder."""
        path = self.folder(step) / name
        return parse_json(path.read_bytes(), str(path))

    def _make(self, step: Step, parents: Sequence[Path], target: Path) -> None:
        own = (os.uname().nodename, str(os.getpid()), str(get_ident()))
        temporary = self._folder / ".".join(["", target.name, *own])
        try:
            temporary.mkdir()
            started = time.perf_counter()
            step.make(temporary, parents, self._report)
            seconds = round(time.perf_counter() - started, 3)
            record = {**step.to_json(), "seconds": seconds, "files": _digests(temporary)}
            write_json(temporary / _RECORD, {**record, "digest": _digest_of(record)})
            os.rename(temporary, target)
        except OSError as error:
            # Another run in the same folder may have finished the same step first.
            if not target.is_dir():
                if isinstance(error, OutputError) or error.filename != str(temporary):
                    raise
                raise OutputError(f"{target}: cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Remove unfinished folders whose process, on this machine, has ended."""
        for leftover in self._folder.glob(f".*-*.{escape(os.uname().nodename)}.*.*"):
            process = leftover.name.split(".")[-2]
            if process.isdigit() and not is_alive(int(process)):
                shutil.rmtree(leftover, ignore_errors=True)

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            part = _PARTS * done // total if total else 0
            whole = _PARTS * max(1, len(self._names))
            self._progress(min(_PARTS * len(self._seen) + part, whole), whole)

    def _tell(self, line: str) -> None:
        if self._log is not None:
            self._log(line)


def write_json(path: Path, record: object) -> None:
    """Write a record as indented JSON, atomically; NaN is refused."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def _damage(folder: Path, step: Step) -> str | None:
    """Return what is wrong with a step's folder, or None where it is as it was made."""
    path = folder / _RECORD
    if not path.is_file():
        return f"{path} is missing"
    try:
        fields = Fields.of(parse_json(path.read_bytes(), str(path)), str(path))
        files = fields.fields("files").values
        stated = fields.take("digest", str)
    except FileFormatError as error:
        return str(error)
    record = {key: value for key, value in fields.values.items() if key != "digest"}
    named = {key: record.get(key) for key in step.to_json()}
    if stated != _digest_of(record) or step.key != _digest_of(named):
        return f"{path} does not match its digest"
    for name, made in files.items():
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
        if digest_of_file(folder / name) != made:
            return f"{folder / name} does not match its digest"
    return None


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file in a folder, by its path within it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): digest_of_file(path) for path in files}


def _digest_of(record: Mapping[str, object]) -> str:
    return digest(json.dumps(record, sort_keys=True).encode())


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise OutputError(
            f"{path}: this cached step is damaged and cannot be removed: {error.strerror}"
        ) from error
