"""From a recipe to its steps; nothing runs here.

    corpus -> tokenizer -> vectors -> train -> rebuild -> tune -> dev, test, serving
                                            -> folds -> distill -> dev, test, serving
                        -> planned

Candidates that share a tokenizer, vectors or a trained model share those steps, because steps
with equal keys are one. What each step does stands in `making`, which runs when in `steps`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from embzip.pipeline.candidate import Candidate
from embzip.pipeline.corpora import corpus_step
from embzip.pipeline.making import (
    distill_step,
    evaluate_step,
    folds_step,
    planned_step,
    rebuild_step,
    serving_step,
    tokenizer_step,
    train_step,
    tune_step,
    vectors_step,
)
from embzip.pipeline.recipe import Recipe
from embzip.pipeline.steps import Step


@dataclass(frozen=True)
class CandidateSteps:
    """The steps of one candidate; `model` is its artefact.

    `rebuilt` is None where table and kernels are stored as they were trained, and where the model
    is a student, whose teacher `trained` makes; `planned` refuses a student that cannot be.
    """

    candidate: Candidate
    planned: Step | None
    trained: Step
    rebuilt: Step | None
    model: Step
    dev: Step
    test: Step
    serving: Step


@dataclass(frozen=True)
class ControlSteps:
    """The steps of a control: the baseline made in another way, measured but not offered."""

    name: str
    note: str
    trained: Step
    test: Step


@dataclass(frozen=True)
class Plan:
    """The steps of a recipe; the first candidate is the baseline."""

    corpus: Step
    candidates: tuple[CandidateSteps, ...]
    controls: tuple[ControlSteps, ...]

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Yield what a run asks for: names of candidates and controls, each with a last step."""
        for made in self.candidates:
            if made.planned is not None:
                yield made.candidate.name, made.planned
        for made in self.candidates:
            for step in (made.dev, made.test, made.serving):
                yield made.candidate.name, step
        for control in self.controls:
            yield control.name, control.test


def make_plan(recipe: Recipe) -> Plan:
    """Return the steps of a recipe; nothing runs.

    Raises
    ------
    MissingFileError
        Where the recipe names a corpus and there is no checkout to take its module from.
    """
    corpus = corpus_step(recipe.corpus)
    baseline: Step | None = None
    planned = []
    for candidate in recipe.candidates:
        steps = _candidate_steps(candidate, corpus, recipe.seed, baseline)
        baseline = baseline or steps.model
        planned.append(steps)
    controls = _controls(recipe, planned[0]) if recipe.controls else ()
    return Plan(corpus, tuple(planned), controls)


def _candidate_steps(
    candidate: Candidate, corpus: Step, seed: int, baseline: Step | None
) -> CandidateSteps:
    tokenizer = tokenizer_step(corpus, candidate.tokenizer_options)
    vectors = vectors_step(corpus, tokenizer, candidate.vectors_options, seed)
    trained = train_step(corpus, vectors, candidate.classifier_options, candidate.trainable, seed)
    model, rebuilt, distill, planned = trained, None, candidate.distill, None
    if distill is not None:
        planned = planned_step(corpus, tokenizer, candidate, distill)
        folds = None
        if distill.folds:
            folds = folds_step(corpus, trained, vectors, distill.folds, seed)
        model = distill_step(corpus, trained, folds, distill, candidate.pack, seed)
    elif candidate.codec != "float32" or candidate.kernels != "float32" or candidate.pack:
        model = rebuilt = rebuild_step(trained, vectors, candidate, seed)
    if candidate.tune:
        model = tune_step(corpus, model, candidate, seed)
    return CandidateSteps(
        candidate,
        planned,
        trained,
        rebuilt,
        model,
        dev=evaluate_step("dev", corpus, model, seed, None),
        test=evaluate_step("test", corpus, model, seed, baseline),
        serving=serving_step(corpus, model),
    )


def _controls(recipe: Recipe, baseline: CandidateSteps) -> tuple[ControlSteps, ...]:
    name, options = baseline.candidate.name, baseline.candidate.classifier_options
    corpus, vectors = baseline.trained.parents
    random = train_step(corpus, vectors, options, True, recipe.seed, random_init=True)
    return (
        ControlSteps(
            f"{name}, random initialization",
            "trained without pretrained vectors",
            random,
            evaluate_step("test", corpus, random, recipe.seed, baseline.model),
        ),
    )
