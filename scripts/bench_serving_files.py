"""The files that `scripts.bench_serving` measures: one classifier in each format, and kits."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
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
from embzip.tf import from_classifier
from embzip.tf.export import export
from embzip.tf.export.litert import attachment_of
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.word_pattern import word_pattern
from scripts.bench_vocabulary import glove_words

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
    for name, optimizations in (("original", []), ("dynamic", [tf.lite.Optimize.DEFAULT])):
        content = _by_tensorflow(original, optimizations)
        (root / f"{name}.tflite").write_bytes(attach(content, attachment_of(original)))
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
        "fastText": ("fasttext", "fasttext.bin"),
    }
    export(small, root / "small.tflite")
    export(small, root / "small-float16.tflite", kernels="float16")
    export(small, root / "small-int8.tflite", kernels="int8")
    texts = json.loads((root / "texts.json").read_text())
    export(small, root / "small-compute.tflite", calibrate=texts[:200])
    for count in KITS:
        heads = {f"head{index}": _other(small, rng) for index in range(count)}
        kit = Kit.of(heads)
        kit.save(root / f"kit-{count}.embz")
        export(kit, root / f"kit-{count}.tflite")
    (root / "formats.json").write_text(json.dumps(formats))
    return {"head_mb": sum(array.nbytes for array in small.arrays.values()) / 1e6}


def _by_tensorflow(classifier: Classifier, optimizations: list[Any]) -> bytes:
    """Return what TensorFlow's converter makes of the Keras model, without embzip's export."""
    model = from_classifier(classifier)
    # Constants: of variables the converter makes resources, and a look-up then reads the table.
    weights = [
        [variable.value.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def serve(ids: Any) -> dict[str, Any]:
        held = [[tf.constant(array) for array in arrays] for arrays in weights]
        return {"probabilities": model.stateless_call(*held, ids, training=False)[0]}

    signature = [tf.TensorSpec((None, None), tf.int32, name="ids")]
    function = tf.function(serve, input_signature=signature, autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], tf.Module()
    )
    converter.optimizations = optimizations
    content: bytes = converter.convert()
    return content


def _original(source: Path, rows: int, root: Path, rng: np.random.Generator) -> Classifier:
    counted = build_words(source, root / "corpus.words.tsv", labelled=True)
    known = list(counted.vocabulary)[2:]
    words = set(islice(dict.fromkeys(chain(known, glove_words())), rows - 2))
    tokenizer = WordTokenizer(sorted(words), counted.normalization)
    tokenizer.save(root / "all.words.tsv")
    matrix = rng.standard_normal((len(tokenizer.vocabulary), WIDTH), np.float32)
    matrix[0] = 0
    labels = tuple(sorted({example.label for example in read_examples(source)}))
    config = CnnConfig(columns=WIDTH, max_length=LENGTH)
    arrays = _drawn(head_shapes(config, len(labels)), rng)
    texts = list(islice(texts_of(source, LENGTH), TEXTS))
    (root / "texts.json").write_text(json.dumps(texts))
    (root / "text.json").write_text(json.dumps(texts[:1]))
    table = compress(Vectors(tokenizer.vocabulary, matrix, tokenizer=tokenizer), "float32")
    return Classifier(table, labels, config, arrays)


def texts_of(source: Path, length: int) -> Iterator[str]:
    """Yield the corpus in texts of so many tokens or just above."""
    text: list[str] = []
    tokens = 0
    for piece in chain.from_iterable(e.text.split() for e in read_examples(source)):
        text.append(piece)
        tokens += len(word_pattern(piece).findall(piece))
        if tokens >= length:
            yield " ".join(text)
            text, tokens = [], 0


def _other(classifier: Classifier, rng: np.random.Generator) -> Classifier:
    """Return a classifier with other weights on the same table."""
    shapes = head_shapes(classifier.config, len(classifier.labels))
    return replace(classifier, arrays=_drawn(shapes, rng))


def _drawn(shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, Any]:
    return {name: rng.normal(0, 0.05, shape).astype("f4") for name, shape in shapes.items()}
