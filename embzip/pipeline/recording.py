"""The record of a run, from what its steps left: candidates, controls, corpus."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from embzip.files.names import base_name
from embzip.pipeline.choosing import Tried
from embzip.pipeline.plan import CandidateSteps, Plan
from embzip.pipeline.recipe import Recipe
from embzip.pipeline.steps import Step, Steps
from embzip.report.figures import fraction, megabytes
from embzip.report.record import Record, environment, facts_of, tested
from embzip.sources import in_short


def make_record(steps: Steps, plan: Plan, recipe: Recipe, *, chosen: int) -> Record:
    """Return the record of a run whose candidate of that index was chosen."""
    return {
        "baseline": recipe.candidates[0].name,
        "candidates": [
            {**_candidate(steps, made, plan.candidates[0]), "chosen": index == chosen}
            for index, made in enumerate(plan.candidates)
        ],
        "choice": recipe.choice.rule,
        "controls": _controls(steps, plan),
        "corpus": _corpus(steps, plan, recipe),
        "environment": environment(),
        "seed": recipe.seed,
    }


def tried_of(steps: Steps, made: CandidateSteps) -> Tried:
    """Return what the choice needs to know of a candidate; its test is not run for it."""
    candidate, nbytes = made.candidate, _facts(steps, made.model)["bytes"]["total"]
    return Tried(
        candidate.name,
        candidate.codec,
        nbytes,
        _dev_accuracy(steps, made),
        distilled=candidate.distill is not None,
    )


def _candidate(steps: Steps, made: CandidateSteps, baseline: CandidateSteps) -> dict[str, Any]:
    candidate = made.candidate
    facts = _facts(steps, made.model)
    total = _facts(steps, baseline.model)["bytes"]["total"]
    epoch, base_epoch = _epoch_seconds(steps, made), _epoch_seconds(steps, baseline)
    found = tested(steps.record(made.test, "evaluation.json"))
    found |= _student(steps, made, found.get("notes", ()))
    return {
        "name": candidate.name,
        "tokenizer": candidate.tokenizer,
        "codec": candidate.codec,
        "distill": None if candidate.distill is None else candidate.distill.spec,
        "resolved_codec": _resolved(steps, made),
        # Folding moves a codec's linear part into the classifier: what is stored is simpler.
        "stored_codec": facts["codec"],
        "pack": candidate.pack,
        "tune": candidate.tune,
        "trainable": candidate.trainable,
        "dim": facts["dim"],
        "bytes": facts["bytes"],
        "compression_ratio": total / facts["bytes"]["total"],
        "dev_accuracy": _dev_accuracy(steps, made),
        **found,
        "rows": facts["rows"],
        "epoch_seconds": epoch,
        "epoch_ratio": epoch / base_epoch if epoch and base_epoch else None,
        **steps.record(made.serving, "serving.json"),
    }


def _resolved(steps: Steps, made: CandidateSteps) -> str | None:
    """Return the chain that the data made of the candidate's codec, as before folding.

    Of a student it is not known: its file holds the folded table alone.
    """
    if made.candidate.distill is not None:
        return None
    if made.rebuilt is None:
        return made.candidate.codec
    return str(steps.record(made.rebuilt, "rebuild.json")["codec"])


def _student(steps: Steps, made: CandidateSteps, notes: Sequence[str]) -> dict[str, Any]:
    """Return what is said of a student only: the codec of its shape, and a note on its making."""
    if made.candidate.distill is None:
        return {}
    found = steps.record(made.model, "distill.json")
    shape = found["shape"]
    filters = f", {shape['filters']:,} filters" if shape["encoder"] == "cnn" else ""
    note = (
        f"a student ({shape['encoder']}{filters}, kernels {shape['kernels']}) of a classifier of "
        f"{megabytes(found['teacher_bytes'])} with {fraction(found['teacher']['accuracy'])} on "
        f"dev, where it has {fraction(found['student']['accuracy'])}"
    )
    return {"codec": shape["codec"], "notes": [note, *notes]}


def _controls(steps: Steps, plan: Plan) -> list[dict[str, Any]]:
    base = _epoch_seconds(steps, plan.candidates[0])
    controls: list[dict[str, Any]] = []
    for control in plan.controls:
        shown = tested(steps.record(control.test, "evaluation.json"))
        epoch = _median_epoch(steps, control.trained)
        controls.append(
            {
                **shown,
                "name": control.name,
                "epoch_seconds": epoch,
                "epoch_ratio": epoch / base if base else None,
                "notes": [control.note, *shown.get("notes", ())],
            }
        )
    return controls


def _corpus(steps: Steps, plan: Plan, recipe: Recipe) -> dict[str, Any]:
    source = recipe.corpus
    sizes = steps.record(plan.corpus, "corpus.json")
    files = {
        side: in_short(list(map(base_name, paths)))
        for side, paths in (("train", source.train), ("dev", source.dev), ("test", source.test))
        if paths
    }
    return {
        **({"name": source.name} if source.name is not None else {"files": files}),
        **{f"{side}_rows": sizes[side] for side in ("train", "dev", "test")},
        "labels": len(sizes["labels"]),
    }


def _epoch_seconds(steps: Steps, made: CandidateSteps) -> float | None:
    """Return the median epoch of a candidate; the epochs of a student's teacher are not its own."""
    if made.candidate.distill is not None:
        return None
    return _median_epoch(steps, made.trained)


def _median_epoch(steps: Steps, trained: Step) -> float:
    """Return the median epoch, without the first where there are others: it traces the graph."""
    seconds = steps.record(trained, "train.json")["epoch_seconds"]
    return float(median(seconds[1:] or seconds))


def _facts(steps: Steps, model: Step) -> dict[str, Any]:
    return facts_of(steps.folder(model) / "model.embz")


def _dev_accuracy(steps: Steps, made: CandidateSteps) -> float:
    return float(steps.record(made.dev, "evaluation.json")["accuracy"])
