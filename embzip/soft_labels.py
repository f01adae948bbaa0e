"""Probabilities as a teacher's word: what a model of any kind says of each text, to learn from.

They come from a file of JSON lines, one object a line, or from any model that is asked:

    {"text": "three goals in ten minutes", "probabilities": {"sport": 0.97, "politics": 0.03}}
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from embzip.corpus import Example
from embzip.engine import BLOCK_BYTES, spans
from embzip.errors import EmbzipError, InputError, MismatchError
from embzip.files.lines import Errors, lines_of
from embzip.files.locations import file_at
from embzip.files.records import Fields, parse_json
from embzip.types import Matrix

TOLERANCE = 1e-3  # how far a row's sum may be from 1, and the words of equal texts from each other
_QUOTED = 40


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Texts with the probability of each label.

    Attributes
    ----------
    labels
        The classes in the order of the columns, at least two.
    texts
        Each once.
    probabilities
        (texts, classes) float32, each row with the sum 1: rows whose sum is up to 0.001 from it
        are divided by it.

    Raises
    ------
    InputError
        For a label or a text that stands twice, fewer than two labels, no text, another shape, and
        a row that has a number below 0, one that is not finite, or another sum; it names the text.

    Examples
    --------
    >>> soft = SoftLabels(("a", "b"), ("one", "two"), np.array([[0.75, 0.25], [0, 1]]))
    >>> examples = [Example(text="two", label="b"), Example(text="one", label="b")]
    >>> soft.rows_of(examples, ["b", "a"]).tolist()
    [[1.0, 0.0], [0.25, 0.75]]
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    probabilities: Matrix

    def __post_init__(self) -> None:
        _check_labels(self.labels)
        if not self.texts:
            raise InputError("soft labels need at least one text, received none")
        if len(self._place) < len(self.texts):
            twice = next(t for row, t in enumerate(self.texts) if self._place[t] != row)
            raise InputError(
                f"soft labels have each text once, and {twice[:_QUOTED]!r} stands twice"
            )
        checked = checked_probabilities(self.probabilities, self.texts, self.labels)
        object.__setattr__(self, "probabilities", checked)

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"<SoftLabels: {len(self.texts):,} texts, {len(self.labels)} labels>"

    @cached_property
    def _place(self) -> dict[str, int]:
        return {text: row for row, text in enumerate(self.texts)}

    def rows_of(self, examples: Sequence[Example], labels: Sequence[str]) -> Matrix:
        """Return (examples, labels) float32: what is said of the text of each example.

        Parameters
        ----------
        labels
            Ours, in the order of the columns that are returned.

        Raises
        ------
        MismatchError
            If nothing is said of a text; it says of how many, and names the first. For labels that
            are not those of the soft labels.
        """
        if apart := sorted({*labels} ^ {*self.labels}):
            raise MismatchError(
                "probabilities must speak of the labels that are asked for, and only one of both "
                f"has {apart[0]!r}: ask the other model about the same labels"
            )
        rows = [self._place.get(example.text, -1) for example in examples]
        if -1 in rows:
            first = examples[rows.index(-1)].text
            raise MismatchError(
                f"every training text needs probabilities, and {rows.count(-1):,} of "
                f"{len(rows):,} have none, such as {first[:_QUOTED]!r}: add them, or leave these "
                "texts out of training"
            )
        columns = [self.labels.index(label) for label in labels]
        return self.probabilities[np.ix_(rows, columns)]


def read_soft_labels(
    path: str | Path,
    examples: Sequence[Example] | None = None,
    *,
    errors: Errors = "strict",
) -> SoftLabels:
    """Read what a model says of texts: JSON lines of a text and the probability of each label.

    Each line is an object `{"text": ..., "probabilities": {LABEL: NUMBER, ...}}`; empty lines are
    skipped. A text may stand in several lines if they say the same of it, to 0.001.

    Parameters
    ----------
    path
        One file or URL, compressed or not; `-` is standard input. It is read line by line; 4 bytes
        a number, and the texts, are kept.
    examples
        The training examples that it speaks of; None takes any texts and labels.
    errors
        As in `embzip.corpus.read_texts`.

    Returns
    -------
    SoftLabels
        With sorted labels, the texts in the order of the file.

    Raises
    ------
    MissingFileError
        If the file does not exist or is a directory.
    InputError
        In one line, with file and line: for what is not such an object, probabilities below 0 or
        whose sum is not 1 (to 0.001), a label that the first line has and this one lacks, or the
        reverse, a text that an earlier line says something else of. With examples: for a label of
        theirs that is missing, and a text that is none of theirs. The file may know more labels.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "teacher.jsonl")
    >>> _ = path.write_text('{"text": "a goal", "probabilities": {"sport": 0.9, "vote": 0.1}}')
    >>> read_soft_labels(path, [Example(text="a goal", label="sport")])
    <SoftLabels: 1 texts, 2 labels>
    """
    needed = {example.label for example in examples or ()}
    spoken_of = None if examples is None else {example.text for example in examples}
    labels: tuple[str, ...] = ()
    first = 0
    numbers = array("f")
    lines: dict[str, tuple[int, int]] = {}  # text -> (its line, its row)
    path = file_at(path)
    for number, line in lines_of(path, errors):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        text, given = _parsed(line, where)
        if not labels:
            labels, first = tuple(sorted(given)), number
            try:
                _check_labels(labels)
            except InputError as error:
                raise InputError(f"{where}: {error}") from error
            _check_same(needed, labels, where, "the training examples have")
        elif given.keys() != {*labels}:
            _check_same(labels, given, where, f"line {first} has")
            _check_same(given, labels, f"{path}, line {first}", f"line {number} has")
        if spoken_of is not None and text not in spoken_of:
            raise InputError(
                f"{where}: expected a text of the training examples, found {text[:_QUOTED]!r}, "
                "which is none: remove the line, or correct the text"
            )
        row = [given[label] for label in labels]
        total = _check_row(row, labels, where)
        row = [value / total for value in row]
        before, at = lines.setdefault(text, (number, len(lines)))
        if before == number:
            numbers.extend(row)
            continue
        said = numbers[at * len(labels) : (at + 1) * len(labels)]
        if any(abs(one - other) > TOLERANCE for one, other in zip(row, said, strict=True)):
            raise InputError(
                f"{where}: {text[:_QUOTED]!r} has other probabilities than in line {before}: "
                "remove one of the lines"
            )
    if not lines:
        raise InputError(
            f'{path}: expected lines {{"text": ..., "probabilities": {{LABEL: NUMBER, ...}}}}, '
            "found only empty lines or none"
        )
    return SoftLabels(
        labels, tuple(lines), np.frombuffer(numbers, np.float32).reshape(-1, len(labels))
    )


def checked_probabilities(
    probabilities: object,
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    error: type[EmbzipError] = InputError,
) -> Matrix:
    """Return (texts, classes) float32 with the sums 1, after checking what a model has answered.

    Raises
    ------
    InputError
        Or the given `error`: for another shape, and for a row that has a number below 0, one that
        is not finite, or a sum more than 0.001 from 1; it names the text.

    Examples
    --------
    >>> checked_probabilities([[0.5, 0.6]], ["a goal"], ["sport", "vote"])
    Traceback (most recent call last):
    embzip.errors.InputError: text 0, 'a goal': probabilities must have the sum 1, found 1.1
    """
    try:
        found = np.asarray(probabilities)
        found = found if found.dtype.kind == "f" else found.astype(np.float64)
    except (TypeError, ValueError) as reason:
        raise error(
            f"probabilities must be numbers, (texts, classes), found "
            f"{type(probabilities).__name__} ({str(reason)[:80]})"
        ) from reason
    if found.shape != (len(texts), len(labels)):
        raise error(
            f"probabilities of {len(texts):,} texts and {len(labels)} labels must have the shape "
            f"{(len(texts), len(labels))}, found {found.shape}"
        )
    checked = np.empty(found.shape, np.float32)
    for part in spans(len(found), max(1, BLOCK_BYTES // (8 * len(labels)))):
        block = found[part].astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinity less infinity
            totals = block.sum(axis=1, keepdims=True)
        wrong = ~(np.abs(totals[:, 0] - 1) <= TOLERANCE) | ~(block >= 0).all(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            where = f"text {part.start + row}, {texts[part.start + row][:_QUOTED]!r}"
            _check_row(block[row].tolist(), labels, where, error)
        checked[part] = block / totals
    return checked


def _parsed(line: str, where: str) -> tuple[str, dict[str, float]]:
    fields = Fields.of(parse_json(line, where, error=InputError), where, InputError)
    fields = Fields.of_user(fields.values, where)
    fields.only(("text", "probabilities"))
    given = fields.fields("probabilities")
    return fields.take("text", str), {label: given.take(label, float) for label in given.values}


def _check_labels(labels: Sequence[str]) -> None:
    if len(labels) < 2 or len({*labels}) < len(labels):
        raise InputError(
            "probabilities need at least two labels, each once, found "
            f"{', '.join(map(repr, labels[:20])) or 'none'}"
        )


def _check_same(needed: Iterable[str], given: Iterable[str], where: str, who: str) -> None:
    """Raise for the first label that is needed and not given."""
    lacking = sorted({*needed} - {*given})
    if lacking:
        raise InputError(
            f"{where}: probabilities must name every label, found none for {lacking[0]!r}, which "
            f"{who}: add it, with 0 if the model never gives it"
        )


def _check_row(
    row: Sequence[float],
    labels: Sequence[str],
    where: str,
    error: type[EmbzipError] = InputError,
) -> float:
    """Return the sum of a row, after checking it."""
    for label, value in zip(labels, row, strict=True):
        if not (math.isfinite(value) and value >= 0):
            raise error(
                f"{where}: a probability must be a number of at least 0, found {value:g} for "
                f"{label!r}"
            )
    total = math.fsum(row)
    if abs(total - 1) > TOLERANCE:
        raise error(f"{where}: probabilities must have the sum 1, found {total:.6g}")
    return total
