"""What `scripts.bench_distill` puts beside a student: a codec alone, and the mean of rows.

Both are chosen on dev among those whose file is at most so large.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

import embzip
from embzip import Classifier
from embzip.classifier.student_shape import StudentShape
from embzip.evaluation.accuracy import mean_kl
from scripts.bench_distill_cells import SIZES, Task
from scripts.bench_distill_shapes import fitting

RANKS = (8, 16, 32, 64, 128)
BITS = (1, 2, 3, 4)
KERNELS = ("int4", "int8")
MEANS = ((16, "svd|tcq:2"), (32, "svd|tcq:2"), (64, "svd|tcq:1"))  # columns, codec
_RATE = 1e-2  # of learning: with the 1e-3 of a CNN, the mean of rows is not done in 8 epochs
_FIRST_EPOCHS = 1  # of the training by which the shape of a mean is chosen
_PACKED_AT_BEST = 0.7  # of the codes' bytes

Found = tuple[Classifier | None, dict[str, Any]]


def codec(task: Task, taught: Classifier, nbytes: int) -> Found:
    """Return the teacher over the codec that is nearest to it on dev, and what is known of it."""
    tried = _grid(task, taught)
    fitting = [each for each in tried if each["bytes"] <= nbytes]
    if not fitting:
        least = min(each["bytes"] for each in tried)
        return None, {"none": f"none so small: the smallest takes {least:,} bytes"}
    best = min(fitting, key=lambda each: each["dev_kl"])
    record = {"codec": best["codec"], "kernels": best["kernels"], "dev_kl": best["dev_kl"]}
    return _rebuilt(taught, best["codec"], best["kernels"], task.seed), record


def _grid(task: Task, taught: Classifier) -> list[dict[str, Any]]:
    """Return the bytes and the KL on dev of every codec; all sizes choose among them."""
    kept = task.folder / "codecs.json"
    if kept.is_file():
        grid: list[dict[str, Any]] = json.loads(kept.read_text())
        return grid
    _, dev = task.parts()
    texts = [example.text for example in dev]
    answers = taught.probabilities(texts)
    most = 1000 * max(int(size.removesuffix("KB")) for size in SIZES)
    file = task.folder / "codec.embz"
    tried: list[dict[str, Any]] = []
    for rank, bits in product(RANKS, BITS):
        codes = taught.embedding.rows * rank * bits // 8
        if tried and codes * _PACKED_AT_BEST > most:
            continue  # no size asks for it
        name = f"svd:{rank}|tcq:{bits}"
        coded = embzip.rebuild(taught, codec=name, seed=task.seed)
        for kernels in KERNELS:
            small = embzip.rebuild(coded, kernels=kernels)
            small.save(file, pack=True)
            kl = mean_kl(answers, small.probabilities(texts))
            size = file.stat().st_size
            tried.append({"codec": name, "kernels": kernels, "bytes": size, "dev_kl": kl})
    file.unlink()
    kept.write_text(json.dumps(tried))
    return tried


def _rebuilt(taught: Classifier, codec: str, kernels: str, seed: int) -> Classifier:
    return embzip.rebuild(embzip.rebuild(taught, codec=codec, seed=seed), kernels=kernels)


def mean(
    task: Task, taught: Classifier, asked: Sequence[Classifier], share: float, nbytes: int
) -> Found:
    """Distil the mean of rows: some shapes shortly, the best on dev wholly.

    Each shape has as many rows as fit.
    """
    from embzip import tf

    started = time.perf_counter()
    train, _ = task.parts()
    ids = taught.encode([example.text for example in train])
    plain = [StudentShape(dim=dim, encoder="mean", codec=name) for dim, name in MEANS]
    shapes = [shape for each in plain if (shape := fitting(taught, ids, each, nbytes))]
    if not shapes:
        return None, {"none": "none so small"}

    def distilled(shape: StudentShape, **options: Any) -> tf.DistillResult:
        return tf.distill(
            taught,
            task.examples(),
            shape=shape,
            fold_teachers=asked,
            fold_share=share,
            seed=task.seed,
            learning_rate=_RATE,
            **options,
        )

    tried = [distilled(shape, epochs=_FIRST_EPOCHS).student.accuracy for shape in shapes]
    best = shapes[int(np.argmax(tried))]
    result = distilled(best)
    return result.classifier, {
        "seconds": round(time.perf_counter() - started, 1),
        "shape": asdict(best),
        "tried": len(tried),
        "dev_accuracy": result.student.accuracy,
        "dev_kl": result.student.kl,
    }
