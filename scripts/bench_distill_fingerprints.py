"""Words stored as 8-bit fingerprints instead of strings, for `scripts.bench_distill`.

A minimal perfect hash of the words (3 bits each at best) and a fingerprint of 8 bits take 1.4 bytes
a word, where strings take about 1.9, so that more words fit. What is given up: one unknown word in
256 is taken for a known one, and no word without a row reads as its neighbour of the same stem,
which needs the strings.

Nothing of that is in embzip. Here a student gets as many words as would fit, no stems, and on dev
each unknown word reads as some row with a probability of 1/256, by a hash of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from embzip import Classifier
from embzip.evaluation.accuracy import mean_kl
from embzip.files.reading import digest
from embzip.tokenizers.word_pattern import word_pattern
from scripts.bench_distill_cells import Cell, Task, cells_of, in_order, told
from scripts.bench_distill_shapes import fitting

BYTES = 1.4  # of a word
TAKEN = 256  # one unknown word in so many is taken for a known one
UNK, SPECIAL = 1, 2  # ids; how many are no words
Record = dict[str, Any]


def fingerprints(
    task: Task, taught: Classifier, asked: Sequence[Classifier], share: float, size: str
) -> Record:
    """Return what a student without strings is on dev, with false words and without."""
    from embzip import tf

    train, dev = task.parts()
    ids = taught.encode([example.text for example in train])
    chosen = tf.plan_student(taught, task.examples(), size=size).shape
    most = 1000 * int(size.removesuffix("KB"))
    shape = fitting(taught, ids, chosen, most, of_word=BYTES)
    if shape is None:
        return {"none": "none so small"}
    shape = replace(shape, stems=False)
    small = tf.distill(
        taught, task.examples(), shape=shape, fold_teachers=asked, fold_share=share, seed=task.seed
    ).classifier
    texts = [example.text for example in dev]
    said = taught.probabilities(texts)
    clean, false = small.tokenizer.encode(texts), list(with_false_words(small, texts))
    changed = sum(
        a != b for pair in zip(clean, false, strict=True) for a, b in zip(*pair, strict=True)
    )
    found: Record = {"shape": asdict(shape), "false_words": changed}
    for name, read in (("clean", clean), ("false", false)):
        answers = small.probabilities_of_ids([each[: small.max_length] for each in read])
        best = [small.labels[place] for place in answers.argmax(1)]
        found[f"{name}_accuracy"] = told(best, dev)["accuracy"]
        found[f"{name}_kl"] = mean_kl(said, answers)
    return found


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


def beside_strings() -> str:
    """Return the table of fingerprints beside strings, on dev."""
    students = cells_of("student")
    rows = []
    for cell, record in in_order("fingerprints"):
        strings = students.get(Cell("student", cell.data, cell.seed, cell.size))
        if strings is None or "none" in record:
            continue
        rows.append(
            f"| {cell.data} | {cell.size} | {strings['shape']['rows']:,} "
            f"| {record['shape']['rows']:,} | {strings['dev_accuracy']:.4f} "
            f"| {record['clean_accuracy']:.4f} | {record['false_accuracy']:.4f} "
            f"| {strings['dev_kl']:.4f} | {record['clean_kl']:.4f} | {record['false_kl']:.4f} |"
        )
    if not rows:
        return ""
    return "\n".join(
        [
            "Words as strings, with stems, and as fingerprints of 8 bits, at equal bytes, on dev; "
            "*false* is with one unknown word in 256 taken for a known one. KL from the teacher in "
            "nats.",
            "",
            "| data | size | words: strings | fingerprints | accuracy: strings | fingerprints "
            "| false | KL: strings | fingerprints | false |",
            "|---" * 10 + "|",
            *rows,
        ]
    )
