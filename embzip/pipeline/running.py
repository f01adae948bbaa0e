"""Runs the steps of a recipe in order, chooses a candidate on dev, and makes the record.

All choices come before the first look at test, which is read once, for all candidates.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from embzip.errors import OutputError
from embzip.files import atomic_write
from embzip.pipeline.corpora import corpora_folder
from embzip.pipeline.plan import make_plan
from embzip.pipeline.recipe import read_recipe
from embzip.pipeline.recording import accuracy_of, make_record, model_facts
from embzip.pipeline.steps import Steps
from embzip.report.files import read_record, write_report
from embzip.report.record import Record
from embzip.types import Progress

_TOLERANCE = 0.01  # of dev accuracy, below the best float32 candidate


def run(
    recipe: str | Path,
    output_dir: str | Path,
    *,
    progress: Progress | None = None,
    log: Callable[[str], None] | None = None,
) -> Record:
    """Run a recipe and write its report.

    Steps are cached under `output_dir/steps`: a killed run resumes, and an unchanged step never
    runs again. Beside the report, `output_dir` gets one `.embz` file a candidate. The candidate
    marked as chosen is the smallest whole artefact whose accuracy on dev is at most 0.01 below
    that of the float32 candidate that is best there; test has no part in it.

    Parameters
    ----------
    recipe
        A TOML file; `embzip.pipeline.recipe` shows one.
    output_dir
        Made where it is missing.
    progress
        Called with (done, total), in hundredths of steps.
    log
        Called with one line for each step, such as "words: train, done in 12.3 s".

    Returns
    -------
    The record that stands in report.json.

    Raises
    ------
    MissingFileError, InputError, SpecError
        For a recipe or a corpus that is not right; what is wrong with the recipe is found before
        anything runs.
    MissingPackageError
        Where a package that trains is not installed.
    OutputError
        Where `output_dir` cannot be written.
    """
    read = read_recipe(recipe)
    plan = make_plan(read)
    directory = Path(output_dir)
    steps = Steps(directory, progress=progress, log=log)
    steps.expect(plan.steps())
    # All choices come before the first look at test.
    dev = [accuracy_of(steps, made.dev) for made in plan.candidates]
    sizes = [model_facts(steps, made.model)["bytes"]["total"] for made in plan.candidates]
    best = choose([made.candidate.codec for made in plan.candidates], sizes, dev)
    record = make_record(steps, plan, read, chosen=best)
    for made in plan.candidates:
        _publish(steps.folder(made.model) / "model.embz", directory / f"{made.candidate.name}.embz")
    write_report(record, directory)
    if progress is not None:
        progress(1, 1)
    return record


def demo(
    output_dir: str | Path,
    *,
    progress: Progress | None = None,
    log: Callable[[str], None] | None = None,
) -> Record:
    """Run the recipe of `corpora/demo.toml`; needs a checkout.

    The parameters, the result and the errors are those of `run`.
    """
    return run(corpora_folder() / "demo.toml", output_dir, progress=progress, log=log)


def report(directory: str | Path) -> Record:
    """Render the report of a run again, from its report.json.

    Raises
    ------
    MissingFileError
        Where `directory` holds no report.json.
    InputError
        Where that is no report.
    """
    record = read_record(directory)
    folder = Path(directory)
    write_report(record, folder if folder.is_dir() else folder.parent)
    return record


def choose(codecs: Sequence[str], sizes: Sequence[int], dev: Sequence[float]) -> int:
    """Return the index of the smallest candidate that loses at most 0.01 on dev.

    The loss is counted from the best float32 candidate, or from the best where there is none.

    Parameters
    ----------
    codecs, sizes, dev
        Of each candidate: its codec, whole size in bytes, and accuracy on dev.

    Examples
    --------
    >>> choose(["float32", "int8", "svd:2|int8"], [400, 100, 10], [0.9, 0.893, 0.7])
    1
    """
    plain = [accuracy for codec, accuracy in zip(codecs, dev, strict=True) if codec == "float32"]
    # Accuracies are ratios of whole numbers: a tolerance met exactly must not fail by rounding.
    least = max(plain or dev) - _TOLERANCE - 1e-9
    passing = [index for index, accuracy in enumerate(dev) if accuracy >= least]
    return min(passing, key=lambda index: sizes[index])


def _publish(model: Path, target: Path) -> None:
    """Put a step's artefact under its candidate's name; the copy is the user's to keep."""
    try:
        content = model.read_bytes()
    except OSError as error:
        raise OutputError(f"{model}: cannot be read: {error.strerror}") from error
    with atomic_write(target) as file:
        file.write(content)
