"""Files and models of any kind: inspected, slimmed, rebuilt, exported.

What kind something is, is told here, without TensorFlow; the part of embzip that knows the kind is
imported when it is needed, and does the work.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embzip.classifier import Classifier, Kit, load_classifier
from embzip.classifier.loading import read
from embzip.classifier.outlines import Outline, read_outline
from embzip.classifier.rebuilding import Rebuilt, on_table, rebuild_kit, table_for
from embzip.classifier.rebuilding import rebuild as rebuild_classifier
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.embz.inspecting import counts_bytes, inspect_embz
from embzip.errors import InputError
from embzip.evaluation.nearness import nearness
from embzip.foreign.formats.kinds import KINDS
from embzip.foreign.formats.kinds import kind_of as foreign_kind
from embzip.inspection import ArtefactRecord
from embzip.signatures import signature_of
from embzip.types import Progress

if TYPE_CHECKING:
    from embzip.foreign.profiling import Profile
    from embzip.tf.export.targets import Export

Model = TypeVar("Model")


def kind_of(path: str | Path) -> tuple[str, Path]:
    """Return the kind of a file by content, then by name, and its own path: a SavedModel's folder.

    Raises
    ------
    MissingFileError
        Where nothing is there.
    InputError
        Where it is none of the kinds; the message lists them, and says what the file is.
    """
    path = Path(path)
    found = signature_of(path).kind if os.path.isfile(path) else ""
    if found == "embz" or (path.suffix == ".embz" and found in ("", "unknown", "empty")):
        return "embz", path
    return foreign_kind(path, expected=f"a .embz file, {KINDS}")


def inspect(path: str | Path) -> ArtefactRecord:
    """Return what a file holds and where its bytes are.

    Parameters
    ----------
    path
        A .embz file; a checkpoint (folder, prefix, or one of its files), a SavedModel folder, a
        frozen .pb or .pbtxt, .h5, .keras or .tflite, whatever its name. Nothing in it runs.

    Raises
    ------
    MissingFileError
        Where it, or a part of it, is missing.
    FileFormatError, InputError
        For a file that is damaged, or of no known kind.
    """
    if kind_of(path)[0] == "embz":
        return inspect_embz(path)
    from embzip.foreign import inspect as inspect_foreign

    return inspect_foreign(path)


def profile(path: str | Path, inputs: int, *, seed: int = 0) -> "Profile":
    """Time the operators of a SavedModel, frozen graph or .tflite; see `embzip.foreign.profile`.

    Raises
    ------
    InputError
        For less than one input, and for a file without operators, such as a .embz.
    """
    if inputs < 1:
        raise InputError(f"profiling needs at least 1 input, received {inputs}")
    kind, own = kind_of(path)
    if kind == "embz":
        raise InputError(f"{path}: a .embz file has no operators: `embzip export` makes a .tflite")
    from embzip.foreign import profile as profile_foreign

    return profile_foreign(own, inputs, seed=seed)


def slim(
    path: str | Path, target: str | Path, *, to: str | None = None, outputs: Sequence[str] = ()
) -> Any:
    """Write a file with only what inference needs; see `embzip.foreign.slim`.

    Raises
    ------
    InputError
        For a .embz or .tflite file, which hold nothing else, and as `embzip.foreign.slim` does.
    """
    if kind_of(path)[0] == "embz":
        raise InputError(
            f"{path}: a .embz file already contains only what inference needs: `embzip rebuild` "
            "makes its table smaller"
        )
    from embzip.foreign import slim as slim_foreign

    return slim_foreign(path, target, to=to, outputs=outputs)


def rebuild(
    model: Model,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | None = None,
    kernels: str | None = None,
    fold: bool | None = None,
    layer: str | None = None,
    seed: int = 0,
) -> Model:
    """Return a model like one that is given, over a compressed table.

    Parameters
    ----------
    model
        A `Classifier`, a `Kit` or a Keras model. Files are rebuilt by `rebuild_file`.
    embedding, codec
        The table to read instead; or the codec to compress the model's own with. See
        `embzip.classifier.rebuilding.rebuild_classifier` for what must agree.
    kernels
        How a file stores the kernels of a classifier: `float32`, `float16` or `int8`; as before
        where not given.
    fold
        Whether linear decoding moves into the layers that read the table; by default it does in
        our own models, and not in a Keras model.
    layer
        Of a Keras model: the Embedding layer, where there are several.

    Raises
    ------
    InputError
        Unless exactly one of `embedding` and `codec` is given, or `kernels` alone; for an object
        of another kind.
    MismatchError
        For a table of another tokenizer, other tokens or another shape.
    """
    if isinstance(model, Classifier | Kit):
        if layer is not None:
            raise InputError("a layer is named in Keras models only; a classifier has one table")
        way: Any = rebuild_classifier if isinstance(model, Classifier) else rebuild_kit
        rebuilt: Model = way(
            model, embedding, codec=codec, fold=fold is not False, kernels=kernels, seed=seed
        )
        return rebuilt
    keras = sys.modules.get("keras")  # who has a Keras model has loaded it
    if keras is None or not isinstance(model, keras.Model):
        raise InputError(
            f"expected a Classifier, a Kit or a Keras model, received {type(model).__name__}: "
            "files are rebuilt by embzip.rebuild_file(path, target, ...)"
        )
    if kernels is not None:
        raise InputError(
            "kernels are stored in float16 or int8 in .embz files, not in Keras models"
        )
    from embzip.foreign.keras_rebuilding import rebuild_model, table_for

    table = table_for(model, layer, embedding, codec, seed)
    copy: Model = rebuild_model(model, layer, table, fold=bool(fold))
    return copy


@dataclass(frozen=True, eq=False)
class Tuning:
    """Fine-tuning after a rebuild: see `embzip.tf.tune`.

    Attributes
    ----------
    examples
        Labelled texts; a tenth of them, held out, decides whether the tuned model is kept.
    params
        Whether what rows share moves too: centroids, codebooks, components, means.
    quantize
        Whether the kernels are trained for int8.
    """

    examples: Sequence[Example]
    params: bool = False
    quantize: bool = False


def rebuild_file(
    path: str | Path,
    target: str | Path,
    embedding: CompressedEmbedding | None = None,
    *,
    config: str | Path | None = None,
    codec: str | None = None,
    kernels: str | None = None,
    fold: bool | None = None,
    layer: str | None = None,
    outputs: Sequence[str] = (),
    tuning: Tuning | None = None,
    pack: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Rebuilt:
    """Write a file like one that is given, over a compressed table.

    Parameters
    ----------
    path
        A classifier's or kit's .embz; a .keras or .h5 file; a SavedModel, a frozen graph, or a
        TF1 checkpoint with its .meta.
    target
        A .embz file for our own; a .keras file for Keras files; of graphs, a frozen graph where
        its name ends in .pb, else a new SavedModel folder.
    embedding, codec, kernels, fold, layer
        As in `rebuild`.
    config
        For a checkpoint without .meta: the classifier of embzip that its variables are of, a .embz
        or a .toml file (`embzip.classifier.outlines`). The result is a .embz file.
    outputs
        What a graph without signatures ends in.
    tuning, pack
        Of a classifier: fine-tune it afterwards; entropy code its file.

    Raises
    ------
    InputError
        For options that this kind of file does not have, and as in `rebuild`.
    """
    foreign = kind_of(path)[0] != "embz"
    if foreign and config is None:
        if tuning is not None or pack or kernels is not None:
            raise InputError(f"{path}: tuning, packing and kernels are for .embz files")
        from embzip.foreign import rebuild_file as rebuild_foreign

        return rebuild_foreign(
            path,
            target,
            embedding=embedding,
            codec=codec,
            layer=layer,
            outputs=outputs,
            fold=bool(fold),
            seed=seed,
        )
    if layer is not None or outputs:
        raise InputError(f"{path}: layers and nodes are named in files of Keras and TensorFlow")
    if config is not None and not foreign:
        raise InputError(
            f"{path}: a configuration is for variables in a file of TensorFlow or Keras"
        )
    old: Any = read(path) if config is None else _with_variables(config, path)
    table = table_for(old, embedding, codec=codec, kernels=kernels, seed=seed)
    model: Any = on_table(old, table, fold=fold is not False, kernels=kernels)
    tuned = None
    if tuning is not None:
        if isinstance(model, Kit):
            raise InputError(f"{path}: tuning is for one classifier, and this is a kit")
        from embzip.tf import tune

        result = tune(
            model,
            tuning.examples,
            params=tuning.params,
            quantize=tuning.quantize,
            seed=seed,
            progress=progress,
        )
        model, tuned = result.classifier, result.tuned
    stored = inspect(path)
    model.save(target, pack=pack)
    return Rebuilt(
        path=str(target),
        format="embz",
        layer=None,
        embedding=model.embedding,
        bytes_before=stored.total,
        bytes_after=Path(target).stat().st_size,
        counts_bytes=0 if foreign else counts_bytes(path),
        training_bytes=stored.training_bytes,
        snr_db=None if table is None else nearness(old.embedding, table).snr_db,
        tuned=tuned,
    )


def export(model: "Classifier | Kit | str | Path", path: str | Path, **options: Any) -> "Export":
    """Write a classifier or a kit, or the .embz file of one, for a runtime without embzip.

    See `embzip.tf.export.export` for the options.
    """
    from embzip.tf.export import export as export_model

    return export_model(read(model) if isinstance(model, str | Path) else model, path, **options)


def _with_variables(config: str | Path, path: str | Path) -> Classifier:
    """Return the classifier that a .embz or .toml file describes, with the variables of a file."""
    if signature_of(config).kind == "embz":
        outline = Outline(load_classifier(config), {})
    else:
        outline = read_outline(config)
    from embzip.tf import with_variables

    return with_variables(outline.classifier, path, outline.names)
