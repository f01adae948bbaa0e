"""Files and models of any kind: inspected, timed, slimmed, rebuilt in memory, exported.

What kind something is, is told here, without TensorFlow; the part of embzip that knows the kind is
imported when it is needed, and does the work.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embzip.classifier import Classifier, Ensemble, Kit, load_one
from embzip.classifier.loading import read
from embzip.classifier.rebuilding import rebuild as rebuild_classifier
from embzip.classifier.rebuilding import rebuild_kit
from embzip.codecs.chain import Codec
from embzip.embedding import CompressedEmbedding
from embzip.embz.inspecting import inspect_embz
from embzip.embz.shards import manifest_in
from embzip.errors import InputError
from embzip.files.places import FOREIGN
from embzip.files.signatures import signature_of
from embzip.foreign.formats.kinds import KINDS, saved_model_file
from embzip.foreign.formats.kinds import kind_of as foreign_kind
from embzip.inspection import ArtefactRecord
from embzip.portable.exporting import SOURCES, export_source, facts_of
from embzip.prediction import TextClassifier
from embzip.sources import Paths, paths_of
from embzip.static_models import TARGETS as STATIC
from embzip.static_models import StaticModel, export_static
from embzip.tokenizers.base import Tokenizer

if TYPE_CHECKING:
    from embzip.foreign.exporting import ForeignExport
    from embzip.foreign.profiling import Profile
    from embzip.portable.exporting import SourceExport
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
    path = Path(manifest_in(path))
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


def slimmable(path: str | Path) -> tuple[str, Path]:
    """Return what `kind_of` does; raise InputError for a file that holds nothing to leave out."""
    kind, own = kind_of(path)
    if kind in ("embz", "tflite"):
        raise InputError(
            f"{path}: a .{kind} file already contains only what inference needs"
            + (": `embzip rebuild` makes its table smaller" if kind == "embz" else "")
        )
    return kind, own


def slim(
    path: str | Path,
    target: str | Path,
    *,
    to: str | None = None,
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
) -> Any:
    """Write a file with only what inference needs; see `embzip.foreign.slim`.

    Raises
    ------
    InputError
        For a .embz or .tflite file, which hold nothing else, and as `embzip.foreign.slim` does.
    """
    slimmable(path)
    from embzip.foreign import slim as slim_foreign

    return slim_foreign(path, target, to=to, outputs=outputs, inputs=inputs)


def rebuild(
    model: Model,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | Codec | None = None,
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
        How a file stores the kernels of a classifier: `float32`, `float16`, `int8`, `int4` or
        `int2`; as before where not given. Of a Keras model `int8` or `float16`: see
        `embzip.foreign.keras_rebuilding.with_small_kernels`.
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
    from embzip.foreign.rebuilding import rebuild_keras

    copy: Model = rebuild_keras(
        model, embedding, codec, kernels=kernels, layer=layer, fold=bool(fold), seed=seed
    )
    return copy


def open_classifier(
    paths: Paths,
    *,
    head: str | None = None,
    labels: Sequence[str] | str | Path | None = None,
    tokenizer: Tokenizer | str | Path | None = None,
    max_length: int | None = None,
) -> TextClassifier:
    """Return the classifier of a file: ours, or a model of Keras or TensorFlow that reads texts.

    Parameters
    ----------
    paths, head
        As in `embzip.classifier.load_one`; several files, of either kind, are one ensemble.
    labels, tokenizer, max_length
        Of models of Keras and TensorFlow: as in `embzip.foreign.load_text_model`.

    Raises
    ------
    InputError
        For a model of Keras or TensorFlow without labels; otherwise as those two functions do.
    """
    files = paths_of(paths)
    if not any(map(is_foreign, files)):
        return load_one(paths, head=head)
    if len(files) > 1:
        members = [
            open_classifier(
                each, head=head, labels=labels, tokenizer=tokenizer, max_length=max_length
            )
            for each in files
        ]
        return Ensemble(members, names=[str(path) for path in files])
    (path,) = files
    if labels is None:
        raise InputError(
            f"{path}: a model of Keras or TensorFlow does not say what its outputs are called: "
            "give a file with one label a line, in the order of the outputs (--labels FILE)"
        )
    if head is not None:
        raise InputError(
            f"{path}: {head!r} names a classifier of a kit, and this is a file of Keras or "
            "TensorFlow"
        )
    from embzip.foreign import load_text_model

    return load_text_model(path, labels, tokenizer=tokenizer, max_length=max_length)


def is_foreign(path: str | Path) -> bool:
    """Return whether a path is a model of Keras or TensorFlow, by its content."""
    if os.path.isfile(path):
        return signature_of(path).kind in FOREIGN
    return saved_model_file(Path(path)) is not None


def export(
    model: Any,  # Classifier, Kit, or a table
    path: str | Path,
    *,
    to: str = "litert",
    **options: Any,
) -> "Export | ForeignExport | SourceExport | StaticModel":
    """Write a model, or what the .embz file of one holds, for a runtime without embzip.

    Parameters
    ----------
    to
        `litert`, `savedmodel`, `frozen` or `onnx`, see `embzip.tf.export.export` for the options;
        `javascript`, `html` or `c`, see `embzip.portable.exporting.export_source`; `model2vec` or
        `sentence-transformers`, which take tables too, see
        `embzip.static_models.export_static`. The first four take a model of Keras or TensorFlow
        too, by its path: see `embzip.foreign.export_model`.
    """
    if to.lower() in STATIC:
        return export_static(model, path, to=to, **options)
    if isinstance(model, str | Path) and is_foreign(model):
        from embzip.foreign import export_model as export_foreign

        return export_foreign(model, path, to=to, **options)
    loaded = read(model) if isinstance(model, str | Path) else model
    if to.lower() in SOURCES:
        told = facts_of(model) if isinstance(model, str | Path) else None
        return export_source(loaded, path, to=to, **{"facts": told, **options})
    from embzip.tf.export import export as export_model

    return export_model(loaded, path, to=to, **options)
