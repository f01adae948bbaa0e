"""What a student's file takes, before anything is trained, and which shape a size allows."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import numpy as np

from embzip.classifier.cnn import CnnConfig
from embzip.classifier.model import Classifier, head_shapes
from embzip.classifier.rebuilding import on_table
from embzip.classifier.registry import encoder_class
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.students import kept_of, kept_table, stemmed, student_config
from embzip.classifier.training_record import TrainingRecord
from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.embz.budgets import most_of, unfilled
from embzip.embz.contents import contents_of, words_of
from embzip.errors import InputError, SpecError
from embzip.tokenizers.base import Tokenizer
from embzip.types import Arrays
from embzip.vectors.base import Vectors

# From so many bytes on, such a shape, with as many rows as fit.
_STEPS = (
    (0, StudentShape(dim=4, filters=8, codec="svd|tcq:1")),
    (10_000, StudentShape(dim=8, filters=16, codec="svd|tcq:1")),
    (15_000, StudentShape(dim=8, filters=32)),
    (30_000, StudentShape(dim=12, filters=48)),
    (45_000, StudentShape(dim=16, filters=64)),
    (90_000, StudentShape(dim=24, filters=64)),
    (130_000, StudentShape(dim=32, filters=128)),
    (200_000, StudentShape(dim=48, filters=128, codec="svd|tcq:3")),
    (400_000, StudentShape(dim=64, filters=128, codec="svd|tcq:4")),
)
# With more labels than this, twice the columns at half the bits tell more apart.
_FEW_LABELS = 16
_MORE_FILTERS = (128, 112, 96, 80)
_COLUMNS = 96  # of the stand-in for a teacher: no student has more by itself
_LENGTH = 1024  # tokens of a text, at most, in a size's bound: a number in the file's record
_HALF = {"svd|tcq:4": "svd|tcq:2", "svd|tcq:3": "svd|tcq:1.5", "svd|tcq:2": "svd|tcq:1"}


def steps_of(labels: int) -> list[tuple[int, StudentShape]]:
    """Return, for so many labels, from how many bytes on which shape is taken."""
    if labels <= _FEW_LABELS:
        return list(_STEPS)
    return [
        (least, replace(shape, dim=2 * shape.dim, codec=_HALF[shape.codec]))
        if shape.codec in _HALF
        else (least, shape)
        for least, shape in _STEPS
    ]


def wider_of(labels: int) -> tuple[int, ...]:
    """Return the filters, the most first, that a student with all words may have instead.

    Many labels gain more by filters than by bits: clinc150 in 93 KB, KL on dev .0249 with 96
    filters and rows of 1 bit, .0269 with 64 and 1.5 bits.
    """
    return _MORE_FILTERS if labels > _FEW_LABELS else ()


def stand_in(
    tokenizer: Tokenizer,
    labels: Sequence[str],
    dim: int = _COLUMNS,
    *,
    encoder: str = CnnConfig.kind,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Classifier:
    """Return a classifier as large as a teacher will be, untrained: sizes follow from it.

    Parameters
    ----------
    dim
        The teacher's columns, where they are known.
    encoder, options
        The teacher's, as in `embzip.tf.train`.
    """
    rows = len(tokenizer.vocabulary)
    table = Vectors(tokenizer.vocabulary, np.zeros((rows, dim), np.float32), tokenizer=tokenizer)
    config = encoder_class(encoder).of(dim, _LENGTH, options)
    shapes = head_shapes(config, len(labels))
    arrays = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    training = TrainingRecord().widest("train")
    return Classifier(compress(table, "float32"), tuple(labels), config, arrays, training=training)


def student_nbytes(
    teacher: Classifier, table: Vectors, shape: StudentShape, *, words: Arrays | None = None
) -> int:
    """Return the bytes of a student's file, at most: unpacked, with room for its record.

    Parameters
    ----------
    table
        What `kept_table` returns; of its matrix nothing is read.
    words
        What `embzip.embz.contents.words_of` returns for it, where that is known already.
    """
    dim = min(shape.dim, teacher.embedding.dim)
    # Of all tables it has the most even singular values, so that a share of energy keeps most.
    narrow = replace(table, matrix=np.eye(table.rows, dim, dtype=np.float32))
    config = student_config(teacher, shape, dim)
    shapes = head_shapes(config, len(teacher.labels))
    plain = Classifier(
        unfilled(parse_codec("float32"), narrow),
        teacher.labels,
        config,
        {name: np.ones(sizes, np.float32) for name, sizes in shapes.items()},
    )
    coded = unfilled(parse_codec(shape.codec).resolve(narrow.matrix), narrow)
    # What a record says of dev is not taken over by `on_table`.
    small = replace(
        on_table(plain, coded, kernels=shape.kernels), training=teacher.training.widest("distill")
    )
    if words is None:
        words = words_of(table.tokenizer, table.vocabulary)
    return contents_of(small.embedding, small.head_tensors(), words).nbytes


def shape_of_size(
    teacher: Classifier,
    texts: Sequence[Sequence[int]],
    size: str,
    *,
    tokenizer: Tokenizer | None = None,
    spare: int = 0,
) -> StudentShape:
    """Return the shape of a student whose file has at most so many bytes.

    Parameters
    ----------
    texts
        Training texts as ids of the teacher.
    size
        Such as '64KB'; 1 KB is 1,000 bytes.
    tokenizer
        As in `kept_table`.
    spare
        Bytes of the size that are for something else than the student.

    Raises
    ------
    SpecError
        For a size that cannot be read.
    InputError
        For a size that no shape reaches. The message has the least.
    """
    most = bytes_of(size) - spare
    every = kept_table(teacher, texts, tokenizer=tokenizer)
    words = len(every.ordinary_ids())
    pieces = every.tokenizer is not None and every.tokenizer.kind == "bpe"
    counts = [words] if pieces else range(1, words + 1)

    def nbytes(rows: int, shape: StudentShape) -> int:
        return student_nbytes(teacher, stemmed(kept_of(every, rows)), shape)

    steps = steps_of(len(teacher.labels))
    first = max((step for step in range(len(steps)) if steps[step][0] <= most), default=0)
    # More of everything, where every word has a row.
    roomy = list(takewhile(lambda step: nbytes(words, step[1]) <= most, steps[first:]))
    if roomy:
        shape = replace(roomy[-1][1], rows=words)
        more = wider_of(len(teacher.labels))
        wider = (replace(shape, filters=each) for each in more if each > shape.filters)
        return next((each for each in wider if nbytes(words, each) <= most), shape)
    for _, shape in reversed(steps[: first + 1]):
        fitting = bisect_right(counts, most, key=partial(nbytes, shape=shape))
        if fitting:
            return replace(shape, rows=counts[fitting - 1])
    least = nbytes(counts[0], steps[0][1]) + spare
    raise InputError(
        f"a student of this teacher takes at least {least:,} bytes, and {most + spare:,} are "
        f"allowed: name a size of {least:,}B or more"
    )


def bytes_of(size: str) -> int:
    """Return the bytes of a size that a user names, or raise `SpecError`.

    >>> bytes_of("64KB")
    64000
    """
    try:
        most = most_of(f"auto:{size}")
    except SpecError:
        most = None
    if most is None:
        raise SpecError(f"a size is a number of bytes, such as 64KB, received {size!r}")
    return most
