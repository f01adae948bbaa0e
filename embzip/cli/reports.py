"""Commands that make reports and show them: compare, run, report."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from embzip.cli.array_comparing import told_of
from embzip.cli.bars import progress
from embzip.cli.parameters import ColumnOptions, Errors, Input, Json, OwnModel, Seed, UsageError
from embzip.cli.terminal import drawn, show, tell, without_notices, write
from embzip.corpus import read_examples
from embzip.errors import MissingPackageError
from embzip.files.outputs import check_apart, output_path
from embzip.files.places import (
    ARRAYS,
    CLASSIFIER,
    EXAMPLES,
    GRAPH,
    INPUTS,
    OUR_OR_FOREIGN,
    check_places,
)
from embzip.files.writing import write_bytes

Folder = Annotated[
    Path | None,
    Parameter(
        name=("--output", "-o"),
        metavar="DIR",
        help="The folder of the results; it may exist already.",
    ),
]


def compare(
    before: Annotated[Path, Parameter(name="BEFORE.embz")],
    after: Annotated[Path, Parameter(name="AFTER.embz")],
    /,
    *,
    test: Annotated[Input | None, Parameter(metavar="TEST.tsv")] = None,
    inputs: Annotated[Path | None, Parameter(metavar="X.npz")] = None,
    own: OwnModel = OwnModel(),
    seed: Seed = 0,
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), metavar="REPORT.html")
    ] = None,
    as_json: Json = False,
) -> None:
    """Report two existing files, before and after.

    Size, accuracy, load time, memory and latency, side by side; the last three are taken in a
    fresh process each, in NumPy. The difference is AFTER minus BEFORE in accuracy, with its 95 %
    interval.

    A model of Keras or TensorFlow that reads texts, or ids with --tokenizer, is a classifier with
    --labels. Any two such models are compared on arrays by --inputs: the largest difference of
    each output, agreement, KL where they are probabilities, and accuracy, with --labels Y.npy.

    Parameters
    ----------
    before
        The baseline: a .embz file, or a model of Keras or TensorFlow.
    after
        What is compared with it.
    test
        Test examples; without them, sizes and speed only.
    inputs
        Instead: arrays by the names of the models' inputs; a .npy for the only input; of models
        that read texts, a file of one a line.
    output
        Write the report into a file too: a page, or .md or .json.
    """
    if inputs is not None:
        if test is not None or output is not None or own != OwnModel(labels=own.labels):
            raise UsageError("--inputs goes with --labels Y.npy and --json, and nothing else")
        _on_arrays(before, after, inputs, own.labels, as_json=as_json)
        return
    check_places((before, OUR_OR_FOREIGN), (after, OUR_OR_FOREIGN), (test, EXAMPLES), *own.places)
    from embzip.report import compare, render_terminal, renderer

    own.check(before, after)
    # An output that cannot be written is refused before the measuring, not after.
    if output is not None:
        output_path(after, ".html", output)
        renderer(output)
        check_apart(output, [before, after, test])
    with progress("measuring"), without_notices():
        record = compare(
            before,
            after,
            test=None
            if test is None
            else read_examples(test, errors=errors, columns=columns.columns),
            seed=seed,
            **vars(own),
        )
        if output is not None:
            write_bytes(output, renderer(output)(record).encode("utf-8", "backslashreplace"))
    shown = "" if as_json else drawn(render_terminal(record))
    show(record, *([] if output is None else [str(output)]), drawing=shown, as_json=as_json)


def _on_arrays(
    before: Path, after: Path, inputs: Path, labels: Path | None, *, as_json: bool
) -> None:
    """Compare two models of Keras or TensorFlow on arrays."""
    check_places((before, GRAPH), (after, GRAPH), (inputs, INPUTS), (labels, ARRAYS))
    with progress("comparing"), without_notices():
        from embzip.foreign.comparing import compare_on_arrays

        found = compare_on_arrays(before, after, inputs, labels=labels)
    show(found.to_json(), *told_of(found), as_json=as_json)


def run(
    recipe: Annotated[Path, Parameter(name="RECIPE.toml", help="The recipe.")],
    /,
    *,
    output: Folder = None,
    as_json: Json = False,
) -> None:
    """Run a whole recipe, from text to report.

    Every candidate is trained, compressed and measured on the test set. Steps are kept in DIR by
    the hash of their inputs: a killed run goes on where it stopped, and an unchanged step never
    runs again. Writes report.json, report.md and report.html, where the winner is the smallest
    file that loses at most 0.01 of accuracy on dev; the recipe's [choice] sets another rule.

    Without -o, recipe.toml goes to recipe.run/ in the current folder.
    """
    from embzip.pipeline import run
    from embzip.pipeline.recipe import read_recipe
    from embzip.report import render_terminal

    folder = output or Path(f"{recipe.stem}.run")
    read_recipe(recipe)  # what is wrong with it is said before TensorFlow takes its seconds
    _load_tensorflow()
    with progress("running") as report:
        record = run(recipe, folder, progress=report, log=tell)
    shown = "" if as_json else drawn(render_terminal(record))
    show(record, str(folder / "report.html"), drawing=shown, as_json=as_json)


def report(
    folder: Annotated[Path, Parameter(name="DIR")],
    /,
    *,
    card: bool = False,
    test: Annotated[Input | None, Parameter(metavar="TEST.tsv")] = None,
    as_json: Json = False,
) -> None:
    """Render the report of a run again, or a classifier's card.

    From DIR/report.json: the table, report.md and report.html.

    Parameters
    ----------
    folder
        The folder `embzip run` wrote; with --card, a classifier's .embz file.
    card
        Print a model card in Markdown: what it is, was trained on, gets right, and its limits.
    test
        With --card: label<TAB>text lines that it is measured on.
    """
    if card:
        check_places((folder, CLASSIFIER), (test, EXAMPLES))
        from embzip.report.card import card_of

        with progress("measuring"):
            text = card_of(folder, None if test is None else read_examples(test))
        if as_json:
            show({"path": str(folder), "card": text}, as_json=True)
        else:
            write([text])
        return
    if test is not None:
        raise UsageError("--test is for --card: the report of a run was measured by `embzip run`")
    from embzip.pipeline import report
    from embzip.report import render_terminal

    with progress("rendering"):
        record = report(folder)
    shown = "" if as_json else drawn(render_terminal(record))
    written = folder if folder.is_dir() else folder.parent
    show(record, str(written / "report.html"), drawing=shown, as_json=as_json)


def _load_tensorflow() -> None:
    """Import it without its notices; where it is missing, the step that needs it says so."""
    with without_notices(), suppress(MissingPackageError):
        import embzip.tf  # noqa: F401 (loaded here, used by the pipeline)
