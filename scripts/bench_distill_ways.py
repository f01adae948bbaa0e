"""Students made in other ways than `distill` does by default, on dev, for `scripts.bench_distill`.

    no swaps       no copies with words swapped for near ones: thinned ones instead
    no stems       a word without a row is unknown, where else it reads as its stem
    fingerprints   words stored as 8-bit fingerprints: more of them fit, and there are no stems
    16 epochs      at most, with a patience of 3
    its twin       the student in float32, distilled before it, as a second teacher (born again)

A minimal perfect hash of the words (3 bits each at best) and a fingerprint of 8 bits take 1.4 bytes
a word, where strings take about 1.9. What is given up: one unknown word in 256 is taken for a known
one, and no word without a row reads as its neighbour of the same stem, which needs the strings.
Nothing of that is in embzip. Here a student gets as many words as would fit, and on dev each
unknown word reads as some row with a probability of 1/256, by a hash of it.

All students of a set have the same teachers, but for the twin. Log loss judges, and not KL: a
student with stems is farther from its teacher, which has none, and may still be the better one.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np

from embzip import Classifier, Example
from embzip.evaluation.confidence import log_loss
from embzip.files.reading import digest
from embzip.tokenizers.word_pattern import word_pattern
from scripts.bench_distill_cells import Task, in_order, told
from scripts.bench_distill_shapes import fitting

BYTES = 1.4  # of a word
TAKEN = 256  # one unknown word in so many is taken for a known one
UNK, SPECIAL = 1, 2  # ids; how many are no words
OTHERS = ("no swaps", "no stems", "fingerprints", "and false words", "16 epochs", "its twin")
Record = dict[str, Any]


def ways(
    task: Task, taught: Classifier, asked: Sequence[Classifier], share: float, size: str
) -> Record:
    """Return what students made in each way are on dev, by the way's name."""
    from embzip import tf

    train, dev = task.parts()
    texts = [example.text for example in dev]
    ids = taught.encode([example.text for example in train])
    usual = tf.plan_student(taught, task.examples(), size=size).shape
    most = 1000 * int(size.removesuffix("KB"))
    more = fitting(taught, ids, usual, most, of_word=BYTES)
    if more is None:
        return {"none": "none so small"}
    found: Record = {}

    def distilled(name: str, **options: Any) -> Classifier:
        given: Record = {"shape": usual, "fold_share": share, "seed": task.seed, **options}
        teachers = [taught, *given.pop("beside", ())]
        started = time.perf_counter()
        made = tf.distill(
            teachers, task.examples(), start=taught, fold_teachers=asked, **given
        ).classifier
        seconds = round(time.perf_counter() - started, 1)
        rows, read = given["shape"].rows, made.encode(texts)
        found[name] = {"rows": rows, "seconds": seconds, **_judged(made, read, dev)}
        return made

    distilled("as it is")
    with patch("embzip.tf.distilling.near_words", lambda *_: {}):
        distilled("no swaps")
    distilled("no stems", shape=replace(usual, stems=False))
    small = distilled("fingerprints", shape=replace(more, stems=False))
    false = [read[: small.max_length] for read in with_false_words(small, texts)]
    found["and false words"] = _judged(small, false, dev)
    distilled("16 epochs", epochs=16, patience=3)
    plain = replace(usual, codec="float32", kernels="float32")
    twin = tf.distill(
        taught, task.examples(), shape=plain, fold_teachers=asked, fold_share=share, seed=task.seed
    ).classifier
    distilled("its twin", beside=[twin])
    return found


def _judged(made: Classifier, ids: Sequence[Sequence[int]], dev: Sequence[Example]) -> Record:
    answers = made.probabilities_of_ids(ids)
    best = [made.labels[place] for place in answers.argmax(1)]
    place = {label: column for column, label in enumerate(made.labels)}
    expected = np.array([place[example.label] for example in dev])
    return {"accuracy": told(best, dev)["accuracy"], "log_loss": log_loss(answers, expected)}


def with_false_words(small: Classifier, texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield the ids of each text, in which one unknown word in 256 has a row."""
    tokenizer = small.tokenizer
    rows = len(tokenizer.vocabulary) - SPECIAL
    for text, ids in zip(texts, tokenizer.encode(texts), strict=True):
        pieces = tokenizer.normalization.apply(text).split()
        words = [word for piece in pieces for word in word_pattern(piece).findall(piece)]
        yield [
            _row(word, rows) if each == UNK else each for word, each in zip(words, ids, strict=True)
        ]


def _row(word: str, rows: int) -> int:
    number = int(digest(word.encode("utf-8", "surrogatepass")), 16)
    return UNK if number % TAKEN else SPECIAL + number // TAKEN % rows


def beside_others() -> str:
    """Return the table of other ways beside the usual one, on dev."""
    rows = []
    for cell, record in in_order("ways"):
        if "none" in record:
            continue
        usual, more = record["as it is"], record["fingerprints"]
        others = [
            f"{100 * (record[name]['accuracy'] - usual['accuracy']):+.2f}, "
            f"{record[name]['log_loss'] - usual['log_loss']:+.4f}"
            for name in OTHERS
        ]
        rows.append(
            f"| {cell.data} | {cell.seed} | {cell.size} | {usual['rows']:,} | {more['rows']:,} "
            f"| {usual['accuracy']:.4f}, {usual['log_loss']:.4f} | {' | '.join(others)} |"
        )
    if not rows:
        return ""
    return "\n".join(
        [
            "Students made in other ways (`bench_distill_ways`), at equal bytes, on dev: accuracy "
            "and log loss; of the others their differences, in points and nats. *And false words* "
            "is fingerprints with one unknown word in 256 taken for a known one.",
            "",
            f"| data | seed | size | words | as fingerprints | as it is | {' | '.join(OTHERS)} |",
            "|---" * (6 + len(OTHERS)) + "|",
            *rows,
        ]
    )
