"""The files that `scripts.bench_serving` measures: one classifier in each format, and kits."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from embzip import (
    Classifier,
    CnnConfig,
    Kit,
    Vectors,
    build_words,
    compress,
    read_examples,
    rebuild,
)
from embzip.classifier import head_shapes
from embzip.litert.attachment import attach
from embzip.tf.export import export
from embzip.tf.export.graph import as_is, constant, serving_function
from embzip.tf.export.litert import attachment_of
from embzip.tokenizers import WordTokenizer

WIDTH, LENGTH, TEXTS = 300, 50, 1024
KITS = (1, 2, 4, 8)


def make(data: str, rows: str, codec: str, folder: str) -> dict[str, float]:
    """Write everything to a folder, with what runs each in formats.json; return a head's MB."""
    root = Path(folder)
    source = Path(data) / "train.tsv.xz"
    rng = np.random.default_rng(0)
    original = _original(source, int(rows), root, rng)
    original.save(root / "original.embz")
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
        "embzip .tflite": ("own", "small.tflite"),
        "embzip .tflite, float16": ("own", "small-float16.tflite"),
        "embzip .tflite, int8": ("own", "small-int8.tflite"),
        "embzip .tflite, int8 arithmetic": ("own", "small-compute.tflite"),
    }
    export(small, root / "small.tflite")
    export(small, root / "small-float16.tflite", weights="float16")
    export(small, root / "small-int8.tflite", weights="int8")
    texts = json.loads((root / "texts.json").read_text())
    export(small, root / "small-compute.tflite", calibrate=texts[:200])
    for count in KITS:
        heads = {f"head{index}": _other(small, rng) for index in range(count)}
        kit = Kit.of(heads)
        kit.save(root / f"kit-{count}.embz")
        export(kit, root / f"kit-{count}.tflite")
    if _fasttext(source, root):
        formats["fastText"] = ("fasttext", "fasttext.bin")
    (root / "formats.json").write_text(json.dumps(formats))
    return {"head_mb": sum(array.nbytes for array in small.arrays.values()) / 1e6}


def _original(source: Path, rows: int, root: Path, rng: np.random.Generator) -> Classifier:
    counted = build_words(source, root / "corpus.words.tsv", labelled=True)
    known = list(counted.vocabulary)[2:]
    made = [f"madeup{index}" for index in range(max(0, rows - 2 - len(known)))]
    tokenizer = WordTokenizer(sorted({*known, *made}), counted.normalization)
    tokenizer.save(root / "all.words.tsv")
    matrix = rng.standard_normal((len(tokenizer.vocabulary), WIDTH), np.float32)
    matrix[0] = 0
    labels = tuple(sorted({example.label for example in read_examples(source)}))
    config = CnnConfig(columns=WIDTH, max_length=LENGTH)
    arrays = _drawn(head_shapes(config, len(labels)), rng)
    texts = [" ".join(rng.choice(known, LENGTH).tolist()) for _ in range(TEXTS)]
    (root / "texts.json").write_text(json.dumps(texts))
    (root / "text.json").write_text(json.dumps(texts[:1]))
    table = compress(Vectors(tokenizer.vocabulary, matrix, tokenizer=tokenizer), "float32")
    return Classifier(table, labels, config, arrays)


def _other(classifier: Classifier, rng: np.random.Generator) -> Classifier:
    """Return a classifier with other weights on the same table."""
    shapes = head_shapes(classifier.config, len(classifier.labels))
    return replace(classifier, arrays=_drawn(shapes, rng))


def _drawn(shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, Any]:
    return {name: rng.normal(0, 0.05, shape).astype("f4") for name, shape in shapes.items()}


def _fasttext(source: Path, root: Path) -> bool:
    try:
        import fasttext
    except ImportError:
        print("fastText is left out: `uv sync --group bench`", file=sys.stderr)
        return False
    lines = [f"__label__{e.label.replace(' ', '-')} {e.text}" for e in read_examples(source)]
    (root / "train.txt").write_text("\n".join(lines))
    # One thread: updates that race with each other ended in NaN once.
    model = fasttext.train_supervised(str(root / "train.txt"), dim=WIDTH, thread=1, verbose=0)
    model.save_model(str(root / "fasttext.bin"))
    return True
