"""Labelled texts that benchmarks read: a folder a set, `NAME/{train,test[,dev]}.tsv.xz`."""

import sys
from pathlib import Path

from embzip import Example, read_examples
from embzip.labelled.splits import split_examples

SETS = ("ru_avito", "ru_ok_toxic", "tagmynews", "debian-topic", "r8", "trec", "clinc150")


def examples_file(folder: Path, part: str) -> Path:
    """Return a data set's file of a part, train, dev or test; ends the program without one."""
    found = sorted(folder.glob(f"{part}.tsv*"))
    if not found:
        sys.exit(f"{folder}: no {part}.tsv, {part}.tsv.xz or {part}.tsv.gz there")
    return found[0]


def train_and_dev(folder: Path) -> tuple[list[Example], list[Example]]:
    """Return training and dev examples; without a dev file a tenth of train is held out."""
    train = read_examples(examples_file(folder, "train"))
    dev = sorted(folder.glob("dev.tsv*"))
    return (train, read_examples(dev[0])) if dev else split_examples(train)
