"""What a student takes to answer one text, as .tflite and by NumPy, beside fastText.

    python -m scripts.bench_distill_serving data/tagmynews bench/distill/tagmynews-0/student.embz

Texts are the corpus' own words, 12 tokens each; tokenization is included on all sides. fastText is
supervised on the same corpus with its own defaults (100 numbers). Every figure comes from a fresh
process that computes in one thread, and those of the three formats run in turn; "2 threads" are two
that predict batches of 64 at once. Figures are medians over --rounds, ratios are taken round by
round.
"""

import argparse
import json
import shutil
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from embzip.classifier import load_classifier
from embzip.tf.export import export
from scripts.bench_serving import Figures, child, median, ratio
from scripts.bench_serving_files import texts_of

TOKENS, TEXTS = 12, 1024
FORMATS = {
    "fastText": ("fasttext", "fasttext.bin"),
    "student .tflite": ("own", "student.tflite"),
    "student .embz": ("own", "student.embz"),
}
GOALS = {"student .tflite": 1.25, "student .embz": 5.0}


def main() -> None:
    """Make the files, run the children in turn, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder with train.tsv.xz")
    parser.add_argument("student", type=Path, help="a .embz of scripts.bench_distill")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    source = given.data / "train.tsv.xz"
    with TemporaryDirectory(prefix="embzip-serving-") as temporary:
        folder = Path(temporary)
        texts = list(islice(texts_of(source, TOKENS), TEXTS))
        (folder / "texts.json").write_text(json.dumps(texts))
        (folder / "text.json").write_text(json.dumps(texts[:1]))
        shutil.copy(given.student, folder / "student.embz")
        export(load_classifier(given.student), folder / "student.tflite")
        child("fasttext", str(source), "100", str(folder))
        found: dict[str, list[Figures]] = {label: [] for label in FORMATS}
        for _ in range(given.rounds):
            for label, (runner, file) in FORMATS.items():
                found[label].append(child("measure", runner, str(folder / file), str(folder)))
        sizes = {label: (folder / file).stat().st_size for label, (_, file) in FORMATS.items()}
    print("| format | bytes | p50 ms | of fastText's | goal | texts/s, 1 thread | 2 threads |")
    print("|---|---|---|---|---|---|---|")
    for label, rounds in found.items():
        print(
            f"| {label} | {sizes[label]:,} | {median(rounds, 'p50'):.4f} "
            f"| {ratio(rounds, found['fastText']):.2f} | {GOALS.get(label, '')} "
            f"| {median(rounds, 'one'):,.0f} | {median(rounds, 'two'):,.0f} |"
        )


if __name__ == "__main__":
    main()
