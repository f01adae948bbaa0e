"""The command that labels texts: predict."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.clusters import Cluster, running_on
from embzip.cli.parameters import ColumnOptions, Errors, Input, Json, OwnModel, UsageError, Whole
from embzip.cli.terminal import field, without_notices, write
from embzip.corpus import read_texts
from embzip.engine import map_texts
from embzip.files.locations import files_at
from embzip.files.outputs import check_apart
from embzip.files.places import EXAMPLES, MODEL, TEXTS, check_places

if TYPE_CHECKING:
    from embzip.prediction import Prediction

    Answer = dict[str, list[Prediction]]  # of one text, by classifier

ALONE = ""  # the name of a classifier that is not in a kit


def predict(
    model: Annotated[Input, Parameter(name="MODEL.embz")],
    file: Annotated[Input | None, Parameter(name="FILE")] = None,
    /,
    *,
    top: Annotated[Whole | None, Parameter(metavar="K")] = None,
    threshold: Annotated[float, Parameter(metavar="P")] = 0.0,
    unknown: Annotated[str, Parameter(metavar="LABEL")] = "",
    proba: bool = False,
    labelled: Annotated[Input | None, Parameter(metavar="FILE")] = None,
    own: OwnModel = OwnModel(),
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Print a label and its probability for each text.

    They stand on one line, with a tab between. With --json, one object:
    {"predictions": [{"label": ..., "probability": ...}, ...]}. Texts are read and answered a block
    at a time, so a file may be larger than the memory.

    A kit answers in one column a classifier, `label probability`, in the order of `embzip
    inspect`; with --json, {"predictions": [{NAME: {"label": ..., ...}, ...}, ...]}.

    Parameters
    ----------
    model
        A classifier's .embz or .tflite file; a folder of several is an ensemble, which answers by
        the mean of their probabilities. A model of Keras or TensorFlow with --labels.
    file
        Texts, one a line; - is stdin, which is read by default.
    top
        The K most probable labels of each text, on its line, the most probable first; with --json,
        a list of them in the place of one.
    threshold
        Leave out labels of a probability below P, from 0 to 1.
    unknown
        The label of a text for which --threshold leaves none; by default an empty field.
    proba
        Print JSON lines with the probability of every label instead, as `distill --probabilities`
        reads them: {"text": ..., "probabilities": {LABEL: NUMBER, ...}}.
    labelled
        A file of label<TAB>text lines instead, of which the text is read.
    """
    if file is not None and labelled is not None:
        raise UsageError("give texts as FILE or by --labelled, not both")
    if proba and (as_json or top is not None or threshold or unknown):
        raise UsageError("--proba prints every label as JSON lines: give no other form with it")
    if unknown and not threshold:
        raise UsageError("--unknown is the label of texts below --threshold P: give both")
    check_places((model, MODEL), (file, TEXTS), (labelled, EXAMPLES), *own.places)
    from embzip.artefacts import is_foreign
    from embzip.classifier import load_model
    from embzip.prediction import TextKit, ranked

    own.check(model)
    with without_notices():  # LiteRT writes one
        loaded = own.open(model) if is_foreign(model) else load_model(model)
    labels = loaded.labels if isinstance(loaded, TextKit) else {ALONE: loaded.labels}
    source = labelled or file or Path("-")
    check_apart("-", [model, *files_at(source)])

    def answered(texts: list[str]) -> list[str]:
        """Return what is printed of each text."""
        found = loaded.probabilities(texts)
        named = found if isinstance(found, dict) else {ALONE: found}
        best = [
            ranked(
                labels[name],
                rows,
                top=len(labels[name]) if proba else 1 if top is None else top,
                threshold=threshold,
                unknown=unknown,
            )
            for name, rows in named.items()
        ]
        answers = [dict(zip(named, row, strict=True)) for row in zip(*best, strict=True)]
        if proba:
            pairs = zip(texts, answers, strict=True)
            return [
                json.dumps({"text": text, "probabilities": _object(answer, _by_label)})
                for text, answer in pairs
            ]
        if as_json:
            shape = _first if top is None else _all
            return [json.dumps(_object(answer, shape)) for answer in answers]
        return [_line(answer) for answer in answers]

    texts = read_texts(
        source, labelled=labelled is not None, errors=errors, columns=columns.columns
    )
    blocks = map_texts(answered, texts)
    parts = _one_object(blocks) if as_json else ("\n".join([*lines, ""]) for lines in blocks)
    # A bar between the answers would be in their way.
    with nullcontext() if sys.stdout.isatty() else progress("predicting"), running_on(cluster):
        write(parts)


def _one_object(blocks: Iterator[list[str]]) -> Iterator[str]:
    """Yield the parts of one JSON object."""
    first = next(blocks, [])
    yield '{"predictions": [' + ", ".join(first)
    for block in blocks:
        yield ", " + ", ".join(block)
    yield "]}\n"


def _line(answer: "Answer") -> str:
    between = "\t" if ALONE in answer else " "
    return "\t".join(
        between.join(f"{field(each.label)}{between}{each.probability:.4f}" for each in best)
        for best in answer.values()
    )


def _object(answer: "Answer", shape: Callable[[list["Prediction"]], object]) -> object:
    """Return what is said of a text: by classifier, where it is a kit's."""
    said = {name: shape(best) for name, best in answer.items()}
    return said.get(ALONE, said)


def _first(best: list["Prediction"]) -> object:
    return asdict(best[0])


def _all(best: list["Prediction"]) -> object:
    return [asdict(each) for each in best]


def _by_label(best: list["Prediction"]) -> object:
    return {each.label: each.probability for each in best}
