"""The processes of `scripts.bench_serving`: one makes the files, each other serves one of them."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Predict = Callable[[Sequence[str]], Any]


def make(data: str, rows: str, codec: str, folder: str) -> None:
    """Write every format of the original and of the rebuilt classifier."""
    import numpy as np
    import tensorflow as tf

    from embzip import Classifier, CnnConfig, Vectors, build_words, compress, read_examples, rebuild
    from embzip.classifier import head_shapes
    from embzip.litert.attachment import attach
    from embzip.tf.export import export
    from embzip.tf.export.graph import as_is, constant, serving_function
    from embzip.tf.export.litert import attachment_of
    from embzip.tokenizers import WordTokenizer
    from scripts.bench_serving import LENGTH, WIDTH

    root = Path(folder)
    source = Path(data) / "train.tsv.xz"
    counted = build_words(source, root / "corpus.words.tsv", labelled=True)
    known = list(counted.vocabulary)[2:]
    made = (f"madeup{index}" for index in range(int(rows)))
    words = sorted({*known, *made})
    keep = set(known)
    spare = len(words) - (int(rows) - 2)
    words = [w for w in words if w in keep or (spare := spare - 1) < 0]
    tokenizer = WordTokenizer(words, counted.normalization)
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((len(words) + 2, WIDTH), np.float32)
    matrix[0] = 0
    labels = tuple(sorted({example.label for example in read_examples(source)}))
    config = CnnConfig(columns=WIDTH, max_length=LENGTH)
    arrays = {
        name: rng.normal(0, 0.05, shape).astype(np.float32)
        for name, shape in head_shapes(config, len(labels)).items()
    }
    table = compress(Vectors(tokenizer.vocabulary, matrix, tokenizer=tokenizer), "float32")
    original = Classifier(table, labels, config, arrays)
    original.save(root / "original.embz")
    texts = [" ".join(rng.choice(known, LENGTH).tolist()) for _ in range(1024)]
    (root / "texts.json").write_text(json.dumps(texts))
    export(original, root / "original.savedmodel", to="savedmodel")
    export(original, root / "original.pb", to="frozen")
    export(original, root / "original.tflite")
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serving_function(original, as_is, constant)], tf.Module()
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    dynamic = attach(converter.convert(), attachment_of(original))
    (root / "dynamic.tflite").write_bytes(dynamic)
    small = rebuild(original, codec=codec)
    small.save(root / "small.embz")
    formats = {
        "Keras predict": ("keras_predict", "original.embz"),
        "Keras call": ("keras_call", "original.embz"),
        "tf.function": ("tf_function", "original.embz"),
        "SavedModel": ("savedmodel", "original.savedmodel"),
        "frozen": ("frozen", "original.pb"),
        "LiteRT float": ("own", "original.tflite"),
        "LiteRT dynamic-range": ("own", "dynamic.tflite"),
        "original .embz": ("own", "original.embz"),
        "embzip .embz": ("own", "small.embz"),
    }
    for weights, label in (("float32", ""), ("float16", ", float16"), ("int8", ", int8")):
        export(small, root / f"small-{weights}.tflite", weights=weights)
        formats[f"embzip .tflite{label}"] = ("own", f"small-{weights}.tflite")
    export(small, root / "small-compute.tflite", calibrate=texts[:200])
    formats["embzip .tflite, int8 arithmetic"] = ("own", "small-compute.tflite")
    try:
        import fasttext
    except ImportError:
        print("fastText is left out: `uv sync --group bench`", file=sys.stderr)
    else:
        lines = [f"__label__{e.label.replace(' ', '-')} {e.text}" for e in read_examples(source)]
        (root / "train.txt").write_text("\n".join(lines))
        model = fasttext.train_supervised(str(root / "train.txt"), dim=WIDTH, verbose=0)
        model.save_model(str(root / "fasttext.bin"))
        formats["fastText"] = ("fasttext", "fasttext.bin")
    (root / "formats.json").write_text(json.dumps(formats))


def own(path: str, folder: str) -> Callable[[], Predict]:
    """A .embz by NumPy or a .tflite by LiteRT, as users load them."""
    import embzip

    return lambda: embzip.Classifier.load(path).predict


def fasttext(path: str, folder: str) -> Callable[[], Predict]:
    """A fastText model."""
    import fasttext

    return lambda: fasttext.load_model(path).predict


def _ids(folder: str) -> Callable[[Sequence[str]], Any]:
    """Return texts -> padded ids, for formats that carry no tokenizer."""
    import numpy as np

    from embzip import load_tokenizer
    from scripts.bench_serving import LENGTH

    tokenizer = load_tokenizer(Path(folder, "corpus.words.tsv"))

    def padded(texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), LENGTH), np.int32)
        for row, ids in zip(rows, tokenizer.encode(texts), strict=True):
            row[: len(ids)] = ids[:LENGTH]
        return rows

    return padded


def _keras(path: str) -> Any:
    from embzip.classifier import load_classifier
    from embzip.tf import from_classifier

    return from_classifier(load_classifier(path))


def keras_predict(path: str, folder: str) -> Callable[[], Predict]:
    """`model.predict`."""
    import embzip.tf  # noqa: F401

    def load() -> Predict:
        model, padded = _keras(path), _ids(folder)
        return lambda texts: model.predict(padded(texts), verbose=0)

    return load


def keras_call(path: str, folder: str) -> Callable[[], Predict]:
    """`model(ids)`."""
    import embzip.tf  # noqa: F401

    def load() -> Predict:
        model, padded = _keras(path), _ids(folder)
        return lambda texts: model(padded(texts)).numpy()

    return load


def tf_function(path: str, folder: str) -> Callable[[], Predict]:
    """The model in a tf.function."""
    import tensorflow as tf

    import embzip.tf  # noqa: F401

    def load() -> Predict:
        model, padded = _keras(path), _ids(folder)
        signature = [tf.TensorSpec((None, None), tf.int32)]
        function = tf.function(lambda ids: model(ids), input_signature=signature)
        return lambda texts: function(tf.constant(padded(texts))).numpy()

    return load


def savedmodel(path: str, folder: str) -> Callable[[], Predict]:
    """A SavedModel's signature."""
    import tensorflow as tf

    def load() -> Predict:
        model, padded = tf.saved_model.load(path), _ids(folder)
        serve = model.signatures["serving_default"]
        return lambda texts: (serve(ids=tf.constant(padded(texts))), model)[0]

    return load


def frozen(path: str, folder: str) -> Callable[[], Predict]:
    """A frozen graph in a session of tf.compat.v1."""
    import tensorflow as tf

    def load() -> Predict:
        definition = tf.compat.v1.GraphDef.FromString(Path(path).read_bytes())
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(definition, name="")
        session, padded = tf.compat.v1.Session(graph=graph), _ids(folder)
        run = session.make_callable("probabilities:0", feed_list=["ids:0"])
        return lambda texts: run(padded(texts))

    return load


RUNNERS = (own, fasttext, keras_predict, keras_call, tf_function, savedmodel, frozen)


def main(what: str, *arguments: str) -> None:
    """Do what the parent asks for, and print one JSON object."""
    if what == "nothing":
        return
    if what == "make":
        make(*arguments)
        return
    from embzip.measure import resident_mb

    if what == "several":
        path, count, folder = arguments
        text = json.loads(Path(folder, "texts.json").read_text())[:1]
        kept = []
        for index in range(int(count)):
            copy = Path(folder, f"copy-{index}{Path(path).suffix}")
            copy.write_bytes(Path(path).read_bytes())
            kept.append(own(str(copy), folder)())
            kept[-1](text)
        print(json.dumps({"mb": resident_mb()}))
        return
    runner, path, folder = arguments
    texts = json.loads(Path(folder, "texts.json").read_text())
    load = next(made for made in RUNNERS if made.__name__ == runner)(path, folder)
    if what == "first":
        load()(texts[:1])
        return
    from scripts.bench_serving import measured

    print(json.dumps(measured(load, texts, resident_mb())))


if __name__ == "__main__":
    main(*sys.argv[1:])
