"""Proposes students, a generation at a time, with Optuna.

A generation sees the finished trials of those before it and nothing else, and is seeded by its
number: so it is the same again, whatever was interrupted, on any number of workers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embzip.errors import MissingPackageError
from embzip.trials.space import BITS, DIMS, FILTERS, KERNELS, Space, Student
from embzip.trials.starts import first_points

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

GENERATION = 8  # of which the better half goes on: as many for each of two or four workers
_TRIES = 50  # for a student that was not tried, and fits


@dataclass(frozen=True)
class Proposal:
    """A trial to be run.

    Attributes
    ----------
    number, generation
        From 0.
    point
        Of the space, which `student` is made of.
    """

    number: int
    generation: int
    point: dict[str, Any]
    student: Student


@dataclass(frozen=True)
class Scored:
    """What a generation sees of a trial; less is better.

    One that was not finished is worse than those that were.
    """

    proposal: Proposal
    score: float
    finished: bool = True


def first_of(generation: int, starts: int) -> int:
    """Return the number of a generation's first trial."""
    return 0 if generation == 0 else starts + (generation - 1) * GENERATION


def proposals(
    space: Space,
    generation: int,
    before: Sequence[Scored],
    *,
    seed: int,
    starts: Sequence[Proposal],
) -> Iterator[Proposal]:
    """Yield the trials of a generation after the first.

    Parameters
    ----------
    before
        All trials of earlier generations.
    starts
        The first generation.
    """
    study = _study(space, generation, before, seed)
    tried = {scored.proposal.student for scored in before}
    number = first_of(generation, len(starts))
    for _ in range(GENERATION):
        found = _next(study, space, tried)
        if found is None:
            return
        point, student = found
        tried.add(student)
        yield Proposal(number, generation, point, student)
        number += 1


def start_proposals(space: Space) -> list[Proposal]:
    """Return the first generation; where no start fits a size, the smallest student of all."""
    found: dict[Student, dict[str, Any]] = {}
    for point in first_points(space):
        student = space.student(point)
        if student is not None:
            found.setdefault(student, point)
    if not found:
        point, student = space.smallest()
        found[student] = point
    return [Proposal(n, 0, point, made) for n, (made, point) in enumerate(found.items())]


def distributions(space: Space) -> dict[str, "BaseDistribution"]:
    """Return what each number of a point may be."""
    optuna = load_optuna()
    whole, names = (
        optuna.distributions.IntDistribution,
        optuna.distributions.CategoricalDistribution,
    )
    least = 0.3 if space.size is not None else min(1.0, 300 / space.words)
    return {
        "pieces": names(space.vocabularies),
        "encoder": names(space.encoders),
        "dim": whole(*DIMS, step=4),
        "filters": whole(*FILTERS, step=8),
        "bits": optuna.distributions.FloatDistribution(*BITS, step=0.5),
        "kernels": names(KERNELS),
        "rows": optuna.distributions.FloatDistribution(least, 1.0, log=True),
    }


def load_optuna() -> Any:
    """Import Optuna, and keep its own log lines to itself.

    Raises
    ------
    MissingPackageError
        Without it.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingPackageError(
            "a search needs optuna: `pip install 'optuna>=5.0'`, or "
            "`uv sync --extra search` from a checkout"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _study(space: Space, generation: int, before: Sequence[Scored], seed: int) -> "Study":
    optuna = load_optuna()
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=0,
        multivariate=True,
        constant_liar=True,
        seed=(seed * 1_000_003 + generation) % 2**32,
    )
    study: Study = optuna.create_study(sampler=sampler)
    known = distributions(space)
    for scored in sorted(before, key=lambda each: each.proposal.number):
        point = {name: _within(known[name], value) for name, value in scored.proposal.point.items()}
        of_trial: dict[str, Any] = {"value": scored.score}
        if not scored.finished:
            state = optuna.trial.TrialState.PRUNED
            of_trial = {"state": state, "intermediate_values": {0: scored.score}}
        study.add_trial(optuna.trial.create_trial(params=point, distributions=known, **of_trial))
    return study


def _within(known: Any, value: Any) -> Any:
    """Return a number, or the nearest that a proposal may have: a start may lie outside."""
    return min(max(value, known.low), known.high) if hasattr(known, "low") else value


def _next(
    study: "Study", space: Space, tried: set[Student]
) -> tuple[dict[str, Any], Student] | None:
    """Ask until a student is new and fits; None where none is found."""
    optuna = load_optuna()
    known = distributions(space)
    for _ in range(_TRIES):
        trial = study.ask(known)
        student = space.student(trial.params)
        if student is not None and student not in tried:
            return dict(trial.params), student
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return None
