"""The processes of `scripts.bench_serving`: each serves one file, and imports no more than that.

A runner imports what it needs, and returns what loads the file; that returns what predicts texts.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

BATCH, CALLS, SECONDS = 64, 300, 6.0
Predict = Callable[[Sequence[str]], Any]


def own(path: str, folder: str) -> Callable[[], Predict]:
    """A .embz by NumPy or a .tflite by LiteRT, as users load them."""
    from embzip import load_model

    return lambda: load_model(path).predict


def fasttext(path: str, folder: str) -> Callable[[], Predict]:
    """A fastText model."""
    import fasttext

    def load() -> Predict:
        model = fasttext.load_model(path)
        return lambda texts: model.predict(list(texts))

    return load


def fasttext_bare(path: str, folder: str) -> Callable[[], Predict]:
    """A fastText model's C++, as near as Python comes to it: one text, no arrays."""
    import fasttext

    def load() -> Predict:
        model = fasttext.load_model(path)
        answer = model.f.predict
        return lambda texts: [answer(text + "\n", 1, 0.0, "strict") for text in texts]

    return load


def _padding(tokenizer: Any) -> Callable[[Sequence[str]], Any]:
    """Return texts -> padded ids, for formats that carry no tokenizer."""
    import numpy as np

    def padded(texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), 50), np.int32)
        for row, ids in zip(rows, tokenizer.encode(texts), strict=True):
            row[: len(ids)] = ids[:50]
        return rows

    return padded


def _words(folder: str) -> Callable[[Sequence[str]], Any]:
    from embzip import load_tokenizer

    return _padding(load_tokenizer(Path(folder, "all.words.tsv")))


def _keras(path: str) -> Any:
    from embzip.classifier import load_classifier
    from embzip.tf import from_classifier

    classifier = load_classifier(path)
    return from_classifier(classifier), _padding(classifier.tokenizer)


def keras_predict(path: str, folder: str) -> Callable[[], Predict]:
    """`model.predict`."""
    import embzip.tf  # noqa: F401

    def load() -> Predict:
        model, padded = _keras(path)
        return lambda texts: model.predict(padded(texts), verbose=0)

    return load


def keras_call(path: str, folder: str) -> Callable[[], Predict]:
    """`model(ids)`."""
    import embzip.tf  # noqa: F401

    def load() -> Predict:
        model, padded = _keras(path)
        return lambda texts: model(padded(texts)).numpy()

    return load


def tf_function(path: str, folder: str) -> Callable[[], Predict]:
    """The model in a tf.function."""
    import tensorflow as tf

    import embzip.tf  # noqa: F401

    def load() -> Predict:
        model, padded = _keras(path)
        signature = [tf.TensorSpec((None, None), tf.int32)]
        function = tf.function(lambda ids: model(ids), input_signature=signature)
        return lambda texts: function(tf.constant(padded(texts))).numpy()

    return load


def savedmodel(path: str, folder: str) -> Callable[[], Predict]:
    """A SavedModel's signature."""
    import tensorflow as tf

    def load() -> Predict:
        model, padded = tf.saved_model.load(path), _words(folder)
        serve = model.signatures["serving_default"]  # which lives as long as the model does
        return lambda texts: (model, serve(ids=tf.constant(padded(texts))))[1]

    return load


def frozen(path: str, folder: str) -> Callable[[], Predict]:
    """A frozen graph in a session of tf.compat.v1."""
    import tensorflow as tf

    def load() -> Predict:
        definition = tf.compat.v1.GraphDef.FromString(Path(path).read_bytes())
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(definition, name="")
        session, padded = tf.compat.v1.Session(graph=graph), _words(folder)
        run = session.make_callable("probabilities:0", feed_list=["ids:0"])
        return lambda texts: run(padded(texts))

    return load


RUNNERS = (own, fasttext, fasttext_bare, keras_predict, keras_call, tf_function, savedmodel, frozen)


def measure(started: float, runner: str, path: str, folder: str) -> dict[str, float]:
    """Load a file, time its predictions; `cold` is from the process' start to the first label."""
    load = next(made for made in RUNNERS if made.__name__ == runner)(path, folder)
    text = json.loads(Path(folder, "text.json").read_text())
    figures = {"mb_import": _mb("VmRSS")}
    before = time.perf_counter()
    predict = load()
    loaded = time.perf_counter()
    figures["mb_load"] = _mb("VmRSS")
    again = time.perf_counter()
    predict(text)
    figures |= {"load": loaded - before, "first": 1000 * (time.perf_counter() - again)}
    figures |= {"cold": time.time() - started, "mb_first": _mb("VmRSS")}
    texts = json.loads(Path(folder, "texts.json").read_text())
    # Batches first: what is met for the first time is no part of how long a text takes.
    return figures | _speeds(predict, texts) | _latency(predict, texts) | {"mb_peak": _mb("VmHWM")}


def _latency(predict: Predict, texts: Sequence[str]) -> dict[str, float]:
    """Return milliseconds of one text: of `CALLS`, or of as many as `SECONDS` allow."""
    taken: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(taken) < CALLS and time.perf_counter() < end:
        before = time.perf_counter()
        predict(texts[len(taken) % len(texts) :][:1])
        taken.append(1000 * (time.perf_counter() - before))
    taken.sort()
    return {"p50": taken[len(taken) // 2], "p99": taken[int(0.99 * len(taken))]}


def _speeds(predict: Predict, texts: Sequence[str]) -> dict[str, float]:
    """Return texts a second in batches of `BATCH`, called from one thread and from two."""
    from concurrent.futures import ThreadPoolExecutor

    batches = [texts[at : at + BATCH] for at in range(0, len(texts) - BATCH + 1, BATCH)]
    speeds = []
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(predict, batches[:threads]))
            before = time.perf_counter()
            list(pool.map(predict, batches))
            speeds.append(BATCH * len(batches) / (time.perf_counter() - before))
    return dict(zip(("one", "two"), speeds, strict=True))


def train_fasttext(source: str, dim: str, folder: str) -> dict[str, float]:
    """Write a fastText model; in a process without TensorFlow, beside which it ended in NaN."""
    import fasttext

    from embzip import read_examples

    lines = [f"__label__{e.label.replace(' ', '-')} {e.text}" for e in read_examples(source)]
    texts = Path(folder, "train.txt")
    texts.write_text("\n".join(lines))
    model = fasttext.train_supervised(str(texts), dim=int(dim), thread=1, verbose=0)
    model.save_model(str(Path(folder, "fasttext.bin")))
    return {}


def several(kind: str, count: str, folder: str) -> dict[str, float]:
    """Hold some models at once, as separate files or as a kit, each having predicted."""
    from embzip import load_model

    text = json.loads(Path(folder, "text.json").read_text())
    file = Path(folder, kind)
    if file.stem == "kit":
        paths = [file.with_name(f"kit-{count}{file.suffix}")]
    else:
        paths = [file.with_name(f"copy-{index}{file.suffix}") for index in range(int(count))]
        for path in paths:
            path.write_bytes(file.read_bytes())
    held = [load_model(path, mmap=file.stem == "kit") for path in paths]
    for model in held:
        model.predict(text)
    return {"mb": _mb("VmRSS")}


def _mb(field: str) -> float:
    """Return resident memory, VmRSS, or its peak, VmHWM, in 10^6 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(field)) * 1024 / 1e6


def main(started: str, what: str, *arguments: str) -> None:
    """Do what the parent asks for, and print one JSON object."""
    if what == "nothing":
        figures = {"cold": time.time() - float(started), "mb": _mb("VmRSS")}
    elif what == "make":
        from scripts.bench_serving_files import make

        figures = make(*arguments)
    elif what == "fasttext":
        figures = train_fasttext(*arguments)
    elif what == "several":
        figures = several(*arguments)
    else:
        figures = measure(float(started), *arguments)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
