"""What a search's folder remembers: whose it is, who works there, and every finished trial.

search.json   the corpus that the folder is of
lock          held while a search works here; the system lets go when its process ends
trials.log    Optuna's journal: each finished trial, by goal
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embzip.errors import ClusterError, InputError, OutputError
from embzip.files.reading import digest
from embzip.files.records import parse_json
from embzip.pipeline.steps import write_json
from embzip.trials.proposing import distributions, load_optuna
from embzip.trials.space import Space

if TYPE_CHECKING:
    from optuna.study import Study

_OWNER, _LOCK, _TRIALS = "search.json", "lock", "trials.log"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make a folder, and hold it while the block runs.

    Raises
    ------
    OutputError
        Where it cannot be made, or another search works in it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(
            f"{directory}: cannot be a search's folder ({error.strerror}): name another with -o"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            process = os.read(handle, 20).decode("ascii", "replace").strip()
            raise OutputError(
                f"{directory}: another search works here (process {process}): wait for it, or name "
                "another folder with -o"
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def claim(directory: Path, corpus: Mapping[str, Any]) -> None:
    """Say what corpus a folder is of, after `check_owner`."""
    write_json(directory / _OWNER, corpus)


def check_owner(directory: Path, corpus: Mapping[str, Any]) -> None:
    """Check that a folder is of no other corpus.

    Parameters
    ----------
    corpus
        What its texts, teacher and seed are; one folder has one.

    Raises
    ------
    InputError
        Where it is of another.
    """
    path = directory / _OWNER
    if path.is_file():
        known = parse_json(path.read_bytes(), str(path), error=InputError)
        if isinstance(known, dict) and known != corpus:
            other = sorted(key for key in corpus if known.get(key) != corpus[key])
            raise InputError(
                f"{directory}: holds a search with another {', '.join(other)}; one folder is for "
                "one corpus: name another with -o"
            )


def check_claimed(directory: Path) -> None:
    """Check that a worker, which may be on another machine, sees the folder of a search.

    Raises
    ------
    ClusterError
        Where it does not.
    """
    if not (directory / _OWNER).is_file():
        raise ClusterError(
            f"{directory}: a worker does not find the search's folder: name one by -o that all "
            "machines see under this path"
        )


class Journal:
    """The finished trials of a folder and a goal.

    Parameters
    ----------
    goal
        What makes trials comparable: those of another goal are kept apart.

    Raises
    ------
    InputError
        For a journal that is damaged.
    """

    def __init__(self, directory: Path, space: Space, goal: Mapping[str, Any]) -> None:
        self._optuna = load_optuna()
        self._distributions = distributions(space)
        path = directory / _TRIALS
        # Of a search that was killed: Optuna would wait for it for half a minute. No other one is
        # at work, since the folder is locked.
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
        _end_last_line(path)
        storages = self._optuna.storages
        try:
            storage = storages.JournalStorage(storages.journal.JournalFileBackend(str(path)))
            self._study: Study = self._optuna.create_study(
                storage=storage,
                study_name=digest(repr(sorted(goal.items())).encode())[:16],
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise InputError(
                f"{path}: this journal of a search is damaged ({error!r}): remove it; trained "
                "students are kept, and the trials are gone through again"
            ) from error

    def records(self) -> list[dict[str, Any]]:
        """Return what was found in each finished trial.

        A run by minutes and one by trials may have given one number to different students.
        """
        complete = self._optuna.trial.TrialState.COMPLETE
        return [
            dict(trial.user_attrs)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state == complete
        ]

    def add(self, record: Mapping[str, Any], point: Mapping[str, Any], score: float) -> None:
        """Keep a finished trial; its record has its number."""
        # What a start has beyond the bounds of proposals stands in the record.
        params = {
            name: value
            for name, value in point.items()
            if self._distributions[name]._contains(
                self._distributions[name].to_internal_repr(value)
            )
        }
        trial = self._optuna.trial.create_trial(
            params=params,
            distributions={name: self._distributions[name] for name in params},
            value=score,
            user_attrs=dict(record),
        )
        self._study.add_trial(trial)


def _end_last_line(path: Path) -> None:
    """Drop what a killed process wrote of a last line."""
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
