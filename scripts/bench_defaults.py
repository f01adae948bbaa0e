"""Which defaults make the best classifiers: a study of one change at a time, on seven sets.

    python -m scripts.bench_defaults data -o bench/defaults --settings base skipgram --seeds 1
    python -m scripts.bench_defaults data -o bench/defaults --table

The chain is that of README: whole words, vectors, the shallow CNN with a trainable table. The test
files are not read. The training texts are cut into ten folds by a hash of the text: with seed s,
fold s judges, fold s + 1 stops the training early, and the other eight are trained on. So what
judges a setting has not chosen its epoch, and each seed judges other texts. Figures are accuracy;
of `ru_ok_toxic`, where 85 % of the texts have one label, macro-F1.

Each cell (a setting, a set, a seed) is a file under `scripts/cells/defaults`, and is not computed
again while it holds the same options. A setting is compared with its own base over the cells that
both have: the mean difference, and its standard error over sets and seeds. Vectors stay under
OUTPUT.
"""

import argparse
import hashlib
import json
import multiprocessing
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import embzip
from embzip import Example, read_examples
from embzip.files.writing import write_bytes
from embzip.tokenizers.base import Tokenizer
from scripts.bench_texts import SETS, examples_file

BY_MACRO_F1 = ("ru_ok_toxic",)
CELLS = Path(__file__).parent / "cells" / "defaults"
FOLDS = 10
COMPRESSED = ("svd:32|int8", "svd|tcq:2", "svd|tcq:1")  # judged beside the float32 table


@dataclass(frozen=True)
class Setting:
    """Options of `build_words`, `train_vectors` and `tf.train`, and what they are compared with.

    `labelled` is the share of the training texts whose labels are used; words and vectors come from
    those texts alone, or from `all_texts`. `pool` is the batches whose texts are sorted by length
    together, where it is not the library's; with 1 they are random.
    """

    base: str
    vectors: Mapping[str, Any] = field(default_factory=dict)
    classifier: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    labelled: float = 1.0
    all_texts: bool = False
    pool: int | None = None


def changed(base: str, **parts: Mapping[str, Any]) -> Setting:
    """Return the setting `base` with other options in some parts."""
    of = SETTINGS[base]
    merged = {name: {**getattr(of, name), **options} for name, options in parts.items()}
    return Setting(
        base, **{**{n: getattr(of, n) for n in ("vectors", "classifier", "words")}, **merged}
    )


TODAY = Setting(
    "today",
    {"sg": False, "epochs": 5},
    {"epochs": 10, "patience": 2},
    {"min_count": 1},
)
SETTINGS: dict[str, Setting] = {"today": TODAY}
SETTINGS["sg-5"] = changed("today", vectors={"sg": True})
SETTINGS["sg-15"] = changed("today", vectors={"sg": True, "epochs": 15})
SETTINGS["sg-30"] = changed("today", vectors={"sg": True, "epochs": 30})
SETTINGS["cbow-30"] = changed("today", vectors={"epochs": 30})
SETTINGS["sg-15-window-10"] = changed("sg-15", vectors={"window": 10})
SETTINGS["sg-15-window-3"] = changed("sg-15", vectors={"window": 3})
SETTINGS["sg-15-negative-10"] = changed("sg-15", vectors={"negative": 10})
SETTINGS["sg-15-sample-1e-4"] = changed("sg-15", vectors={"sample": 1e-4})
SETTINGS["min-count-2"] = changed("sg-15", words={"min_count": 2})
SETTINGS["epochs-20"] = changed("sg-15", classifier={"epochs": 20, "patience": 4})
SETTINGS["decay"] = changed("sg-15", classifier={"decay": True, "patience": 10})
SETTINGS["token-dropout"] = changed("sg-15", classifier={"token_dropout": 0.1})
SETTINGS["label-smoothing"] = changed("sg-15", classifier={"label_smoothing": 0.1})
SETTINGS["average"] = changed("sg-15", classifier={"average": 0.5})
SETTINGS["batch-32"] = changed("sg-15", classifier={"batch_size": 32})
SETTINGS["rate-2e-3"] = changed("sg-15", classifier={"learning_rate": 2e-3})
SETTINGS["filters-256"] = changed("sg-15", classifier={"filters": 256})
SETTINGS["batch-32-epochs-20-decay"] = changed(
    "sg-15", classifier={"batch_size": 32, "epochs": 20, "patience": 20, "decay": True}
)
SETTINGS["rate-3e-3-decay"] = changed(
    "sg-15", classifier={"learning_rate": 3e-3, "decay": True, "patience": 10}
)
SETTINGS["ppmi"] = replace(SETTINGS["sg-15"], base="sg-15", vectors={"method": "ppmi"})
SETTINGS["ppmi-exponent-1"] = changed("ppmi", vectors={"exponent": 1})
SETTINGS["ppmi-window-2"] = changed("ppmi", vectors={"window": 2})
SETTINGS["ppmi-window-10"] = changed("ppmi", vectors={"window": 10})
SETTINGS["ppmi-min-count-2"] = changed("ppmi", words={"min_count": 2})
SETTINGS["ppmi-epochs-20"] = changed("ppmi", classifier={"epochs": 20, "patience": 4})
SETTINGS["ppmi-token-dropout"] = changed("ppmi", classifier={"token_dropout": 0.1})
SETTINGS["ppmi-label-smoothing"] = changed("ppmi", classifier={"label_smoothing": 0.1})
SETTINGS["ppmi-average"] = changed("ppmi", classifier={"average": 0.5})
SETTINGS["ppmi-filters-256"] = changed("ppmi", classifier={"filters": 256})
SETTINGS["ppmi-dropout-0.3"] = changed("ppmi", classifier={"dropout": 0.3})
SETTINGS["ppmi-adam"] = changed("ppmi", classifier={"optimizer": "adam"})
SETTINGS["bpe-sg-15"] = replace(SETTINGS["sg-15"], base="bpe-sg-15", words={"bpe": True})
SETTINGS["bpe-ppmi"] = replace(SETTINGS["ppmi"], base="bpe-sg-15", words={"bpe": True})
SETTINGS["random-batches"] = replace(SETTINGS["ppmi"], base="ppmi", pool=1)
SETTINGS["tenth"] = replace(SETTINGS["ppmi"], base="tenth", labelled=0.1)
SETTINGS["tenth-all-texts"] = replace(SETTINGS["tenth"], all_texts=True)
SETTINGS["adam"] = changed("sg-15", classifier={"optimizer": "adam"})


def main() -> None:
    """Compute cells, or print the table of those there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/train.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--workers", type=int, default=1, help="cells at a time")
    parser.add_argument("--table", action="store_true", help="compute nothing, print the table")
    arguments = parser.parse_args()
    if not arguments.table:
        context = multiprocessing.get_context("spawn")
        # A process a cell: TensorFlow does not give all memory back.
        with ProcessPoolExecutor(arguments.workers, context, max_tasks_per_child=1) as pool:
            asked = [
                pool.submit(cell, arguments.texts / name, setting, seed, arguments.output)
                for seed in arguments.seeds
                for setting in arguments.settings
                for name in arguments.sets
                if not done(setting, name, seed)
            ]
            for future in asked:
                print(future.result(), file=sys.stderr, flush=True)
    print(table())


def path_of(setting: str, name: str, seed: int) -> Path:
    """Return the file of a cell."""
    return CELLS / setting / f"{name}-{seed}.json"


def options_of(setting: str) -> dict[str, Any]:
    """Return what a cell's file must hold, so that it need not be computed again."""
    of = SETTINGS[setting]
    parts = ("words", "vectors", "classifier")
    options: dict[str, Any] = {name: dict(getattr(of, name)) for name in parts}
    if of.labelled < 1:
        options |= {"labelled": of.labelled, "all_texts": of.all_texts}
    if of.pool is not None:
        options["pool"] = of.pool
    return options


def done(setting: str, name: str, seed: int) -> bool:
    """Say whether a cell is there, and is of today's options."""
    path = path_of(setting, name, seed)
    return path.is_file() and json.loads(path.read_text())["options"] == options_of(setting)


def cell(folder: Path, setting: str, seed: int, output: Path) -> str:
    """Train and judge one classifier, write the cell, and return a line about it."""
    from embzip.tf import batches
    from embzip.tf import train as train_classifier

    options = SETTINGS[setting]
    batches.POOL = options.pool or batches.POOL
    folds = fold_examples(read_examples(examples_file(folder, "train")))
    judge, stop = folds[seed % FOLDS], folds[(seed + 1) % FOLDS]
    train = [e for i, fold in enumerate(folds) if (i - seed) % FOLDS > 1 for e in fold]
    labelled = train[: round(options.labelled * len(train))]
    texts = train if options.all_texts else labelled
    table, vector_seconds = vectors_of(texts, folder.name, options, seed, output)
    started = time.perf_counter()
    result = train_classifier(labelled, table, dev=stop, seed=seed, **options.classifier)
    seconds = time.perf_counter() - started
    known = [e for e in judge if e.label in result.classifier.labels]
    measured = "macro_f1" if folder.name in BY_MACRO_F1 else "accuracy"
    found = embzip.evaluate(result.classifier, known).to_json()
    embedding = replace(result.classifier.embedding, counts=table.counts)
    counted = replace(result.classifier, embedding=embedding)
    compressed = {
        codec: embzip.evaluate(embzip.rebuild(counted, codec=codec), known).to_json()[measured]
        for codec in COMPRESSED
    }
    record = {
        "options": options_of(setting),
        "figure": found[measured],
        "compressed": compressed,
        "texts": len(known),
        "stop_accuracy": [round(a, 5) for a in result.dev_accuracy],
        "best_epoch": result.run.best_epoch - 1,
        "epoch_seconds": [round(s, 2) for s in result.epoch_seconds],
        "seconds": round(seconds, 1),
        "vector_seconds": round(vector_seconds, 1),
    }
    path = path_of(setting, folder.name, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())
    return f"{setting:20} {folder.name:14} {seed}  {record['figure']:.4f}  {seconds:.0f} s"


def vectors_of(
    train: list[Example], name: str, setting: Setting, seed: int, output: Path
) -> tuple[Any, float]:
    """Return the vectors of a setting, which cells with equal options share, and their seconds."""
    parts = [name, len(train), seed, dict(setting.words), dict(setting.vectors)]
    key = json.dumps(parts, sort_keys=True)
    folder = output / "vectors" / hashlib.sha256(key.encode()).hexdigest()[:20]
    if not (folder / "seconds").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        texts = folder / "texts.txt"
        texts.write_text("".join(f"{example.text}\n" for example in train), "utf-8")
        started = time.perf_counter()
        words: Tokenizer = embzip.build_words(texts, min_count=1)
        if setting.words.get("bpe"):
            words = embzip.build_bpe(texts, vocab=min(30_000, len(words.vocabulary) // 3))
        elif setting.words != {"min_count": 1}:
            words = embzip.build_words(texts, **setting.words)
        given = {"method": "word2vec", **setting.vectors}
        vectors = embzip.train_vectors(texts, words, dim=300, seed=seed, **given)
        seconds = time.perf_counter() - started
        embzip.save(embzip.compress(vectors, "float32"), folder / "vectors.embz", counts=True)
        texts.unlink()
        (folder / "seconds").write_text(f"{seconds:.1f}")
    return embzip.load(folder / "vectors.embz"), float((folder / "seconds").read_text())


def fold_examples(examples: list[Example]) -> list[list[Example]]:
    """Return the folds; a text, with all its copies, is always in the same one."""
    folds: list[list[Example]] = [[] for _ in range(FOLDS)]
    for example in examples:
        digest = hashlib.sha256(example.text.encode("utf-8", "surrogatepass")).digest()
        folds[int.from_bytes(digest[:4], "big") % FOLDS].append(example)
    return folds


def table() -> str:
    """Return the table of all settings that have cells."""
    lines = [
        f"| setting | against | {' | '.join(SETS)} | mean gain | twice its standard error | cells "
        f"| s, vectors | s, classifier | as {COMPRESSED[-1].replace('|', chr(92) + '|')} |",
        f"|---|---|{'---|' * len(SETS)}---|---|---|---|---|---|",
    ]
    for setting, of in SETTINGS.items():
        cells, bases = cells_of(setting), cells_of(of.base)
        if not cells:
            continue
        gains = {
            key: 100 * (record["figure"] - bases[key]["figure"])
            for key, record in cells.items()
            if key in bases
        }
        by_set = [[gain for (name, _), gain in gains.items() if name == one] for one in SETS]
        if setting == of.base:
            figures = [[r["figure"] for (n, _), r in cells.items() if n == one] for one in SETS]
            shown = " | ".join(f"{np.mean(f):.4f}" if f else "" for f in figures)
            told = "| | "
        else:
            shown = " | ".join(f"{np.mean(gain):+.2f}" if gain else "" for gain in by_set)
            values = np.array(list(gains.values()))
            error = 2 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            told = f"{values.mean():+.2f} | {error:.2f} "
        seconds = [
            sum(record[name] for record in cells.values()) / len({s for _, s in cells})
            for name in ("vector_seconds", "seconds")
        ]
        coded = [r for r in cells.values() if "compressed" in r]
        lost = [100 * (r["compressed"][COMPRESSED[-1]] - r["figure"]) for r in coded]
        lines.append(
            f"| {setting} | {of.base if setting != of.base else ''} | {shown} | {told}"
            f"| {len(cells)} | {seconds[0]:.0f} | {seconds[1]:.0f} "
            f"| {f'{np.mean(lost):+.2f}' if lost else ''} |"
        )
    return "\n".join(lines)


def cells_of(setting: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the cells of a setting that hold today's options, by set and seed."""
    found = {}
    for path in sorted((CELLS / setting).glob("*.json")):
        name, _, seed = path.stem.rpartition("-")
        if done(setting, name, int(seed)):
            found[name, int(seed)] = json.loads(path.read_text())
    return found


if __name__ == "__main__":
    main()
