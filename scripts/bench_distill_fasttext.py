"""fastText for `scripts.bench_distill`: its best quantized model of at most a size, chosen on dev.

It reads the words that the teacher reads. First, for each of three widths, with and
without pairs of words, learning rates compete by successive halving: four of them for 5 epochs, the
better two for 25, the best one for 75; what was best on dev goes on (so there is a model of each
width). Then each is quantized with the `cutoff` that fills the size; the best three with
`retrain`, `qnorm` and both as well. Each training runs in a process of its own, and may fail; how
many did, a cell says. The chosen model is read once on test.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import embzip
from embzip import Example
from scripts.bench_distill_cells import FIGURES, LONG, Task, told

DIMS, NGRAMS = (8, 16, 32), (1, 2)
RATES = (0.1, 0.25, 0.5, 1.0)
RUNGS = ((5, 4), (25, 2), (75, 1))  # epochs, and how many learning rates are left
BUCKETS = 500_000  # of pairs of words
QUANTIZED = 3  # models that are also retrained, and coded with norms apart
_SECONDS = 900  # after which a training has failed
Model = dict[str, Any]


def fasttext_full(task: Task) -> dict[str, Any]:
    """Return the record of the best model that is not quantized."""
    models = trained(task)
    if not models:
        return {"none": "every training failed"}
    best = max(models, key=_dev)
    found = _child(_place(task), best, "test")
    if found is None:
        return {"none": "the chosen model could not be read"}
    known = {name: best[name] for name in ("dim", "ngrams", "lr", "epochs", "bytes")}
    tally = json.loads((_place(task) / "tally.json").read_text())
    return {**known, "dev": best["dev"], **tally, **_told(found, task.test())}


def fasttext(task: Task, nbytes: int) -> dict[str, Any]:
    """Return the record of the best quantized model of at most so many bytes."""
    started = time.perf_counter()
    _, dev = task.parts()
    first = [_quantized(task, model, nbytes, dev, False, False) for model in trained(task)]
    best = sorted((each for each in first if each and "cutoff" in each), key=_dev, reverse=True)
    more = [
        _quantized(task, each["model"], nbytes, dev, retrain, qnorm)
        for each in best[:QUANTIZED]
        for retrain, qnorm in ((True, False), (False, True), (True, True))
    ]
    failed = (first + more).count(None)
    found = [each for each in first + more if each and "cutoff" in each]
    if not found:
        none = "none so small" if not failed else "none, of those that did not fail, so small"
        return {"none": none, "failed": failed}
    chosen = max(found, key=_dev)
    best_model, options = chosen["model"], chosen["options"]
    answers = _child(_place(task), best_model, "test", most=nbytes, quantize=options)
    if answers is None or "bytes" not in answers:
        return {"none": "the chosen model could not be made again", "failed": failed}
    return {
        "bytes": answers["bytes"],
        **{name: best_model[name] for name in ("dim", "ngrams", "lr", "epochs")},
        "cutoff": answers["cutoff"],
        **options,
        "dev": chosen["dev"],
        "tried": len(found),
        "failed": failed,
        "seconds": round(time.perf_counter() - started, 1),
        **_told(answers, task.test()),
    }


def trained(task: Task) -> list[Model]:
    """Return the best model of each width and length of n-grams, trained once for all sizes."""
    place = _place(task)
    kept = place / "models.json"
    if kept.is_file():
        models: list[Model] = json.loads(kept.read_text())
        return models
    tokenizer = embzip.build_words(task.path("train"), labelled=True, min_count=1)
    train, dev = task.parts()
    for side, examples in (("train", train), ("dev", dev), ("test", task.test())):
        ids = [each[: LONG.get(task.data)] for each in tokenizer.encode([e.text for e in examples])]
        lines = zip(examples, map(tokenizer.decode, ids), strict=True)
        made = [f"__label__{label_of(example)} {words}\n" for example, words in lines]
        (place / f"{side}.txt").write_text("".join(made), "utf-8")
    started, tried, failed = time.perf_counter(), 0, 0
    best: list[Model] = []
    for dim, ngrams in product(DIMS, NGRAMS):
        rates: Sequence[float] = RATES
        group: list[Model] = []
        for epochs, left in RUNGS:
            rung: list[Model] = []
            for rate in rates[:left]:
                name = f"{dim}-{ngrams}-{rate}-{epochs}.bin"
                model = {"dim": dim, "ngrams": ngrams, "lr": rate, "epochs": epochs, "file": name}
                tried += 1
                if (found := _child(place, model, "dev", train=True, seed=task.seed)) is None:
                    failed += 1
                    continue
                figure = _figure(found, dev, task.data)
                rung.append({**model, "bytes": found["bytes"], "dev": figure})
            group += rung
            rates = [each["lr"] for each in sorted(rung, key=_dev, reverse=True)]
        group.sort(key=_dev, reverse=True)
        best += group[:1]
        for each in group[1:]:
            (place / each["file"]).unlink()
    seconds = round(time.perf_counter() - started, 1)
    tally = {"tried": tried, "failed": failed, "seconds": seconds}
    (place / "tally.json").write_text(json.dumps(tally))
    kept.write_text(json.dumps(best))
    return best


def _quantized(
    task: Task, model: Model, nbytes: int, dev: Sequence[Example], retrain: bool, qnorm: bool
) -> Model | None:
    """Return a model with as many rows as the size allows, and what it predicts for dev.

    It has no `cutoff` where not even the fewest rows fit; None where fastText failed.
    """
    options = {"retrain": retrain, "qnorm": qnorm}
    found = _child(_place(task), model, "dev", most=nbytes, quantize=options)
    if found is None or found.get("bytes", 0) > nbytes:
        return None
    known = {"model": model, "options": options}
    if "none" in found:
        return known
    return {**known, "cutoff": found["cutoff"], "dev": _figure(found, dev, task.data)}


def _child(
    place: Path,
    model: Model,
    side: str,
    *,
    quantize: dict[str, Any] | None = None,
    most: int = 0,
    train: bool = False,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Train, quantize or only read a model in a fresh process; None where that fails."""
    saved = model["file"] if train else "read.bin"
    job: dict[str, Any] = {"save": saved, "texts": f"{side}.txt"}
    options = {"lr": model["lr"], "epoch": model["epochs"]}
    if train:
        several = {"wordNgrams": model["ngrams"], "bucket": BUCKETS if model["ngrams"] > 1 else 0}
        job["train"] = {"input": "train.txt", "dim": model["dim"], "seed": seed, **options}
        job["train"] |= several
    else:
        job["model"] = model["file"]
    if quantize is not None:
        job |= {"most": most, "quantize": {"input": "train.txt", **options, **quantize}}
    child = Path(__file__).with_name("bench_distill_fasttext_child.py").resolve()
    try:
        done = subprocess.run(
            [sys.executable, str(child)], input=json.dumps(job), cwd=place, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_SECONDS, check=True,
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _dev(model: Model) -> float:
    return float(model["dev"])


def label_of(example: Example) -> str:
    """Return a label as fastText reads it: without spaces."""
    return "_".join(example.label.split())


def _told(found: dict[str, Any], examples: Sequence[Example]) -> dict[str, Any]:
    return told(found["predicted"], [Example(text=e.text, label=label_of(e)) for e in examples])


def _figure(found: dict[str, Any], examples: Sequence[Example], data: str) -> float:
    return float(_told(found, examples)[FIGURES.get(data, "accuracy")])


def _place(task: Task) -> Path:
    place = task.folder / "fasttext"
    place.mkdir(exist_ok=True)
    return place
