"""Rebuilds a file of Keras or TensorFlow on a compressed table.

Files of embzip are rebuilt by `embzip.classifier.rebuilding`, without TensorFlow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embzip.classifier.rebuilt_files import Rebuilt, RebuiltKernels, RebuiltTable
from embzip.codecs.chain import Codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, SpecError
from embzip.evaluation.distortion import reconstruction
from embzip.foreign.formats.keras_models import load_keras, write_keras
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.graph import small_constants
from embzip.foreign.graph.flat_graphs import FlatGraph, flat_graph, naming
from embzip.foreign.graph.rebuilding import (
    chosen_tables,
    prepared,
    table_of,
    with_compressed_table,
)
from embzip.foreign.graph.writing import write_frozen, write_saved_model
from embzip.foreign.inspecting import inspect
from embzip.foreign.keras_rebuilding import (
    kept_kernels,
    kernel_bytes,
    rebuild_model,
    rows_of,
    table_for,
    with_small_kernels,
)
from embzip.inspection import bytes_on_disk
from embzip.layers.finding import chosen_embedding, embedding_paths
from embzip.layers.small_kernels import FORMS


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is done to a model or graph."""

    embedding: CompressedEmbedding | None
    codec: str | Codec | None
    layers: tuple[str, ...]
    every: bool
    tied: bool
    fold: bool
    plain: bool
    kernels: str | None
    seed: int

    def __post_init__(self) -> None:
        if self.kernels not in (None, *FORMS):
            raise SpecError(
                f"kernels of Keras and TensorFlow can be stored as {' or '.join(FORMS)}, received "
                f"{self.kernels!r}; the other forms are for .embz files"
            )
        both = self.embedding is not None and self.codec is not None
        if both or not (self.tables or self.kernels):
            raise InputError(
                "rebuild takes exactly one of embedding and codec, or kernels without them, "
                f"received {'both' if both else 'neither'}"
            )
        if self.embedding is not None and (self.every or len(self.layers) > 1):
            raise InputError("an embedding takes the place of one table; several take a codec")
        if not self.tables and (self.layers or self.every or self.tied or self.fold or self.plain):
            raise InputError("layers, ties and folding are for tables: name a codec for them too")
        if self.plain and (self.kernels or self.tied):
            why = (
                "Keras' own int8 layers round what they read too, which changes more answers"
                if self.kernels
                else "no layer of Keras decodes a table for both its uses"
            )
            raise InputError(
                f"--plain cannot have {'--kernels' if self.kernels else '--tied'}: {why}: leave "
                "one of them out"
            )

    @property
    def tables(self) -> bool:
        return self.embedding is not None or self.codec is not None


def rebuild_file(
    path: str | Path,
    target: str | Path,
    *,
    embedding: CompressedEmbedding | None = None,
    codec: str | Codec | None = None,
    layer: str | Sequence[str] | None = None,
    every: bool = False,
    tied: bool = False,
    kernels: str | None = None,
    architecture: str | Path | None = None,
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
    fold: bool = False,
    plain: bool = False,
    seed: int = 0,
) -> Rebuilt:
    """Write a copy of a file with compressed tables instead of its own, or with int8 kernels.

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
        Whether what needs the whole table, such as an output layer that is tied to it, may decode
        all of it at each run: operators of a graph, and a ReversibleEmbedding of Keras.
    kernels
        `int8`: the kernels of dense, convolution, recurrent and attention layers too, with a scale
        a channel; or `float16`. Without `embedding` and `codec` it keeps the tables.
    architecture
        The .json file that an .h5 file of variables belongs to.
    outputs, inputs
        As in `slim`.
    fold, plain
        As in `embzip.foreign.rebuild_model`; for Keras files only.

    Raises
    ------
    InputError
        For a damaged or hostile file, and a checkpoint without .meta.
    UnsupportedModelError
        If the table does not exist, is not the only one, or is also read by other operators; if
        there are no kernels.
    MismatchError
        For a table of another shape.
    SpecError
        For another form of kernels.
    """
    kind, own = kind_of(path)
    target = Path(target)
    names = (layer,) if isinstance(layer, str) else tuple(layer or ())
    asked = _Asked(embedding, codec, names, every, tied, fold, plain, kernels, seed)
    if kind == "tflite":
        raise InputError(
            f"{own}: a .tflite file cannot be rebuilt: rebuild the model that it was converted "
            "from, then convert that (`embzip export --to litert` for a .embz)"
        )
    stored = inspect(own)  # reads the whole file, so that a damaged one is refused
    if kind in ("keras", "h5"):
        if target.suffix != ".keras":
            raise InputError(
                f"{target}: a rebuilt Keras file must have a name that ends in .keras: rename it"
            )
        model, done, made = _keras(load_keras(own, architecture), asked)
        write_keras(model, target)
        format = "keras"
    elif architecture is not None:
        raise InputError(f"{own}: an architecture (.json) is for .h5 files: leave it out")
    elif fold or plain:
        raise InputError(
            f"{own}: --fold is for .keras, .h5 and .embz files, not for graphs: leave it out"
            if fold
            else f"{own}: --plain is for .keras and .h5 files, and rebuilt graphs need TensorFlow "
            "alone as they are: leave it out"
        )
    else:
        flat = flat_graph(own, outputs, inputs)
        with naming(own):
            flat, done, made = _graph(flat.optimized(), asked)
        format = "frozen" if target.suffix == ".pb" else "savedmodel"
        (write_frozen if format == "frozen" else write_saved_model)(flat, target)
    first = done[0] if done else None
    return Rebuilt(
        str(target),
        format,
        first.layer if first else None,
        first.embedding if first else None,
        stored.total,
        bytes_on_disk(target),
        training_bytes=stored.training_bytes,
        snr_db=first.snr_db if first else None,
        more=tuple(done[1:]),
        kernels=made,
    )


def rebuild_keras(
    model: Any,
    embedding: CompressedEmbedding | None = None,
    codec: str | Codec | None = None,
    *,
    kernels: str | None = None,
    layer: str | None = None,
    fold: bool = False,
    seed: int = 0,
) -> Any:
    """Return a copy of a Keras model, as `rebuild_file` makes one of a file."""
    names = () if layer is None else (layer,)
    asked = _Asked(embedding, codec, names, False, False, fold, False, kernels, seed)
    return _keras(model, asked)[0]


def _keras(model: Any, asked: _Asked) -> tuple[Any, list[RebuiltTable], RebuiltKernels | None]:
    """Return the model as asked for, its tables and its kernels."""
    done = []
    if asked.tables:
        every = embedding_paths(model) if asked.every else asked.layers
        for name in every or (None,):
            table = table_for(
                model, name, asked.embedding, asked.codec, asked.seed, tied=asked.tied
            )
            old = chosen_embedding(model, name, tied=asked.tied)
            model = rebuild_model(
                model, name, table, fold=asked.fold, tied=asked.tied, plain=asked.plain
            )
            snr_db = reconstruction(rows_of(old), table).snr_db
            done.append(RebuiltTable(old.name, table, snr_db))
    if not asked.kernels:
        return model, done, None
    left, earlier = kept_kernels(model), kernel_bytes(model)
    model = with_small_kernels(model, asked.kernels)
    before, after = (
        now - already for now, already in zip(kernel_bytes(model), earlier, strict=True)
    )
    return model, done, RebuiltKernels(asked.kernels, before, after, left)


def _graph(
    flat: FlatGraph, asked: _Asked
) -> tuple[FlatGraph, list[RebuiltTable], RebuiltKernels | None]:
    """Return the graph as asked for, its tables and its kernels."""
    done = []
    if asked.tables:
        for name in chosen_tables(flat, asked.layers, every=asked.every):
            flat = prepared(flat, name, tied=asked.tied)
            old = table_of(flat, name)
            table = asked.embedding
            if table is None:
                table = compress(old, asked.codec or "", seed=asked.seed)
            flat = with_compressed_table(flat, name, table)
            done.append(RebuiltTable(name, table, reconstruction(old, table).snr_db))
    if not asked.kernels:
        return flat, done, None
    flat, sizes, left = small_constants.with_small_kernels(flat, asked.kernels)
    return flat, done, RebuiltKernels(asked.kernels, *sizes, left)
