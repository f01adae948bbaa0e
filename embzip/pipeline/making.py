"""What each step makes, from what, into which files.

    corpus      train.tsv dev.tsv test.tsv texts.txt corpus.json (made in `corpora`)
    tokenizer   tokenizer            as build_words or build_bpe writes it
    vectors     vectors.embz         float32, with counts
    train       model.embz train.json
    rebuild     model.embz rebuild.json
    tune        model.embz tune.json
    planned     shape.json           of a student, before its teacher is trained
    folds       0.embz 1.embz ...    the fold teachers
    distill     model.embz distill.json
    dev, test   evaluation.json
    serving     serving.json

A step reads the folders of the steps it builds on, and nothing else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from embzip.classifier import load_classifier
from embzip.classifier.rebuilding import bounded, rebuild
from embzip.classifier.specs import ClassifierOptions
from embzip.classifier.student_sizes import bytes_of
from embzip.compression import compress
from embzip.corpus import Example, read_examples, read_texts
from embzip.embz.budgets import most_of
from embzip.embz.format import load, save
from embzip.errors import InputError
from embzip.evaluation.accuracy import evaluate
from embzip.evaluation.serving import measure_serving
from embzip.pipeline.candidate import (
    BpeOptions,
    Candidate,
    TokenizerOptions,
    WordsOptions,
)
from embzip.pipeline.distillation import Distillation
from embzip.pipeline.steps import Step, write_json
from embzip.tokenizers import load_tokenizer
from embzip.tokenizers.building import build_bpe, build_words
from embzip.types import Progress, without_state
from embzip.vectors.options import VectorsOptions
from embzip.vectors.training import train_vectors

_SERVED_TEXTS = 200


def tokenizer_step(corpus: Step, options: TokenizerOptions) -> Step:
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        texts, output = parents[0] / "texts.txt", folder / "tokenizer"
        if isinstance(options, WordsOptions):
            build_words(texts, output, **asdict(options), progress=progress)
        else:
            build_bpe(texts, output, **asdict(options), progress=progress)

    kind = "bpe" if isinstance(options, BpeOptions) else "words"
    return Step("tokenizer", {"kind": kind, **asdict(options)}, (corpus,), make)


def vectors_step(
    corpus: Step, tokenizer: Step, options: VectorsOptions, seed: int, *, fewer: bool = False
) -> Step:
    """Train vectors; where told, of no more columns than half as many as there are tokens."""
    method = options.method

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        read = load_tokenizer(parents[1] / "tokenizer")
        texts, given = parents[0] / "texts.txt", asdict(options)
        if fewer:
            given["dim"] = max(1, min(options.dim, len(read.vocabulary) // 2))
        vectors = train_vectors(texts, read, method=method, **given, seed=seed, progress=progress)
        save(compress(vectors, "float32"), folder / "vectors.embz", counts=True)

    parameters = {"kind": method, **asdict(options), "seed": seed, "fewer": fewer}
    return Step("vectors", parameters, (corpus, tokenizer), make)


def train_step(
    corpus: Step,
    vectors: Step,
    options: ClassifierOptions,
    trainable: bool,
    seed: int,
    random_init: bool = False,
) -> Step:
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        from embzip import tf  # TensorFlow is not loaded before a model is trained

        result = tf.train(
            examples_of_side(parents[0], "train"),
            load(parents[1] / "vectors.embz"),
            dev=examples_of_side(parents[0], "dev"),
            **options.arguments(),
            pruning=tf.PruningShares(options.sparsity) if options.sparsity else None,
            trainable=trainable,
            random_init=random_init,
            seed=seed,
            progress=without_state(progress),
        )
        result.classifier.save(folder / "model.embz")
        record = {
            "epoch_seconds": list(result.epoch_seconds),
            "dev_accuracy": list(result.dev_accuracy),
            "cut_share": result.cut_share,
            "pruning": None if result.pruning is None else result.pruning.to_json(),
        }
        write_json(folder / "train.json", record)

    how = {"trainable": trainable, "random_init": random_init, "seed": seed}
    parameters = {**asdict(options), **how}
    return Step("train", parameters, (corpus, vectors), make)


def rebuild_step(trained: Step, vectors: Step, candidate: Candidate, seed: int) -> Step:
    codec = None if candidate.codec == "float32" else candidate.codec
    fold, kernels = candidate.fold, candidate.kernels
    pack = candidate.pack and not candidate.tune  # what is tuned is packed afterwards
    roomy = candidate.tune and codec is not None and most_of(codec) is not None

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        classifier = load_classifier(parents[0] / "model.embz")
        # A model's file has no counts, and errors of frequent rows should weigh more.
        counts = load(parents[1] / "vectors.embz").counts
        counted = replace(classifier.embedding, counts=counts)
        classifier = replace(classifier, embedding=counted)
        table = most = None
        if codec is not None:
            # A size in a recipe is the file's.
            bound = bounded(classifier, codec, fold=fold, kernels=kernels, tuned=roomy)
            most = bound.most
            # The report names the chain that the data made of the codec; folding takes it apart.
            table = rebuild(classifier, codec=bound.codec, fold=False, seed=seed).embedding
        small = rebuild(classifier, table, fold=fold, kernels=kernels, seed=seed)
        save(small, folder / "model.embz", pack=pack, most=most)
        resolved = "float32" if table is None else table.codec.spec
        write_json(folder / "rebuild.json", {"codec": resolved})

    parameters = {
        "codec": codec,
        "fold": fold,
        "kernels": kernels,
        "pack": pack,
        "roomy": roomy,
        "seed": seed,
    }
    return Step("rebuild", parameters, (trained, vectors), make)


def tune_step(corpus: Step, model: Step, candidate: Candidate, seed: int) -> Step:
    batch_size = candidate.classifier_options.batch_size
    params, pack = candidate.tune_params, candidate.pack

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        from embzip import tf

        result = tf.tune(
            load_classifier(parents[1] / "model.embz"),
            examples_of_side(parents[0], "train"),
            dev=examples_of_side(parents[0], "dev"),
            batch_size=batch_size,
            params=params,
            seed=seed,
            progress=progress,
        )
        result.classifier.save(folder / "model.embz", pack=pack)
        record = {
            "tuned": result.tuned,
            "dev_accuracy_before": result.dev_accuracy_before,
            "dev_accuracy": result.dev_accuracy,
        }
        write_json(folder / "tune.json", record)

    parameters = {"batch_size": batch_size, "params": params, "pack": pack, "seed": seed}
    return Step("tune", parameters, (corpus, model), make)


def folds_step(corpus: Step, trained: Step, vectors: Step, folds: int, seed: int) -> Step:
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        from embzip import tf

        made = tf.fold_teachers(
            load_classifier(parents[1] / "model.embz"),
            examples_of_side(parents[0], "train"),
            load(parents[2] / "vectors.embz"),
            folds=folds,
            dev=examples_of_side(parents[0], "dev"),
            seed=seed,
            progress=without_state(progress),
        )
        for number, teacher in enumerate(made):
            teacher.save(folder / f"{number}.embz")

    return Step("folds", {"folds": folds, "seed": seed}, (corpus, trained, vectors), make)


def planned_step(corpus: Step, tokenizer: Step, candidate: Candidate, asked: Distillation) -> Step:
    """Refuse a student that cannot be, before anything is trained."""
    dim, classifier = candidate.vectors_options.dim, candidate.classifier_options
    teacher: dict[str, Any] = {"encoder": classifier.encoder, "options": dict(classifier.shape)}
    wanted: dict[str, Any] = {**teacher, "shape": asked.shape, "size": asked.size}

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        from embzip.tf.student_plans import plan_untrained

        reads = load_tokenizer(parents[1] / "tokenizer")
        train, dev = (examples_of_side(parents[0], side) for side in ("train", "dev"))
        labels = sorted({example.label for example in train})
        try:
            plan = plan_untrained(reads, labels, dim, train, dev=dev, **wanted)
        except InputError as error:
            raise InputError(f"candidate {candidate.name!r}, distill: {error}") from error
        write_json(folder / "shape.json", asdict(plan.shape))

    shape = None if asked.shape is None else asdict(asked.shape)
    parameters = {"shape": shape, "size": asked.size, "dim": dim, **teacher}
    return Step("planned", parameters, (corpus, tokenizer), make)


def distill_step(
    corpus: Step, trained: Step, folds: Step | None, asked: Distillation, pack: bool, seed: int
) -> Step:
    shape, size = asked.shape, asked.size

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        from embzip import tf

        teacher = load_classifier(parents[1] / "model.embz")
        training = examples_of_side(parents[0], "train")
        result = tf.distill(
            teacher,
            training,
            shape=shape,
            size=size,
            dev=examples_of_side(parents[0], "dev"),
            texts=_unlabelled(parents[0], len(training)) if asked.texts else (),
            fold_teachers=[
                load_classifier(parents[2] / f"{number}.embz") for number in range(asked.folds)
            ],
            **asked.lessons,
            seed=seed,
            progress=without_state(progress),
        )
        most = None if size is None else bytes_of(size)
        save(result.classifier, folder / "model.embz", pack=pack, most=most)
        record = {
            "shape": asdict(result.shape),
            "teacher_bytes": (parents[1] / "model.embz").stat().st_size,
            "teacher": result.teacher.to_json(),
            "student": result.student.to_json(),
            "float_accuracy": result.float_accuracy,
            "rounded_accuracy": result.rounded_accuracy,
            "tuned_accuracy": result.tuned_accuracy,
            "temperature": result.temperature,
        }
        write_json(folder / "distill.json", record)

    parameters = {
        "shape": None if shape is None else asdict(shape),
        "size": size,
        "texts": asked.texts,
        "lessons": dict(asked.lessons),
        "pack": pack,
        "seed": seed,
    }
    parents = (corpus, trained) if folds is None else (corpus, trained, folds)
    return Step("distill", parameters, parents, make)


def evaluate_step(side: str, corpus: Step, model: Step, seed: int, baseline: Step | None) -> Step:
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        against = None if baseline is None else parents[2] / "model.embz"
        examples = examples_of_side(parents[0], side)
        evaluation = evaluate(parents[1] / "model.embz", examples, against=against, seed=seed)
        write_json(folder / "evaluation.json", evaluation.to_json())

    parents = (corpus, model) if baseline is None else (corpus, model, baseline)
    return Step(side, {"seed": seed}, parents, make)


def serving_step(corpus: Step, model: Step) -> Step:
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        texts = [example.text for example in examples_of_side(parents[0], "dev")]
        serving = measure_serving(parents[1] / "model.embz", texts[:_SERVED_TEXTS])
        write_json(folder / "serving.json", serving.to_json())

    return Step("serving", {"texts": _SERVED_TEXTS}, (corpus, model), make)


def examples_of_side(corpus: Path, side: str) -> list[Example]:
    """Return a side as the step `corpus` wrote it, which has looked at the labels."""
    return read_examples(corpus / f"{side}.tsv", checked=True)


def _unlabelled(corpus: Path, training: int) -> Callable[[], Iterable[str]]:
    """Return what opens the recipe's unlabelled texts: they follow those of so many examples."""
    return lambda: islice(read_texts(corpus / "texts.txt"), training, None)
