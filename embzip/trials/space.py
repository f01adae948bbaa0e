"""Which students a search may try, and how many bytes each has at most; nothing is trained.

A student is a point of a space: numbers by name, which Optuna proposes and the journal keeps. Of a
named size, a point says which share of the rows that fit the student has, so that no point is
larger than what is allowed.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from embzip.classifier import Classifier, CnnConfig
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.student_sizes import student_nbytes
from embzip.classifier.students import kept_table, stemmed
from embzip.embz.contents import words_of
from embzip.errors import InputError
from embzip.tokenizers.base import Tokenizer
from embzip.types import Arrays
from embzip.vectors.base import Vectors

Point = Mapping[str, Any]
PIECES = (2000, 4000, 8000)  # of BPE vocabularies; words are 0
DIMS, FILTERS, BITS, KERNELS = (4, 96), (8, 128), (1.0, 4.0), ("int8", "int4", "int2")
LEAST_ROWS = 100
_PARTS = 200  # of the words, by which a size is bounded


@dataclass(frozen=True)
class Student:
    """What a trial makes: a shape, over the teacher's words or that many pieces."""

    shape: StudentShape
    pieces: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return its numbers by name."""
        return {**asdict(self.shape), "pieces": self.pieces}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Student":
        """Return the student that `to_json` describes."""
        shape = {name: value for name, value in record.items() if name != "pieces"}
        return cls(StudentShape(**shape), record["pieces"])

    @property
    def name(self) -> str:
        """What it is, in a few words.

        >>> Student(StudentShape(rows=5000, dim=8)).name
        '5,000 words x 8, 64 filters, svd|tcq:2, kernels int4'
        """
        shape = self.shape
        rows = tokens(self.pieces) if self.pieces else f"{shape.rows:,} words"
        if not (self.pieces or shape.rows):
            rows = "all pieces of the teacher"
        filters = f"{shape.filters} filters" if shape.encoder == "cnn" else shape.encoder
        return f"{rows} x {shape.dim}, {filters}, {shape.codec}, kernels {shape.kernels}"


def tokens(pieces: int) -> str:
    """Return what is read, in words: so many pieces, or words where they are 0."""
    return f"{pieces:,} pieces" if pieces else "words"


class Space:
    """The students of one corpus.

    Parameters
    ----------
    teacher
        Who has the words: a classifier, or a `stand_in`.
    texts
        Training texts.
    pieces
        Returns the tokenizer of so many pieces.
    size
        The most bytes of the file that counts; None for any.
    encoder
        Of all students; None for both.
    more
        How many bytes that file has at least beside those of the .embz.
    characters
        How many different ones there are: pieces are at least twice as many.

    Attributes
    ----------
    size
        As above, of the .embz.
    reads
        The pieces that the teachers read, 0 for words: a search begins with students of them.
    labels
        How many there are.
    words
        Those that occur in the training texts.
    vocabularies
        Sizes of those that a student may have: 0 for words, and of pieces.

    Raises
    ------
    InputError
        For a size that no student reaches; the message has the least.
    """

    def __init__(
        self,
        teacher: Classifier,
        texts: Sequence[str],
        pieces: Callable[[int], Tokenizer],
        *,
        size: int | None,
        encoder: str | None,
        more: int = 0,
        characters: int = 0,
    ) -> None:
        self._teacher, self._pieces = teacher, pieces
        # They are built from one another, so that a student keeps all or none.
        self._of_pieces = teacher.tokenizer.kind == "bpe"
        self.labels = len(teacher.labels)
        self.size = None if size is None else size - more  # of an .embz
        self.reads = 0
        self._ids = teacher.encode(texts)
        self._encoder = encoder
        # No student has more than its teacher.
        filters = getattr(teacher.config, "filters", FILTERS[1])
        self._most = (teacher.embedding.dim, filters)
        self._known: dict[tuple[int | None, int], tuple[Vectors, Arrays]] = {}
        counts = np.bincount(np.concatenate([*self._ids, [0]]).astype(np.int64))
        special = set(teacher.tokenizer.vocabulary.special_ids)
        seen = [row for row in np.flatnonzero(counts) if row not in special]
        # Words that no training text has are read at once by nobody.
        self.words = max(1, len(seen))
        fitting = (each for each in PIECES if 2 * characters <= each < self.words / 2)
        # Where the teacher reads pieces, students read the same.
        self.vocabularies = (0,) if self._of_pieces else (0, *fitting)
        if size is not None:
            self._check_size(size, more)

    def nbytes(self, student: Student) -> int:
        """Return the bytes of a student's file, at most."""
        table, words = self._words(student.shape.rows, student.pieces)
        return student_nbytes(self._teacher, table, student.shape, words=words)

    def _words(self, rows: int | None, pieces: int) -> tuple[Vectors, Arrays]:
        """Return a student's table, whose numbers are not kept, and how its words are stored."""
        if (rows, pieces) not in self._known:
            tokenizer = self._pieces(pieces) if pieces else None
            found = stemmed(
                kept_table(
                    self._teacher, self._ids, rows=0 if pieces else rows, tokenizer=tokenizer
                )
            )
            nothing = np.broadcast_to(np.zeros((), np.float32), found.matrix.shape)
            self._known[rows, pieces] = (
                replace(found, matrix=nothing),
                words_of(found.tokenizer, found.vocabulary),
            )
        return self._known[rows, pieces]

    def student(self, point: Point) -> Student | None:
        """Return the student of a point; None where its size leaves it no rows."""
        whole = point["pieces"] or self._of_pieces
        shape = self._shape(point, 0 if whole else self.words)
        if whole:
            student = Student(shape, point["pieces"])
            fits = self.size is None or self.nbytes(student) <= self.size
            return student if fits else None
        most = self.words if self.size is None else self._most_rows(shape)
        rows = round(point["rows"] * most)
        if most < min(LEAST_ROWS, self.words):
            return None
        return Student(replace(shape, rows=max(rows, min(LEAST_ROWS, self.words))))

    def _shape(self, point: Point, rows: int) -> StudentShape:
        filters = min(point["filters"], self._most[1])
        return StudentShape(
            rows=rows,
            dim=min(point["dim"], self._most[0]),
            # Without convolutions they are none: students that differ in nothing else are one.
            filters=filters if point["encoder"] == CnnConfig.kind else FILTERS[0],
            encoder=point["encoder"],
            codec=f"svd|tcq:{point['bits']:g}",
            kernels=point["kernels"],
        )

    def point(self, **numbers: Any) -> dict[str, Any]:
        """Return a point: what is not named is as in a student of 64 KB."""
        usual = {"pieces": 0, "encoder": self._encoder or "cnn", "dim": 16, "filters": 64}
        usual |= {"bits": 2.0, "kernels": "int4", "rows": 1.0}
        return {**usual, **numbers}

    @cached_property
    def encoders(self) -> tuple[str, ...]:
        """The encoders that students may have."""
        return ("cnn", "mean") if self._encoder is None else (self._encoder,)

    def _most_rows(self, shape: StudentShape) -> int:
        """Return how many words a student of a shape can have; 0 where not even few fit."""
        assert self.size is not None  # noqa: S101
        # Not every number is looked at, so that what is known of one serves other shapes.
        step = max(1, self.words // _PARTS)
        least = min(LEAST_ROWS, self.words)
        counts = sorted({least, *range(step, self.words, step), self.words})
        fitting = bisect_right(
            counts, self.size, key=lambda rows: self.nbytes(Student(replace(shape, rows=rows)))
        )
        return counts[fitting - 1] if fitting else 0

    def smallest(self) -> tuple[dict[str, Any], Student]:
        """Return the point with the fewest bytes, and its student, of however few bytes."""
        rows = min(LEAST_ROWS, self.words)
        point = self.point(
            dim=DIMS[0], filters=FILTERS[0], bits=BITS[0], kernels="int2",
            encoder=self.encoders[-1], rows=rows / self.words,
        )  # fmt: skip
        return point, Student(self._shape(point, 0 if self._of_pieces else rows))

    def _check_size(self, size: int, more: int) -> None:
        least = self.nbytes(self.smallest()[1]) + more
        if least > size:
            raise InputError(
                f"the smallest file of this corpus has {least:,} bytes, and {size:,} are "
                f"allowed: name a size of {least:,}B or more"
            )
