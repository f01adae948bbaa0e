"""Commands that search for a small model: search, demo."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from embzip.cli.bars import live
from embzip.cli.choices import CHOICE
from embzip.cli.clusters import Cluster, running_on
from embzip.cli.gates import Metric
from embzip.cli.parameters import ColumnOptions, Input, Json, Seed, UsageError, Whole
from embzip.cli.terminal import show, tell
from embzip.files.locations import files_at
from embzip.files.names import base_name
from embzip.files.places import CLASSIFIER, EXAMPLES, TEXTS, check_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from embzip.report.record import Record


@Parameter(name="*")
@dataclass(frozen=True)
class Effort:
    """How long is searched, and with what.

    Attributes
    ----------
    minutes
        Begin no trial after so long, counted from the end of the teachers' training; 10 where
        --trials is not given either.
    trials
        So many trials, in all runs of this command together: the same ones and the same files, on
        any number of workers, unless --latency is given.
    workers
        Processes, of one thread each, by default one; --cluster has its own.
    teacher
        A classifier that teaches; by default one is trained.
    teachers
        Train so many, which teach together.
    folds
        Fold teachers, which say what they think of texts they have not seen; 0 for none, by default
        4 from 7,000 texts on.
    seeds
        Distil near ties at the end with so many seeds, and let the mean decide.
    confirm
        folds: repeat the answer's recipe on five folds of the training texts, so that more texts
        judge it; five times the training of teacher and student.
    """

    minutes: float | None = None
    trials: Whole | None = None
    workers: Whole | None = None
    teacher: Annotated[Input | None, Parameter(metavar="MODEL.embz")] = None
    teachers: Whole = 1
    folds: Whole | None = None
    seeds: Whole = 1
    confirm: Annotated[Literal["folds"] | None, CHOICE] = None


def search(
    train: Annotated[Input, Parameter(name="TRAIN.tsv")],
    /,
    *,
    size: Annotated[str | None, Parameter(metavar="SIZE")] = None,
    max_drop: Annotated[float, Parameter(metavar="POINTS")] = 0.5,
    dev: Annotated[Input | None, Parameter(metavar="DEV.tsv")] = None,
    test: Annotated[Input | None, Parameter(metavar="TEST.tsv")] = None,
    texts: Annotated[tuple[Input, ...], Parameter(metavar="TEXTS")] = (),
    metric: Metric = "accuracy",
    runtime: Annotated[Literal["embz", "litert"], CHOICE, Parameter(name="--for")] = "embz",
    latency: Annotated[str | None, Parameter(metavar="TIME")] = None,
    encoder: Annotated[Literal["cnn", "mean"] | None, CHOICE] = None,
    effort: Effort = Effort(),
    examples: Annotated[bool, Parameter(negative="--no-examples")] = True,
    seed: Seed = 0,
    columns: ColumnOptions = ColumnOptions(),
    cluster: Cluster = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="DIR")] = None,
    as_json: Json = False,
) -> None:
    """Search for the smallest classifier that loses little.

    It may lose half a point of accuracy, or what --max-drop says; with --size, the best of that
    size is searched for. Teachers are trained, and students of many shapes are distilled of them.
    DIR has what is best so far, from the first minutes on: best.embz, best.tflite, front.json,
    report.html, and try.html, which classifies what one types. After Ctrl-C or a kill, the same
    command goes on where it stopped.

    Half of dev chooses. The other half is read once, at the end, and says whether the answer loses
    at most --max-drop against the best uncompressed model: shown, worse, or not shown by these
    texts. Then --test is read, for the answer alone.

    Without -o, train.tsv goes to train.search/ in the current folder.

    Parameters
    ----------
    train
        label<TAB>text lines: a file, a pattern in quotes, or a URL.
    size
        The most bytes of the file, as 100KB (1 KB is 1,000 bytes): the best such file is wanted
        instead of the smallest that loses little.
    max_drop
        The points (hundredths) that may be lost.
    dev
        Texts to choose by; by default a tenth of TRAIN.tsv, by a fixed hash.
    test
        Texts for the last word.
    texts
        Further texts without labels, one a line; for several files, give the option again.
    metric
        accuracy or macro-f1.
    runtime
        Whose file counts: embz or litert.
    latency
        The most that one text may take at the median, in NumPy: 0.05ms.
    encoder
        Of the students: cnn or mean; by default both are tried.
    examples
        Have texts whose label changed in the report, of test or, without it, of the gate.
    output
        The folder of the results; one is for one corpus.
    """
    if test is not None and dev == test:
        raise UsageError("--dev chooses and --test has the last word: name two files")
    check_places(
        (train, EXAMPLES),
        (dev, EXAMPLES),
        (test, EXAMPLES),
        (effort.teacher, CLASSIFIER),
        *((path, TEXTS) for path in texts),
    )
    from embzip.trials import search

    folder = output or Path(f"{base_name(files_at(train)[0]).partition('.')[0]}.search")
    with running_on(cluster), live() as watch:
        record = search(
            train,
            folder,
            max_drop=max_drop,
            size=size,
            dev=dev,
            test=test,
            texts=texts,
            columns=columns.columns,
            metric=metric,
            runtime=runtime,
            latency=latency,
            encoder=encoder,
            **vars(effort),
            seed=seed,
            examples=examples,
            watch=_watching(watch),
            log=tell,
        )
    _show(record, folder, as_json)


def demo(
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="DIR")] = None,
    as_json: Json = False,
) -> None:
    """Search on BBC news, with few trials.

    The smallest classifier is searched for that loses at most a point, in a few minutes on two
    cores. Run again, it goes on where it stopped.

    Parameters
    ----------
    output
        The folder of the texts and of the results; by default demo/ in the current folder.
    """
    from embzip.trials import demo

    folder = output or Path("demo")
    with live() as watch:
        record = demo(folder, watch=_watching(watch), log=tell)
    _show(record, folder, as_json)


def _watching(
    watch: "Callable[[RenderableType], None] | None",
) -> "Callable[[Record], None] | None":
    return None if watch is None else lambda found: watch(_front(found))


def _show(record: "Record", folder: Path, as_json: bool) -> None:
    lines = [record["sentence"]]
    if record["confirmed"]:
        lines.append(
            f"the recipe, on {record['confirmed']['folds']} folds: "
            f"{record['confirmed']['sentence']}"
        )
    if record["test"]:
        looks = record["test"]["looks"]
        again = f", read for time {looks} in this folder" * (looks > 1)
        lines.append(f"test{again}: {record['test']['sentence']}")
    lines += [str(folder / record["best"]["file"]), str(folder / "report.html")]
    show(record, *lines, as_json=as_json)


def _front(record: Mapping[str, Any]) -> "RenderableType":
    """Return the front as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from embzip.report.searching import front_lines

    count = len(record["trials"])
    table = Table(
        title=f"{record['state']}, {count} trial{'s' * (count != 1)}; {record['goal']['asked']}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("")
    table.add_column("KB", justify="right")
    table.add_column(record["goal"]["metric"], justify="right")
    table.add_column("what", overflow="fold")
    for row in front_lines(record):
        table.add_row(*map(Text, row), style="bold" if row[0] else "")
    return table
