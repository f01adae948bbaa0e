"""The kinds of files of TensorFlow, Keras and LiteRT: samples, readers, and their own readers."""

import io
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fuzz.embz_files import answers, classifier_of, table_of, words_tokenizer
from scripts.fuzz.kind import TEXTS, Kind
from scripts.fuzz.mutators import (
    Mutator,
    edit_json,
    edit_protobuf,
    edit_zip_fields,
    edit_zip_members,
    flip_bits,
    set_bytes,
)
from scripts.fuzz.resealing import reseal_tflite


def _variables(path: Path) -> Any:
    """The arrays that embzip reads, after inspecting the file."""
    import embzip
    from embzip.foreign import variables_of

    embzip.inspect(path)
    return _arrays(variables_of(path).values())


def _arrays(arrays: Iterable[Any]) -> list[tuple[str, tuple[int, ...], bytes]]:
    """Floating-point arrays as plain values, in an order that names have no part in."""
    floats = [np.asarray(array) for array in arrays]
    return sorted(
        (each.dtype.str, each.shape, each.tobytes()) for each in floats if each.dtype.kind in "fV"
    )


def among(found: Any, every: Any) -> bool:
    """Say whether all that embzip found is what the file's own library reads."""
    rest = list(every)
    for each in found:
        if each not in rest:
            return False
        rest.remove(each)
    return True


def _own_checkpoint(path: Path) -> Any:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path))
    arrays = map(reader.get_tensor, reader.get_variable_to_shape_map())
    return _arrays(array for array in arrays if not isinstance(array, bytes))


def _own_saved_model(path: Path) -> Any:
    return _own_checkpoint(path / "variables" / "variables")


def _own_frozen(path: Path) -> Any:
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework import tensor_util

    graph = graph_pb2.GraphDef()
    graph.ParseFromString(path.read_bytes())
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    return _arrays(
        tensor_util.MakeNdarray(node.attr["value"].tensor) for node in nodes if node.op == "Const"
    )


def _own_hdf5(path: Path) -> Any:
    import h5py  # type: ignore[import-untyped]

    found: list[Any] = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda _, each: found.append(each[()]) if hasattr(each, "shape") else None)
    return _arrays(found)


def _own_keras(path: Path) -> Any:
    import h5py

    found: list[Any] = []
    with zipfile.ZipFile(path) as archive:
        file = h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
    file.visititems(lambda _, each: found.append(each[()]) if hasattr(each, "shape") else None)
    return _arrays(found)


@cache
def _model() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.Input((5,), dtype="int32"), keras.layers.Embedding(9, 4, name="words")]
    layers += [keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2, activation="softmax")]
    return keras.Sequential(layers)


def _write_keras(folder: Path) -> None:
    _model().save(folder / "model.keras")


def _write_hdf5(folder: Path) -> None:
    _model().save(folder / "model.h5")


def _write_checkpoint(folder: Path) -> None:
    import tensorflow as tf

    tf.train.Checkpoint(model=_model()).write(str(folder / "model"))


def _write_saved_model(folder: Path) -> None:
    _model().export(folder / "saved", verbose=False)


def _write_frozen(folder: Path) -> None:
    from embzip.foreign import slim

    _write_saved_model(folder)
    slim(folder / "saved", folder / "model.pb", to="frozen")


def _write_tflite(folder: Path) -> None:
    from embzip.tf.export import export

    export(classifier_of(table_of(words_tokenizer())), folder / "model.tflite")


def _read_tflite(path: Path) -> Any:
    import embzip

    model = embzip.load_model(path)
    return model.labels, answers(model), model.tokenizer.encode(TEXTS)  # type: ignore[union-attr]


def _inspected(path: Path) -> Any:
    import embzip

    return embzip.inspect(path).to_json()


def _inside(content: bytes, rng: Any) -> bytes:
    """Change the configuration, or the HDF5 file, in a .keras."""
    return edit_zip_members(content, rng, rng.choice((edit_json, flip_bits, set_bytes)))


def framework_kinds() -> tuple[Kind, ...]:
    """Return these kinds."""
    proto: tuple[Mutator, ...] = (edit_protobuf,)
    bundle = ("model.index", "model.data-00000-of-00001")
    saved = (
        "saved/saved_model.pb", "saved/saved_model.pb", "saved/variables/variables.index",
        "saved/variables/variables.data-00000-of-00001",
    )  # fmt: skip
    return (
        Kind(
            "tflite", _write_tflite, "model.tflite", _read_tflite, digests=True,
            mutators=(edit_zip_fields,), reseal=reseal_tflite,
        ),
        Kind("tflite-inspect", _write_tflite, "model.tflite", _inspected),
        Kind(
            "frozen", _write_frozen, "model.pb", _variables, own=_own_frozen, same=among,
            mutators=proto, share=0.3,
        ),
        Kind(
            "checkpoint", _write_checkpoint, "model", _variables, files=bundle,
            own=_own_checkpoint, same=among, share=0.3,
        ),
        Kind(
            "savedmodel", _write_saved_model, "saved", _variables, files=saved,
            own=_own_saved_model, same=among, mutators=proto, share=0.3,
        ),
        Kind("keras", _write_keras, "model.keras", _variables, own=_own_keras, same=among,
             mutators=(_inside, edit_zip_fields), share=0.03),
        Kind("h5", _write_hdf5, "model.h5", _variables, own=_own_hdf5, same=among, share=0.03),
    )  # fmt: skip
