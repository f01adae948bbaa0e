"""Whether exported C and JavaScript read and answer real lines as NumPy does.

    python -m scripts.check_anywhere bench/distill/tagmynews-0/student.embz data/* --big-endian

Lines are those of all train.tsv.xz, one data set after another in turn. Each is tokenized and
classified in Python, in C under -O3 and in Node; every difference of ids counts, and the largest
one of a probability. With --big-endian, C is compiled for s390x too, whose numbers have their
highest byte first, and run by qemu: `apt-get install gcc-s390x-linux-gnu libc6-dev-s390x-cross
qemu-user`.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import chain, islice, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from embzip.artefacts import export
from embzip.classifier import load_classifier
from embzip.corpus import read_examples
from scripts.anywhere import BIG_ENDIAN, Answers, c_answers, compiled, js_answers, program

_AT_ONCE = 10_000


def lines_of(folders: list[Path]) -> Iterator[str]:
    """Yield the texts of data sets in turn."""
    every = [
        [each.text for each in read_examples(folder / "train.tsv.xz", checked=True)]
        for folder in folders
        if (folder / "train.tsv.xz").is_file()
    ]
    for texts in zip_longest(*every):
        yield from filter(None, texts)


def main() -> None:
    """Compare, print Markdown, and exit with 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, nargs="+", help="folders with train.tsv.xz")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--big-endian", action="store_true")
    given = parser.parse_args()
    model = load_classifier(given.model)
    lines = list(islice(lines_of(given.data), given.texts))
    differing: dict[str, int] = {}
    largest: dict[str, float] = {}
    with TemporaryDirectory(prefix="embzip-anywhere-") as folder:
        made = compiled(export(model, Path(folder, "m.c"), to="c").path, "-O3")
        if given.big_endian:
            compiler, emulator = BIG_ENDIAN
            source = export(model, Path(folder, "big.c"), to="c").path
            big = compiled(source, "-O3", "-static", compiler=compiler)
            runner = [program(emulator)]
        module = export(model, Path(folder, "m.mjs"), to="javascript").path
        for first in range(0, len(lines), _AT_ONCE):
            texts = lines[first : first + _AT_ONCE]
            ids, expected = model.tokenizer.encode(texts), model.probabilities(texts)
            coded = [text.encode() for text in texts]
            found: dict[str, Answers] = {
                "C": c_answers(made, coded, len(model.labels)),
                "JavaScript": js_answers(module, texts),
            }
            if given.big_endian:
                found["C, big-endian"] = c_answers(
                    big, coded, len(model.labels), runner=runner, order=">"
                )
            for name, each in found.items():
                pairs = zip(each.ids, ids, strict=True)
                other = sum(mine != theirs for mine, theirs in pairs)
                differing[name] = differing.get(name, 0) + other
                worst = float(np.abs(each.probabilities - expected).max())
                largest[name] = max(largest.get(name, 0), worst)
    print(
        "| language | texts | other ids | largest difference of a probability |\n|---|---|---|---|"
    )
    for name, count in differing.items():
        print(f"| {name} | {len(lines):,} | {count:,} | {largest[name]:.2g} |")
    if any(differing.values()) or not max(chain(largest.values())) < 1e-5:
        sys.exit(1)


if __name__ == "__main__":
    main()
