"""The command that holds a model to a test: gate."""

from typing import Annotated, Literal

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.parameters import ColumnOptions, Errors, Input, Json, OwnModel, Seed
from embzip.cli.terminal import show, without_notices
from embzip.corpus import read_examples
from embzip.files.places import EXAMPLES, MODEL, check_places

Metric = Annotated[Literal["accuracy", "macro-f1"], CHOICE]
_CODES = {"shown": 0, "worse": 3, "not shown": 4}


def gate(
    before: Annotated[Input, Parameter(name="BEFORE.embz")],
    after: Annotated[Input, Parameter(name="AFTER.embz")],
    test: Annotated[Input, Parameter(name="TEST.tsv")],
    /,
    *,
    max_drop: Annotated[float, Parameter(metavar="POINTS")],
    metric: Metric = "accuracy",
    confidence: float = 0.95,
    own: OwnModel = OwnModel(),
    seed: Seed = 0,
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    as_json: Json = False,
) -> int:
    """Say whether a model may take another's place, in one line and by the exit code.

    Both answer the same texts. 0, shown: at most so many points are lost. 3, worse: more are. 4,
    not shown: these texts cannot tell; the line says which drop they can show, and how many more
    texts like them it would take. 1 and 2 are errors.

    Bounds are one-sided: of accuracy Newcombe's for paired proportions, of macro-F1 those of a
    paired bootstrap.

    A model of Keras or TensorFlow that reads texts, or ids with --tokenizer, is a classifier with
    --labels.

    Parameters
    ----------
    before
        A classifier's .embz or .tflite file, or a model of Keras or TensorFlow; a folder of several
        of the first two is an ensemble.
    after
        What is to take its place.
    test
        label<TAB>text lines that neither has seen; - is stdin.
    max_drop
        The points (hundredths) that may be lost: 0.5 is half a point.
    metric
        accuracy or macro-f1.
    confidence
        Of each bound, 0.5 to 1.
    """
    check_places((before, MODEL), (after, MODEL), (test, EXAMPLES), *own.places)
    from embzip.evaluation.verdicts import check_verdict_options
    from embzip.trials import gate

    check_verdict_options(max_drop=max_drop, metric=metric, confidence=confidence)
    own.check(before, after)
    with progress("answering"), without_notices():  # LiteRT writes one
        found = gate(
            own.open(before),
            own.open(after),
            read_examples(test, errors=errors, columns=columns.columns),
            max_drop=max_drop,
            metric=metric,
            confidence=confidence,
            seed=seed,
        )
    show(found.to_json(), found.sentence, as_json=as_json)
    return _CODES[found.answer]
