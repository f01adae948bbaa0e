"""Exports a classifier or a kit as a .tflite file, with tokenizer and labels attached.

The table stays compressed. The converter's own quantization would also change look-up tables, so
kernels are quantized in the finished flatbuffer, by `embzip.tf.export.kernels`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Kit
from embzip.classifier.storage import SCALED
from embzip.files.writing import write_bytes
from embzip.litert import LiteRtModel, litert
from embzip.litert.attachment import Attachment, attach, read_attachment
from embzip.tf.export.graph import (
    Model,
    constant,
    heads_of,
    reach,
    serving_function,
)
from embzip.tf.export.kernels import (
    float16_kernels,
    float32_kernels,
    int8_arithmetic,
    quick_levels,
    stored_levels,
)

_TEXTS = 1000  # the largest number of representative texts that are run

_WHOLE: dict[str, Callable[..., bytes]] = {"float32": float32_kernels, "float16": float16_kernels}
KERNELS = _WHOLE | {form: partial(quick_levels, kernels=form) for form in SCALED}
STORED = _WHOLE | {form: partial(stored_levels, kernels=form) for form in SCALED}  # exact


def export_litert(
    model: Model,
    path: str | Path,
    *,
    kernels: str | None = None,
    calibrate: Sequence[str] | None = None,
) -> None:
    """Write a .tflite file that `embzip.load_model` and any LiteRT interpreter run."""
    litert()  # the result is run at the end, so a missing LiteRT is reported first
    content, heads = converted(model), list(heads_of(model).values())
    if calibrate is not None:
        texts = calibrate[:_TEXTS]
        content = int8_arithmetic(content, heads, [_input(model, t) for t in model.encode(texts)])
    elif kernels is not None:
        content = KERNELS[kernels](content, heads)
    else:
        for form in {head.kernels: None for head in heads}:
            content = STORED[form](content, [head for head in heads if head.kernels == form])
    write_bytes(path, attach(content, attachment_of(model)))


def converted(model: Model) -> bytes:
    """Return the model's flatbuffer, with all numbers unchanged.

    The outputs of a kit are numbered. The names of its classifiers can be any printable text, and
    are in the attachment.
    """
    heads = len(heads_of(model))
    names = [f"probabilities_{index:05d}" for index in range(heads)]
    function = serving_function(
        model, "float32", constant, names if isinstance(model, Kit) else None
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    content: bytes = converter.convert()
    return content


def attachment_of(model: Model) -> Attachment:
    """Return the attachment: tokenizer, labels, and how texts are padded."""
    heads = heads_of(model)
    (first, *_) = heads.values()
    labels = tuple(head.labels for head in heads.values())
    names = tuple(heads) if isinstance(model, Kit) else ()
    return Attachment(first.tokenizer, labels, *reach(model), names)


def run_litert(
    path: str | Path, ids: NDArray[np.int32], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Run the file on padded ids, and return each output."""
    path = Path(path)
    return LiteRtModel(path, read_attachment(path)).answers(ids.tolist())


def _input(model: Model, ids: Sequence[int]) -> NDArray[np.int32]:
    """Return ids (1, time), padded as when the model runs."""
    longest, margin = reach(model)
    cut = ids[:longest]
    padded = np.full((1, min(len(cut) + margin, longest)), model.embedding.pad_id, np.int32)
    padded[0, : len(cut)] = cut
    return padded
