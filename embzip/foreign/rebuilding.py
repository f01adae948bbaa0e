"""Rebuilds a file of Keras or TensorFlow on a compressed table.

Files of embzip are rebuilt by `embzip.classifier.rebuilding`, without TensorFlow.
"""

from collections.abc import Sequence
from pathlib import Path

from embzip.classifier.rebuilding import Rebuilt, RebuiltTable
from embzip.codecs.chain import Codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError
from embzip.evaluation.distortion import reconstruction
from embzip.foreign.formats.keras_models import load_keras, write_keras
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.graph.flat_graphs import flat_graph, naming
from embzip.foreign.graph.rebuilding import (
    chosen_tables,
    prepared,
    table_of,
    with_compressed_table,
)
from embzip.foreign.graph.writing import write_frozen, write_saved_model
from embzip.foreign.inspecting import inspect
from embzip.foreign.keras_rebuilding import rebuild_model, table_for
from embzip.inspection import bytes_on_disk
from embzip.layers.finding import chosen_embedding, embedding_paths
from embzip.types import Matrix


def rebuild_file(
    path: str | Path,
    target: str | Path,
    *,
    embedding: CompressedEmbedding | None = None,
    codec: str | Codec | None = None,
    layer: str | Sequence[str] | None = None,
    every: bool = False,
    tied: bool = False,
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
    fold: bool = False,
    seed: int = 0,
) -> Rebuilt:
    """Write a copy of a file with embedding tables replaced by compressed ones.

    Parameters
    ----------
    path
        A .keras or .h5 file; a SavedModel, a frozen graph, or a TF1 checkpoint with its .meta.
    target
        For .keras and .h5 files, a .keras file. For the others, a frozen graph if the name ends
        in .pb, otherwise a new SavedModel folder.
    embedding, codec
        The compressed table, with the same rows in the same order; or the codec that compresses
        the model's own table.
    layer
        The name of the Embedding layer, or of the table's node, or several of them; None if there
        is only one.
    every
        Compress every table; with a codec only.
    tied
        Of a graph: whether an operator that needs the whole table, such as an output layer that is
        tied to it, may decode all of it at each run.
    outputs, inputs
        As in `slim`.
    fold
        As in `embzip.foreign.rebuild_model`; for Keras files only.

    Raises
    ------
    InputError
        For a damaged or hostile file, and a checkpoint without .meta.
    UnsupportedModelError
        If the table does not exist, is not the only one, or is also read by other operators.
    MismatchError
        For a table of another shape.
    """
    kind, own = kind_of(path)
    target = Path(target)
    if (embedding is None) == (codec is None):
        received = "neither" if codec is None else "both"
        raise InputError(f"rebuild takes exactly one of embedding and codec, received {received}")
    if kind == "tflite":
        raise InputError(
            f"{own}: a .tflite file cannot be rebuilt: rebuild the model that it was converted "
            "from, then convert that (`embzip export --to litert` for a .embz)"
        )
    names = (layer,) if isinstance(layer, str) else tuple(layer or ())
    if embedding is not None and (every or len(names) > 1):
        raise InputError("an embedding takes the place of one table; several take a codec")
    stored = inspect(own)  # reads the whole file, so that a damaged one is refused
    if kind in ("keras", "h5"):
        if tied:
            raise InputError(
                f"{own}: --tied is for graphs: `embzip slim --to savedmodel` makes one"
            )
        done = _keras(own, target, embedding, codec, names, every, fold, seed)
        format = "keras"
    elif fold:
        raise InputError(
            f"{own}: --fold is for .keras, .h5 and .embz files, not for graphs: leave it out"
        )
    else:
        flat = flat_graph(own, outputs, inputs)
        done = []
        with naming(own):
            flat = flat.optimized()
            for name in chosen_tables(flat, names, every=every):
                flat = prepared(flat, name, tied=tied)
                old = table_of(flat, name)
                table = embedding or _compressed(old, codec, seed)
                flat = with_compressed_table(flat, name, table)
                done.append(RebuiltTable(name, table, reconstruction(old, table).snr_db))
        format = "frozen" if target.suffix == ".pb" else "savedmodel"
        (write_frozen if format == "frozen" else write_saved_model)(flat, target)
    first = done[0]
    return Rebuilt(
        str(target),
        format,
        first.layer,
        first.embedding,
        stored.total,
        bytes_on_disk(target),
        training_bytes=stored.training_bytes,
        snr_db=first.snr_db,
        more=tuple(done[1:]),
    )


def _keras(
    path: Path,
    target: Path,
    embedding: CompressedEmbedding | None,
    codec: str | Codec | None,
    names: Sequence[str],
    every: bool,
    fold: bool,
    seed: int,
) -> list[RebuiltTable]:
    if target.suffix != ".keras":
        raise InputError(
            f"{target}: a rebuilt Keras file must have a name that ends in .keras: rename it"
        )
    model = load_keras(path)
    chosen: Sequence[str | None] = embedding_paths(model) if every else names or (None,)
    done = []
    for name in chosen:
        table = table_for(model, name, embedding, codec, seed)
        old = chosen_embedding(model, name)
        matrix = old.get_weights()[0]
        model = rebuild_model(model, name, table, fold=fold)
        done.append(RebuiltTable(old.name, table, reconstruction(matrix, table).snr_db))
    write_keras(model, target)
    return done


def _compressed(table: Matrix, codec: str | Codec | None, seed: int) -> CompressedEmbedding:
    if codec is None:
        raise InputError("rebuild takes exactly one of embedding and codec, received neither")
    return compress(table, codec, seed=seed)
