"""Runs the steps of a recipe in order, chooses a candidate on dev, and makes the record.

All choices come before the first look at test, which is read once, for all candidates.
"""

from collections.abc import Callable
from pathlib import Path

from embzip.errors import OutputError
from embzip.files.outputs import check_apart
from embzip.files.writing import atomic_write
from embzip.pipeline.choosing import choose
from embzip.pipeline.plan import make_plan
from embzip.pipeline.recipe import read_recipe
from embzip.pipeline.recording import make_record, tried_of
from embzip.pipeline.steps import Steps
from embzip.report.files import REPORT_FILES, read_record, write_report
from embzip.report.record import Record
from embzip.types import Progress


def run(
    recipe: str | Path,
    output_dir: str | Path,
    *,
    progress: Progress | None = None,
    log: Callable[[str], None] | None = None,
) -> Record:
    """Run a recipe and write its report.

    Steps are cached under `output_dir/steps`: a killed run resumes, and an unchanged step never
    runs again. Beside the report, `output_dir` gets one `.embz` file a candidate. One candidate
    is marked as chosen, by the rule of the recipe's `[choice]`, on dev: test has no part in it.

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
        For a mistake in the recipe, which is found before anything runs, or in the corpus.
    MissingPackageError
        Where a package that trains is not installed.
    OutputError
        Where `output_dir` cannot be written, or a file in it that would be replaced is an input.
    """
    read = read_recipe(recipe)
    plan = make_plan(read)
    directory = Path(output_dir)
    outputs = [*REPORT_FILES, *(f"{made.candidate.name}.embz" for made in plan.candidates)]
    for name in outputs:
        check_apart(directory / name, read.inputs)
    steps = Steps(directory, progress=progress, log=log)
    steps.expect(plan.steps())
    for made in plan.candidates:
        if made.planned is not None:  # before hours of training
            steps.folder(made.planned)
    # The choice comes before the first look at test.
    chosen = choose([tried_of(steps, made) for made in plan.candidates], read.choice)
    record = make_record(steps, plan, read, chosen=chosen)
    for made in plan.candidates:
        _publish(steps.folder(made.model) / "model.embz", directory / f"{made.candidate.name}.embz")
    write_report(record, directory)
    if progress is not None:
        progress(1, 1)
    return record


def report(directory: str | Path) -> Record:
    """Render the report of a run again, from its report.json.

    Raises
    ------
    MissingFileError
        Where `directory` holds no report.json.
    InputError
        Where that file is not a report.
    """
    record = read_record(directory)
    folder = Path(directory)
    write_report(record, folder if folder.is_dir() else folder.parent)
    return record


def _publish(model: Path, target: Path) -> None:
    """Copy a step's model to a file with the candidate's name, which is the user's to keep."""
    try:
        content = model.read_bytes()
    except OSError as error:
        raise OutputError(f"{model}: cannot be read: {error.strerror}") from error
    with atomic_write(target) as file:
        file.write(content)
