"""The steps of a search: what each makes, from what, into which files.

    corpus, fold train.tsv dev.tsv gate.tsv texts.txt (made in `sides`)
    tokenizer, vectors, train, folds    as of a recipe (`embzip.pipeline.making`)
    teacher      model.embz             one that was given
    sketch       model.embz             a student after its first epochs
    float        model.embz             a student before it is coded
    student      model.embz student.json
    answers      answers.json           the labels of a side, and what a model answers
    export       model.tflite
    serving      serving.json

Teachers' answers are kept in `answers/` of the search's folder.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from embzip.classifier import load_classifier, load_one
from embzip.corpus import Example, read_texts
from embzip.errors import InputError
from embzip.evaluation.accuracy import labels_of
from embzip.files.seen import SeenFiles
from embzip.files.writing import copy_file
from embzip.pipeline.candidate import BpeOptions, WordsOptions, parse_candidate
from embzip.pipeline.making import (
    examples_of_side,
    folds_step,
    serving_step,
    tokenizer_step,
    train_step,
    vectors_step,
)
from embzip.pipeline.steps import Step, write_json
from embzip.tokenizers import load_tokenizer
from embzip.trials.sides import Texts, corpus_step, fold_step
from embzip.trials.space import Student
from embzip.types import Progress, without_state

# Of what is shown first, and replaced as soon as something is better.
QUICK_EPOCHS = 2
_QUICK_LESSONS: Mapping[str, Any] = {"copies": 1, "epochs": 2, "rounded_epochs": 1}
# By which a generation is halved: a quarter of what a student is trained for in float32.
_FIRST_LESSONS: Mapping[str, Any] = {"epochs": 2}
_TEACHER = {"tokenizer": "words:min_count=1", "vectors": "ppmi:300", "classifier": "cnn:128"}


@dataclass(frozen=True)
class Making:
    """All that the steps of a search follow from.

    Attributes
    ----------
    directory
        The search's folder.
    teacher
        The file of a classifier that teaches; None trains one.
    teachers
        Trained ones, which teach together.
    folds
        Fold teachers, which speak of what they have not seen; 0 for none.
    reads
        How many pieces of BPE the teachers that are trained read; 0 for words.
    fold
        All is made without this part of the training texts, which is the gate; None for all texts.
    """

    directory: Path
    texts: Texts
    teacher: SeenFiles | None = None
    teachers: int = 1
    folds: int = 0
    seed: int = 0
    reads: int = 0
    fold: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what a worker must know, as plain values: of files elsewhere, their digests."""
        return {
            "directory": os.path.abspath(self.directory),
            "texts": self.texts.to_json(),
            "teacher": None if self.teacher is None else list(self.teacher.digests),
            "teachers": self.teachers,
            "folds": self.folds,
            "seed": self.seed,
            "reads": self.reads,
        }

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Making":
        """Return what `to_json` describes."""
        teacher = record["teacher"]
        return cls(
            Path(record["directory"]),
            Texts.of(record["texts"]),
            None if teacher is None else SeenFiles(digests=tuple(teacher)),
            record["teachers"],
            record["folds"],
            record["seed"],
            record["reads"],
        )

    @cached_property
    def corpus(self) -> Step:
        """The texts, on their sides."""
        whole = corpus_step(self.texts)
        return whole if self.fold is None else fold_step(whole, self.fold)

    @cached_property
    def words(self) -> Step:
        """The tokenizer of all words."""
        return tokenizer_step(self.corpus, WordsOptions(min_count=1))

    @cached_property
    def vectors(self) -> Step:
        """The table that teachers begin with."""
        options = parse_candidate({"name": "teacher", **_TEACHER}, "teacher").vectors_options
        read = self.pieces(self.reads) if self.reads else self.words
        return vectors_step(self.corpus, read, options, self.seed, fewer=True)

    def trained(self, number: int = 0, *, quick: bool = False) -> Step:
        """Return a teacher; a quick one has seen the texts twice."""
        if self.teacher is not None:
            return _given(self.teacher)
        options = parse_candidate({"name": "teacher", **_TEACHER}, "teacher").classifier_options
        if quick:
            options = replace(options, epochs=QUICK_EPOCHS)
        return train_step(self.corpus, self.vectors, options, True, self.seed + number)

    def teaching(self) -> list[Step]:
        """Return all teachers that are asked as one."""
        return [self.trained(number) for number in range(self.teachers)]

    def folded(self) -> Step | None:
        """Return the fold teachers, if there are any."""
        if not self.folds:
            return None
        return folds_step(self.corpus, self.trained(), self.vectors, self.folds, self.seed)

    def pieces(self, vocab: int) -> Step:
        """Return a tokenizer of so many pieces."""
        return tokenizer_step(self.corpus, BpeOptions(vocab=vocab))

    def sketch(self, student: Student, *, seed: int, quick: bool = False) -> Step:
        """Return a student that is not coded, after its first epochs; a quick one has no others."""
        shape = replace(student.shape, codec="float32", kernels="float32")
        lessons = _QUICK_LESSONS if quick else _FIRST_LESSONS
        return self._distilled("sketch", Student(shape, student.pieces), None, seed, quick, lessons)

    def floats(self, student: Student, *, seed: int) -> Step:
        """Return a student before it is coded; it serves every codec."""
        shape = replace(student.shape, codec="float32", kernels="float32")
        sketch = self.sketch(student, seed=seed)
        done = {"done": _FIRST_LESSONS["epochs"]}
        return self._distilled("float", Student(shape, student.pieces), sketch, seed, False, done)

    def student(self, student: Student, *, seed: int, quick: bool = False) -> Step:
        """Return a student, coded and tuned."""
        if quick:
            begun, lessons = self.sketch(student, seed=seed, quick=True), _QUICK_LESSONS
        else:
            begun, lessons = self.floats(student, seed=seed), {}
        return self._distilled("student", student, begun, seed, quick, lessons)

    def _distilled(
        self,
        name: str,
        student: Student,
        begun: Step | None,
        seed: int,
        quick: bool,
        lessons: Mapping[str, Any],
    ) -> Step:
        teachers = [self.trained(quick=True)] if quick else self.teaching()
        folds = None if quick else self.folded()
        # Of teachers over pieces, what reads anything else starts from a teacher over words.
        own = student.pieces == self.reads
        pieces = self.pieces(student.pieces) if student.pieces and not own else None
        parents = {
            "corpus": self.corpus,
            **{f"teacher {number}": step for number, step in enumerate(teachers)},
            "folds": folds,
            "start": replace(self, reads=0).trained() if self.reads and not own else None,
            "pieces": pieces,
            "begun": begun,
        }
        given = {key: step for key, step in parents.items() if step is not None}
        unlabelled = bool(self.texts.more.digests) and not quick

        def make(folder: Path, folders: Sequence[Path], progress: Progress) -> None:
            from embzip import tf  # TensorFlow is not loaded before a model is trained

            found = dict(zip(given, folders, strict=True))
            training = examples_of_side(found["corpus"], "train")
            asked = [
                load_classifier(found[key] / "model.embz") for key in found if "teacher" in key
            ]
            start = load_classifier(found["start"] / "model.embz") if "start" in found else None
            shape = student.shape
            if self.fold is not None:  # where there are fewer words
                words = (start or asked[0]).tokenizer.vocabulary
                most = len(words) - len(words.special_ids)
                shape = replace(shape, rows=shape.rows and min(shape.rows, most))
            result = tf.distill(
                asked,
                training,
                shape=shape,
                dev=examples_of_side(found["corpus"], "dev"),
                texts=(
                    lambda: islice(read_texts(found["corpus"] / "texts.txt"), len(training), None)
                )
                if unlabelled
                else (),
                fold_teachers=[
                    load_classifier(found["folds"] / f"{number}.embz")
                    for number in range(self.folds if folds else 0)
                ],
                tokenizer=load_tokenizer(found["pieces"] / "tokenizer") if pieces else None,
                start=start,
                student=load_classifier(found["begun"] / "model.embz") if begun else None,
                seed=seed,
                work=self.directory / "answers",
                progress=without_state(progress),
                **lessons,
            )
            # Counts weigh a float student's rows when it is coded; a coded one does not need them.
            result.classifier.save(folder / "model.embz", counts=name != "student")
            record = {
                "float_accuracy": result.float_accuracy,
                "tuned_accuracy": result.tuned_accuracy,
                "temperature": result.temperature,
            }
            write_json(folder / f"{name}.json", record)

        parameters = {
            **student.to_json(),
            "lessons": dict(lessons),
            "texts": unlabelled,
            "seed": seed,
        }
        return Step(name, parameters, tuple(given.values()), make)

    def answers(self, model: Step, side: str) -> Step:
        """Return what a model answers to `dev` or `gate`."""

        def make(folder: Path, folders: Sequence[Path], progress: Progress) -> None:
            examples = examples_of_side(folders[0], side)
            write_json(folder / "answers.json", answers_to(folders[1] / "model.embz", examples))

        return Step("answers", {"side": side}, (self.corpus, model), make)

    def exported(self, model: Step) -> Step:
        """Return a model as a .tflite."""

        def make(folder: Path, folders: Sequence[Path], progress: Progress) -> None:
            from embzip.tf.export import export

            export(load_classifier(folders[0] / "model.embz"), folder / "model.tflite")

        return Step("export", {}, (model,), make)

    def serving(self, model: Step) -> Step:
        """Return what serving a model costs."""
        return serving_step(self.corpus, model)


def answers_to(path: str | Path, examples: Sequence[Example]) -> dict[str, Any]:
    """Return what the model of a file answers to examples, and how sure it is."""
    model = load_one(path)
    found = model.probabilities([example.text for example in examples])
    return {
        "expected": [example.label for example in examples],
        "answers": list(labels_of(model, found)),
        "probabilities": [round(float(each), 4) for each in found.max(axis=1)],
    }


def _given(teacher: SeenFiles) -> Step:
    def make(folder: Path, folders: Sequence[Path], progress: Progress) -> None:
        if not teacher.paths:
            raise InputError(
                f"{folder.parent}: the teacher that this search began with is gone from here, or "
                "changed: run the command again, which copies it anew"
            )
        with teacher.unchanged():
            copy_file(teacher.paths[0], folder / "model.embz")

    return Step("teacher", {"digests": teacher.digests}, (), make)
