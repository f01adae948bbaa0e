"""A classifier or a kit as a .tflite file: codes stay codes, tokenizer and labels are attached.

The converter's own quantization would take look-up tables along, so kernels are quantized in the
finished flatbuffer: `embzip.tf.export.kernels`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Kit
from embzip.files import write_bytes
from embzip.litert import LiteRtModel, litert
from embzip.litert.attachment import Attachment, attach, read_attachment
from embzip.tf.export.graph import (
    Model,
    check_size,
    constant,
    heads_of,
    reach,
    serving_function,
)
from embzip.tf.export.heads import as_is
from embzip.tf.export.kernels import (
    float16_kernels,
    float32_kernels,
    int8_arithmetic,
    int8_kernels,
)

_TEXTS = 1000  # representative texts that are run

KERNELS = {"float32": float32_kernels, "float16": float16_kernels, "int8": int8_kernels}


def export_litert(
    model: Model,
    path: str | Path,
    *,
    kernels: str = "float32",
    calibrate: Sequence[str] | None = None,
) -> None:
    """Write a .tflite file that `embzip.load_model` and any LiteRT interpreter run."""
    litert()  # which runs what was written, so its absence is said first
    check_size(model, path)
    plain, heads = converted(model), list(heads_of(model).values())
    if calibrate is None:
        content = KERNELS[kernels](plain, heads)
    else:
        texts = calibrate[:_TEXTS]
        content = int8_arithmetic(plain, heads, [_input(model, t) for t in model.encode(texts)])
    write_bytes(path, attach(content, attachment_of(model)))


def converted(model: Model) -> bytes:
    """Return the model's flatbuffer, all numbers as they are.

    A kit's outputs are numbered: the names of its classifiers, any printable text, are attached.
    """
    heads = len(heads_of(model))
    names = [f"probabilities_{index:05d}" for index in range(heads)]
    function = serving_function(model, as_is, constant, names if isinstance(model, Kit) else None)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    content: bytes = converter.convert()
    return content


def attachment_of(model: Model) -> Attachment:
    """Return what is attached: tokenizer, labels, and how texts are padded."""
    heads = heads_of(model)
    (first, *_) = heads.values()
    labels = tuple(head.labels for head in heads.values())
    names = tuple(heads) if isinstance(model, Kit) else ()
    return Attachment(first.tokenizer, labels, *reach(model), names)


def run_litert(
    path: str | Path, ids: NDArray[np.int32], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Return each output for padded ids, from the file."""
    path = Path(path)
    return LiteRtModel(path, read_attachment(path)).answers(ids.tolist())


def _input(model: Model, ids: Sequence[int]) -> NDArray[np.int32]:
    """Return (1, time) ids, padded as they are when the model runs."""
    longest, margin = reach(model)
    cut = ids[:longest]
    padded = np.full((1, min(len(cut) + margin, longest)), model.embedding.pad_id, np.int32)
    padded[0, : len(cut)] = cut
    return padded
