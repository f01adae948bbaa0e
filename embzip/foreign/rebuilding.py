"""A file of Keras or TensorFlow with one embedding table replaced by codes.

Files of embzip itself are rebuilt by `embzip.classifier.rebuilding`, without TensorFlow.
"""

from collections.abc import Sequence
from pathlib import Path

from embzip.classifier.rebuilding import Rebuilt
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError
from embzip.foreign.formats.keras_models import load_keras, write_keras
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.graph.flat_graphs import flat_graph
from embzip.foreign.graph.rebuilding import chosen_table, table_of, with_compressed_table
from embzip.foreign.graph.writing import write_frozen, write_saved_model
from embzip.foreign.inspecting import inspect
from embzip.foreign.keras_rebuilding import rebuild_model, table_for
from embzip.inspection import bytes_on_disk
from embzip.layers.finding import chosen_embedding
from embzip.types import Matrix


def rebuild_file(
    path: str | Path,
    target: str | Path,
    *,
    embedding: CompressedEmbedding | None = None,
    codec: str | None = None,
    layer: str | None = None,
    outputs: Sequence[str] = (),
    fold: bool = False,
    seed: int = 0,
) -> Rebuilt:
    """Write a file that reads a compressed table.

    Parameters
    ----------
    path
        A .keras or .h5 file; a SavedModel, a frozen graph, or a TF1 checkpoint with its .meta.
    target
        A .keras file for the first two. Of the others: a frozen graph where its name ends in
        .pb, else a new SavedModel folder.
    embedding, codec
        The table to read instead, row by row; or what to compress the model's own with.
    layer
        The name of the Embedding layer, or of the table's node; None for the only one.
    outputs
        As in `slim`.
    fold
        As in `embzip.foreign.rebuild_model`; for Keras files only.

    Raises
    ------
    InputError
        For a damaged or hostile file, and a checkpoint without .meta.
    UnsupportedModelError
        Where the table is not there, not the only one, or read by something else too.
    MismatchError
        For a table of another shape.
    """
    kind, own = kind_of(path)
    target = Path(target)
    if (embedding is None) == (codec is None):
        raise InputError("rebuild takes exactly one of embedding and codec")
    if kind == "tflite":
        raise InputError(
            f"{own}: a .tflite file is not rebuilt: rebuild the model it was made of, then "
            "convert that (`embzip export --to litert` for a .embz)"
        )
    before = inspect(own).total  # which reads all of it: nothing is made of a damaged file
    if kind in ("keras", "h5"):
        name, table = _keras(own, target, embedding, codec, layer, fold, seed)
        format = "keras"
    elif fold:
        raise InputError(f"{own}: --fold is for .keras, .h5 and .embz files, not for graphs")
    else:
        flat = flat_graph(own, outputs).optimized()
        name = chosen_table(flat, layer)
        table = embedding or _compressed(table_of(flat, name), codec, seed)
        small = with_compressed_table(flat, name, table)
        format = "frozen" if target.suffix == ".pb" else "savedmodel"
        (write_frozen if format == "frozen" else write_saved_model)(small, target)
    return Rebuilt(
        str(target),
        format,
        name,
        table,
        before,
        bytes_on_disk(target),
    )


def _keras(
    path: Path,
    target: Path,
    embedding: CompressedEmbedding | None,
    codec: str | None,
    layer: str | None,
    fold: bool,
    seed: int,
) -> tuple[str, CompressedEmbedding]:
    if target.suffix != ".keras":
        raise InputError(f"{target}: what is rebuilt of a Keras file is a .keras file: name it so")
    model = load_keras(path)
    table = table_for(model, layer, embedding, codec, seed)
    write_keras(rebuild_model(model, layer, table, fold=fold), target)
    return chosen_embedding(model, layer).name, table


def _compressed(table: Matrix, codec: str | None, seed: int) -> CompressedEmbedding:
    if codec is None:
        raise InputError("rebuild takes exactly one of embedding and codec")
    return compress(table, codec, seed=seed)
