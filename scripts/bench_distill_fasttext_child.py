"""One training or quantization of fastText, alone in a process; for `bench_distill_fasttext`.

Reads a job as JSON from standard input. fastText can abort, raises at times that it met NaN, and
in any second training of a process after it has quantized.
"""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

# With less than ten threads, fastText leaves a part of the rows as memory was (its issue 1061).
THREADS = 12  # its default
LEAST_ROWS = 256  # its product quantizer takes no fewer


def main() -> None:
    """Do the job, and print its bytes, its seconds and what it predicts for each line."""
    job: dict[str, Any] = json.load(sys.stdin)
    fasttext = import_module("fasttext")
    started = time.perf_counter()
    found: dict[str, Any] = {}
    if "train" in job:
        model = fasttext.train_supervised(thread=THREADS, verbose=0, **job["train"])
    else:
        model = fasttext.load_model(job["model"])
    if "quantize" in job:
        options = job["quantize"]
        found["cutoff"] = largest_cutoff(model, job["most"], options["qnorm"])
        if found["cutoff"] < LEAST_ROWS:
            print(json.dumps({"none": f"{LEAST_ROWS} rows take more"}))
            return
        # One thread, so that what is chosen on dev can be made again.
        model.quantize(thread=1, verbose=0, cutoff=found["cutoff"], **options)
    model.save_model(job["save"])
    found |= {"bytes": os.path.getsize(job["save"]), "seconds": time.perf_counter() - started}
    lines = Path(job["texts"]).read_text("utf-8").splitlines()
    best, _ = model.predict([line.partition(" ")[2] for line in lines])
    predicted = [labels[0].removeprefix("__label__") if labels else "" for labels in best]
    print(json.dumps({**found, "predicted": predicted}))


def largest_cutoff(model: Any, most: int, qnorm: bool) -> int:
    """Return how many rows a quantized file of at most so many bytes holds, those of large norm."""
    matrix = np.asarray(model.get_input_matrix())
    words, labels = model.get_words(), model.get_labels()
    order = np.argsort(-np.linalg.norm(matrix, axis=1), kind="stable")
    if "</s>" in words:  # is always kept, and first
        end = words.index("</s>")
        order = np.concatenate([[end], order[order != end]])
    # A word's string and its end, count and type; a pair's place.
    of_row = np.full(len(matrix), 8)
    of_row[: len(words)] = [len(word.encode()) + 10 for word in words]
    dim = matrix.shape[1]
    rows = np.cumsum(of_row[order] + dim // 2 + qnorm)
    fixed = 152 + sum(len(label.encode()) + 10 + 4 * dim for label in labels) + 4 * 256 * dim
    fixed += qnorm * (16 + 4 * 256)
    return int(np.searchsorted(fixed + rows, most, side="right"))


if __name__ == "__main__":
    main()
