"""A model card: what a classifier's file is, was trained on, gets right, and cannot do.

Mitchell et al. 2019, Model Cards for Model Reporting, arXiv:1810.03993.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embzip.classifier.loading import describe
from embzip.corpus import Example
from embzip.embz.inspecting import inspect_embz
from embzip.errors import InputError
from embzip.evaluation.accuracy import evaluate
from embzip.report.figures import fraction, listed, megabytes, whole
from embzip.report.markdown import escaped, table_of

_LABELS = 20


def card_of(path: str | Path, test: Sequence[Example] | str | Path | None = None) -> str:
    """Return the card of a classifier's .embz file as Markdown.

    Parameters
    ----------
    test
        Examples that it is measured on; without them the card has no figures.

    Raises
    ------
    InputError
        For a file that holds no classifier, and a kit together with a test.
    """
    stored = inspect_embz(path)
    classifiers = describe(path) if stored.own["heads"] else []
    if not classifiers:
        raise InputError(f"{path}: a card is of a classifier, and this file holds a table alone")
    if len(classifiers) > 1 and test is not None:
        raise InputError(f"{path}: a test is for one classifier, and this is a kit")
    own, sizes = stored.own, stored.bytes
    table = f"{whole(own['rows'])} rows of {own['dim']}, {own['codec']}"
    parts = ", ".join(
        f"{name.replace('_', ' ')} {whole(size)}"
        for name, size in sizes.items()
        if size and name != "total"
    )
    facts = [
        ("file", f"{Path(path).name}, {megabytes(sizes['total'])} ({parts} bytes)"),
        ("tokenizer", str(own["tokenizer"])),
        ("table", table),
        *own["meta"].items(),
    ]
    blocks = [f"# {escaped(Path(path).stem)}", "A text classifier, made by embzip.", _pairs(facts)]
    for each in classifiers:
        blocks += _classifier(each)
    blocks += ["## Figures", *_figures(path, test, classifiers)]
    reads = max(each["options"]["max_length"] for each in classifiers)
    limits = [
        f"It reads the first {whole(reads)} tokens of a text.",
        "It answers with one of its labels, whatever the text is about; its probability says how "
        "sure it is.",
        "What the vectors were trained on before is not known to the file.",
    ]
    blocks += ["## Limits", "\n".join(f"- {limit}" for limit in limits)]
    return "\n\n".join(blocks) + "\n"


def _classifier(each: Mapping[str, Any]) -> list[str]:
    name = f": {each['name']}" if each["name"] else ""
    labels = listed(each["labels"], most=_LABELS)
    options = ", ".join(f"{key} {value}" for key, value in each["options"].items())
    told = [
        ("labels", f"{len(each['labels'])}: {labels}"),
        ("encoder", f"{each['encoder']}, {options}"),
        ("kernels", f"{each['kernels']}, {whole(each['bytes'])} bytes"),
    ]
    runs = [f"- {escaped(_run(run))}" for run in each["training"]] or ["Not known."]
    return [
        f"## Classifier{escaped(name)}", _pairs(told),
        f"## Training{escaped(name)}", "\n".join(runs),
    ]  # fmt: skip


def _run(run: Mapping[str, Any]) -> str:
    (texts, _), (chosen, _) = run["training"], run["dev"]
    dev = "a held-out tenth" if run["held_out"] else "given texts"
    verb = {"train": "Trained", "tune": "Tuned", "distill": "Distilled"}[run["kind"]]
    ended = ", interrupted" if run.get("interrupted") else ""
    if "dev_accuracy" in run:
        ended += f"; accuracy on dev {fraction(run['dev_accuracy'])}"
    return (
        f"{verb} on {whole(texts)} texts for at most {run['epochs']} epochs, of which number "
        f"{run['best_epoch']} was kept, by {whole(chosen)} dev texts ({dev}); seed {run['seed']}"
        f"{ended}."
    )


def _figures(
    path: str | Path,
    test: Sequence[Example] | str | Path | None,
    classifiers: Iterable[Mapping[str, Any]],
) -> list[str]:
    if test is None:
        known = any("dev_accuracy" in run for each in classifiers for run in each["training"])
        return [
            "No test was given: see the accuracy on dev above." if known else "Not measured here."
        ]
    found = evaluate(path, test)
    said = [
        ("test texts", whole(found.rows)),
        ("accuracy", fraction(found.accuracy)),
        ("macro-F1", fraction(found.macro_f1)),
        ("log loss, nats", "-" if found.log_loss is None else f"{found.log_loss:.3f}"),
        ("calibration error", fraction(found.calibration_error)),
        ("unknown tokens", fraction(found.unknown_rate)),
    ]
    rows = [
        [each.label, *map(fraction, (each.precision, each.recall, each.f1)), whole(each.support)]
        for each in found.classes
    ]
    return [_pairs(said), table_of(["label", "precision", "recall", "F1", "texts"], rows)]


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return table_of(["", ""], ([key, value] for key, value in pairs), numeric=False)
