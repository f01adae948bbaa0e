"""From a recipe to its steps; nothing runs here.

    corpus -> tokenizer -> vectors -> train -> compress -> tune -> dev, test, serving

Candidates that share a tokenizer, vectors or a trained model share those steps, because steps
with equal keys are one. What each step does stands in `making`, which runs when in `steps`.
"""

from dataclasses import dataclass

from embzip.pipeline.candidate import Candidate
from embzip.pipeline.corpora import corpus_step
from embzip.pipeline.making import (
    compress_step,
    evaluate_step,
    row_sparse_step,
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

    `compressed` is None where neither table nor kernels are stored in another way than trained.
    """

    candidate: Candidate
    trained: Step
    compressed: Step | None
    model: Step
    dev: Step
    test: Step
    serving: Step


@dataclass(frozen=True)
class Plan:
    """The steps of a recipe; controls are empty where the recipe does without them."""

    corpus: Step
    candidates: tuple[CandidateSteps, ...]
    row_sparse: Step | None
    random: Step | None
    random_test: Step | None

    def steps(self) -> list[Step]:
        """Return all steps that are asked for by themselves."""
        asked = [s for c in self.candidates for s in (c.trained, c.dev, c.test, c.serving)]
        return asked + [s for s in (self.row_sparse, self.random, self.random_test) if s]


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
    if not recipe.controls or baseline is None:
        return Plan(corpus, tuple(planned), None, None, None)
    first = recipe.candidates[0]
    tokenizer = tokenizer_step(corpus, first.tokenizer_options)
    vectors = vectors_step(corpus, tokenizer, first.vectors_options, recipe.seed)
    options = first.classifier_options
    row_sparse = row_sparse_step(corpus, vectors, options, recipe.seed)
    random = train_step(corpus, vectors, options, True, recipe.seed, random_init=True)
    random_test = evaluate_step("test", corpus, random, recipe.seed, baseline)
    return Plan(corpus, tuple(planned), row_sparse, random, random_test)


def _candidate_steps(
    candidate: Candidate, corpus: Step, seed: int, baseline: Step | None
) -> CandidateSteps:
    tokenizer = tokenizer_step(corpus, candidate.tokenizer_options)
    vectors = vectors_step(corpus, tokenizer, candidate.vectors_options, seed)
    trained = train_step(corpus, vectors, candidate.classifier_options, candidate.trainable, seed)
    model, compressed = trained, None
    if candidate.codec != "float32" or candidate.kernels != "float32" or candidate.pack:
        model = compressed = compress_step(trained, vectors, candidate, seed)
    if candidate.tune:
        model = tune_step(corpus, model, candidate, seed)
    return CandidateSteps(
        candidate,
        trained,
        compressed,
        model,
        dev=evaluate_step("dev", corpus, model, seed, None),
        test=evaluate_step("test", corpus, model, seed, baseline),
        serving=serving_step(corpus, model),
    )
