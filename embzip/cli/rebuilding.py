"""The command that rebuilds a classifier on another table: ours, and files of TensorFlow."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from embzip.cli.array_comparing import told_of
from embzip.cli.artefacts import present
from embzip.cli.bars import progress
from embzip.cli.parameters import (
    ColumnOptions,
    Errors,
    Input,
    Meta,
    Pack,
    Seed,
    UsageError,
    facts_of,
)
from embzip.cli.results import EMBZ, Result
from embzip.cli.terminal import load_quietly, without_notices
from embzip.corpus import read_examples
from embzip.errors import InputError
from embzip.files.outputs import FOLDER
from embzip.files.places import EMBZ_FILE, EXAMPLES, GRAPH, INPUTS, check_places
from embzip.inspection import size_change
from embzip.seeds import check_seed

if TYPE_CHECKING:
    from embzip.classifier.rebuilt_files import Rebuilt, RebuiltKernels
    from embzip.foreign.decoding_weights import DecodingWeight

_KERAS = {".keras": "keras"}
_GRAPH = {".pb": "frozen", FOLDER: "savedmodel"}
_NAMED = 4  # layers of one reason that a line names
# What a result may be, by the kind of the input, and its default name.
_FORMATS = {
    "embz": (EMBZ, ".rebuilt.embz"),
    "keras": (_KERAS, ".rebuilt.keras"),
    "h5": (_KERAS, ".rebuilt.keras"),
    "savedmodel": (_GRAPH, ".rebuilt"),
    "tflite": ({".tflite": "litert"}, ".rebuilt.tflite"),  # refused, with the reason
}


def rebuild(
    model: Annotated[Path, Parameter(name="MODEL")],
    /,
    *,
    embedding: Annotated[Path | None, Parameter(metavar="E.embz")] = None,
    codec: Annotated[str | None, Parameter(metavar="SPEC")] = None,
    fold: Annotated[bool | None, Parameter(negative="--no-fold")] = None,
    layer: Annotated[list[str] | None, Parameter(metavar="NAME")] = None,
    every: Annotated[bool, Parameter(name="--all")] = False,
    tied: bool = False,
    plain: bool = False,
    node: Annotated[list[str] | None, Parameter(metavar="NAME")] = None,
    fed: Annotated[list[str] | None, Parameter(name="--input", metavar="NAME")] = None,
    inputs: Annotated[Path | None, Parameter(metavar="X.npz")] = None,
    against: Annotated[Path | None, Parameter(metavar="OTHER")] = None,
    config: Annotated[Path | None, Parameter(name="--model", metavar="CONFIG")] = None,
    tune: Annotated[Input | None, Parameter(metavar="TRAIN.tsv")] = None,
    tune_params: bool = False,
    quantize_kernels: bool = False,
    kernels: str | None = None,
    seed: Seed = 0,
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    meta: Meta = (),
    pack: Pack = False,
    result: Result = Result(),
) -> None:
    """Put a compressed table under a trained classifier.

    The embedding layer is regenerated: give exactly one of --embedding and --codec; or --kernels
    alone, which stores the kernels anew. Rows are
    matched by token: the new vocabulary must be the same or a part of it, of the same tokenizer.
    Codes stay codes; a row is decoded when it is looked up. Of a kit, all classifiers are rebuilt
    on one table.

    Of a file of Keras or TensorFlow, the Embedding layer or the gathers of the table are replaced;
    --embedding must have its shape, and rows keep their order. Keras files become .keras, which
    loads after `import embzip.tf`; graphs a frozen .pb where -o ends so, or a SavedModel folder.

    A checkpoint without .meta has no graph. With --model its variables become those of a classifier
    of embzip, and the result is a .embz. CONFIG is such a classifier, of which configuration,
    tokenizer and labels are kept, or a .toml file with tokenizer, labels, classifier, max_length,
    dim and, where names leave it open, [variables]. Row i of the table belongs to id i.

    Without -o, NAME.embz becomes NAME.rebuilt.embz in the current folder.

    Parameters
    ----------
    model
        A classifier's .embz; or a .keras, .h5, SavedModel folder, frozen .pb, or TF1 checkpoint
        with its .meta.
    embedding
        The compressed table to build on.
    codec
        Compress the model's own table by a chain such as 'svd:64|int8': {stages}. `embzip codecs`
        explains each. The size of auto:300KB is the file's.
    fold
        Merge linear decoding into the layers that read the table. Done for .embz files by default,
        for Keras files where asked for.
    layer
        Of another file: the Embedding layer, or the graph's table, where not the only. Repeatable.
    every
        Of another file: compress every table, by --codec.
    tied
        Of another file: decode the whole table, at each run, for what needs it whole.
    plain
        Of a Keras file: write Keras' own layers alone, which open without embzip. For codecs of
        float32, int8 or int4:scale=column, behind svd or center or not.
    node
        What a graph without signatures ends in.
    fed
        A node of the graph that becomes an input, as ids behind a text's preparation. Repeatable.
    inputs
        Of another file: arrays by the names of its inputs, or texts, one a line, on which the
        result is compared with it, as by `embzip compare --inputs`.
    against
        With --inputs: another model than the given one to compare the result with.
    config
        For a checkpoint without .meta: the classifier of embzip that its variables are of, a .embz
        or a .toml file. For an .h5 file of variables: their architecture, model.to_json() in a
        .json file.
    tune
        Fine-tune everything but the codes on these examples; kept where a tenth of them, held out,
        says it helps.
    tune_params
        --tune moves what rows share too: centroids, codebooks, components, means.
    quantize_kernels
        --tune sees kernels as int8 makes them, and leaves them ready for it. With --kernels int8,
        int4 or int2 it always sees them as that form does.
    kernels
        Store convolution and dense kernels as float32, float16, int8, int4 or int2, and biases as
        float16 with all but the first; as before where not given. Alone it keeps the table. Of
        another file int8, a scale a channel, or float16: dense, convolution, recurrent and
        attention kernels, read as float32 where the model runs; biases stay.
    """
    both, neither = None not in (embedding, codec), embedding is None and codec is None
    if both or (neither and kernels is None):
        raise UsageError("give exactly one of --embedding and --codec, or --kernels without them")
    if tune is None and (tune_params or quantize_kernels):
        raise UsageError("--tune-params and --quantize-kernels need --tune TRAIN.tsv")
    if against is not None and inputs is None:
        raise UsageError("--against needs the arrays to compare on, --inputs X.npz")
    from embzip.classifier.storage import storage
    from embzip.codecs import parse_codec

    # What cannot be is refused before TensorFlow is loaded.
    check_seed(seed)
    parse_codec(codec or "float32")
    storage(kernels or "float32")
    present(model)
    check_places((embedding, EMBZ_FILE), (tune, EXAMPLES), (inputs, INPUTS), (against, GRAPH))
    from embzip.artefacts import kind_of
    from embzip.embz.format import load
    from embzip.rewriting import Tuning, is_architecture, rebuild_file

    with without_notices():  # TensorFlow reads which checkpoint of a folder is the latest
        kind, own = kind_of(model)
    if kind == "checkpoint" and config is None and str(result.output).lower().endswith(".embz"):
        raise InputError(
            f"{own}: a checkpoint has no graph of embzip's: pass the classifier that its variables "
            "are of too, --model CLASSIFIER.embz"
        )
    ours = config is not None and not is_architecture(config)
    if inputs is not None and (kind == "embz" or config is not None):
        raise InputError(
            f"{own}: --inputs is for models of Keras and TensorFlow: `embzip evaluate AFTER "
            "TEST.tsv --against BEFORE` compares .embz files"
        )
    formats, end = _FORMATS.get("embz" if ours else kind, (_GRAPH, ".rebuilt.pb"))
    tuning = None
    with (
        result.writing(
            [own, model, embedding, config, tune, inputs, against],
            end,
            formats,
            marker="saved_model.pb",
        ) as output,
        progress("rebuilding", lines=tune is not None, loading="TensorFlow" * bool(tune)) as report,
    ):
        if kind != "embz" or tune is not None:
            load_quietly("embzip.layers")
        if tune is not None:
            examples = read_examples(tune, errors=errors, columns=columns.columns)
            tuning = Tuning(examples, params=tune_params, quantize=quantize_kernels)
        reference = None
        if inputs is not None:  # what does not fit the model is said before the work
            from embzip.foreign.comparing import Reference

            ends, starts = ((), ()) if against else (node or (), fed or ())
            with without_notices():
                reference = Reference(against or own, inputs, nodes=ends, fed=starts)
        made = rebuild_file(
            own,
            output.path,
            None if embedding is None else load(embedding),
            config=config,
            codec=codec,
            kernels=kernels,
            fold=fold,
            layer=layer[0] if layer and len(layer) == 1 else layer,
            every=every,
            tied=tied,
            plain=plain,
            outputs=node or (),
            inputs=fed or (),
            tuning=tuning,
            pack=pack,
            meta=facts_of(meta),
            seed=seed,
            progress=report,
        )
        with without_notices():
            decodings = _decodings(made)
            compared = None if reference is None else reference.compared_with(output.path)
    record: dict[str, object] = {**made.to_json(), "decoding": [asdict(each) for each in decodings]}
    lines = [_told(made), *(each.sentence for each in decodings)]
    if compared is not None:
        record["compared"] = compared.to_json()
        lines += told_of(compared)
    output.show(record, *lines)


def _decodings(made: "Rebuilt") -> "tuple[DecodingWeight, ...]":
    """Return where decoding takes more of a graph than codes do."""
    if made.format not in _GRAPH.values():
        return ()
    from embzip.foreign.decoding_weights import heavy_decodings

    found = [(made.layer or "table", made.embedding)]
    found += [(each.layer, each.embedding) for each in made.more]
    tables = [(layer, table) for layer, table in found if table is not None]
    return heavy_decodings(tables, made.format)


def _left(kernels: "RebuiltKernels") -> str:
    """Return which layers keep their kernels, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for each in kernels.left:
        reasons.setdefault(each.why, []).append(repr(each.layer))
    told = []
    for why, layers in reasons.items():
        more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
        told.append(f"{', '.join(layers[:_NAMED])}{more} ({why})")
    return f"; kept in float32: {', '.join(told)}" if told else ""


def _told(made: "Rebuilt") -> str:
    """Return the sizes before and after, and how far the table is from the one before."""
    from embzip.classifier.rebuilt_files import LOW_SNR_DB

    table, kernels = made.embedding, made.kernels
    text = f"{made.layer}: " if made.layer else ""
    if table is not None:
        text += f"{table.codec.spec}, {table.rows:,} rows of {table.dim}"
    if kernels is not None:
        text += (", " if text else "") + f"kernels {kernels.form}, {kernels.bytes_before:,} -> "
        text += f"{kernels.bytes_after:,} bytes"
    text += f": {made.bytes_before:,} -> "
    if made.training_bytes:
        text += f"{made.kept_bytes:,} bytes without what only training needs -> "
    text += f"{made.bytes_after:,} bytes, {size_change(made.kept_bytes, made.bytes_after)}"
    if made.counts_bytes:
        text += f", {made.counts_bytes:,} bytes of row counts left out of both"
    if made.snr_db is not None:
        text += f"; table SNR {made.snr_db:.1f} dB" if made.snr_db < math.inf else "; table exact"
    if kernels is not None:
        text += _left(kernels)
    for each in made.more:
        small = each.embedding
        text += f"; {each.layer}: {small.codec.spec}, {small.rows:,} rows of {small.dim}, "
        text += f"SNR {each.snr_db:.1f} dB" if each.snr_db < math.inf else "exact"
    if made.low_snr:
        text += f", below {LOW_SNR_DB:.0f} dB: labels may change, so compare them on your texts"
    if made.tuned is False:
        text += "; tuning did not help on dev, so the untuned model is kept"
    return text
