"""Files written anew over a compressed table: of a table, a classifier, Keras and TensorFlow.

A size that is named, as in `auto:300KB`, is the written file's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from embzip.artefacts import inspect, kind_of
from embzip.classifier import Classifier, Kit, load_classifier
from embzip.classifier.loading import read
from embzip.classifier.outlines import Outline, read_outline
from embzip.classifier.rebuilding import bounded, on_table, table_for
from embzip.classifier.rebuilt_files import Rebuilt
from embzip.codecs.chain import Codec
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.embz.budgets import measured, most_of
from embzip.embz.format import save
from embzip.embz.inspecting import counts_bytes
from embzip.embz.meta import meta_of
from embzip.errors import InputError, OutputError
from embzip.evaluation.nearness import nearness
from embzip.files.signatures import signature_of
from embzip.files.writing import temporary_folder
from embzip.types import Progress

_ATTEMPTS = 16  # more than there are kinds of chains


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
    layer: str | Sequence[str] | None = None,
    every: bool = False,
    tied: bool = False,
    plain: bool = False,
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
    tuning: Tuning | None = None,
    pack: bool = False,
    meta: Mapping[str, str] | None = None,
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
        or a .toml file (`embzip.classifier.outlines`). The result is a .embz file. For an .h5 file
        of variables: the .json file with the architecture of their Keras model.
    every, tied, plain
        As in `embzip.foreign.rebuild_file`.
    outputs, inputs
        What a graph without signatures ends in, and nodes that are fed instead of computed.
    tuning, pack
        Of a classifier: fine-tune it afterwards; entropy code its file.
    meta
        Of a classifier: facts for its file, beside those in the one that is given.

    Raises
    ------
    InputError
        For options that this kind of file does not have, and as in `rebuild`.
    """
    foreign = kind_of(path)[0] != "embz"
    architecture = config if is_architecture(config) else None
    if foreign and (config is None or architecture is not None):
        if tuning is not None or pack or meta:
            raise InputError(f"{path}: tuning, packing and meta are for .embz files")
        from embzip.foreign import rebuild_file as rebuild_foreign

        way = partial(
            rebuild_foreign,
            layer=layer,
            every=every,
            tied=tied,
            plain=plain,
            kernels=kernels,
            architecture=architecture,
            outputs=outputs,
            inputs=inputs,
            fold=bool(fold),
            seed=seed,
        )
        if embedding is None and codec is not None and most_of(codec) is not None:
            if every or (layer is not None and not isinstance(layer, str)):
                raise InputError(f"{path}: a size is named for one table; name a codec for several")
            embedding, codec = _table_for_size(way, path, target, codec), None
        return way(path, target, embedding=embedding, codec=codec)
    if layer or every or tied or plain or outputs or inputs:
        raise InputError(
            f"{path}: layers and nodes are named, and --plain is given, for files of Keras and "
            "TensorFlow"
        )
    if config is not None and not foreign:
        raise InputError(
            f"{path}: a configuration is for variables in a file of TensorFlow or Keras"
        )
    old: Any = read(path) if config is None else _with_variables(config, path)
    chain = most = None
    if codec is not None:
        tuned_too = tuning is not None
        bound = bounded(old, codec, fold=fold is not False, kernels=kernels, tuned=tuned_too)
        chain, most = bound.codec, bound.most
    table = table_for(old, embedding, codec=chain, kernels=kernels, seed=seed)
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
    kept = {} if foreign else meta_of(path)
    save(model, target, pack=pack, most=most, meta={**kept, **(meta or {})})
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


def is_architecture(config: str | Path | None) -> bool:
    """Return whether a configuration is the architecture of a Keras model, a .json file."""
    return config is not None and Path(config).suffix.lower() == ".json"


def _table_for_size(
    way: Callable[..., Rebuilt], path: str | Path, target: str | Path, codec: str
) -> CompressedEmbedding:
    """Return a compressed table with which a foreign file has at most the bytes a codec names.

    What such a file takes beside its table, such as the nodes that decode it, is known once one is
    written: of each kind of chain that was tried, and of others that of the first.
    """
    rests: dict[tuple[str, ...], int] = {}

    def measure(chain: Codec, rows: int, dim: int) -> int:
        first = next(iter(rests.values()))
        return rests.get(_names(chain), first) + chain.layout(rows, dim).nbytes

    wanted = measured(codec, measure)
    sizes = []
    with temporary_folder() as folder:
        for attempt in range(_ATTEMPTS):
            trial = folder / f"{attempt}{Path(target).suffix}"
            made = way(path, trial, codec=wanted.codec if rests else "int8")
            table = made.embedding
            if table is None:
                raise OutputError(f"{path}: a size is named for a table, and none was compressed")
            if rests and made.bytes_after <= (wanted.most or 0):
                return table
            rests[_names(table.codec)] = made.bytes_after - table.nbytes
            sizes.append(made.bytes_after)
    raise OutputError(
        f"{target}: a file of {wanted.most:,} bytes was not reached: the smallest that was made "
        f"has {min(sizes):,}: name that size"
    )


def _names(chain: Codec) -> tuple[str, ...]:
    stages = [*(transform.stage for transform in chain.transforms), *chain.quantizer.stages]
    return tuple(stage.name for stage in stages)


def _with_variables(config: str | Path, path: str | Path) -> Classifier:
    """Return the classifier that a .embz or .toml file describes, with the variables of a file."""
    if signature_of(config).kind == "embz":
        outline = Outline(load_classifier(config), {})
    else:
        outline = read_outline(config)
    from embzip.tf import with_variables

    return with_variables(outline.classifier, path, outline.names)
