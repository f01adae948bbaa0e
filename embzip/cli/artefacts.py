"""Commands on files as they are, ours and TensorFlow's: inspect, slim."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from embzip.cli.terminal import (
    ForceOption,
    JsonOption,
    progress,
    show,
    without_notices,
)
from embzip.files import existing_file, output_path

ArtefactArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A .embz file; a checkpoint (folder, prefix or file), a SavedModel folder, a frozen "
        ".pb or .pbtxt, .h5, .keras or .tflite.",
        show_default=False,
    ),
]


SlimOutputOption = Annotated[
    Path | None,
    typer.Option("-o", metavar="FILE", help="Where the result goes, replacing what is there."),
]


def inspect(path: ArtefactArgument, as_json: JsonOption = False) -> None:
    """Show what a file holds and where its bytes go.

    The parts add up to the bytes on disk. MB = 10^6 bytes. TensorFlow's and Keras' files are
    parsed; nothing in them runs.
    """
    with progress("reading"):
        record, headline = _ours(path) if path.suffix == ".embz" else _foreign(path)
    lines = [headline]
    lines += [f"{part:<15} {size:>13,} bytes" for part, size in record["bytes"].items()]
    lines += [
        f"  {tensor['name']:<28} {tensor['role']:<15} {tensor['dtype']:<7} "
        f"{'x'.join(map(str, tensor['shape'])) or '1':<14} {tensor['bytes']:>13,}  "
        f"{tensor['share']:.4f}"
        + (f"  packed, {tensor['unpacked_bytes']:,} in memory" if tensor.get("packed") else "")
        for tensor in record["tensors"]
    ]
    show(record, "\n".join(lines), as_json=as_json)


def slim(
    path: ArtefactArgument,
    to: Annotated[
        Literal["same", "frozen"],
        typer.Option("--to", help="The same format, or a frozen graph from a TF1 checkpoint."),
    ] = "same",
    node: Annotated[
        list[str] | None,
        typer.Option("--output", metavar="NAME", help="A node the frozen graph ends in."),
    ] = None,
    output: SlimOutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a file with only what inference needs.

    A .keras or .h5 file, or a checkpoint; a TF1 checkpoint with its .meta also becomes a frozen
    graph, cut down to what --output needs.

    Optimizer slots, counters, training settings, initial values and the meta graph are left out.
    Weights are the same bytes. A checkpoint stays a checkpoint: -o names its prefix.

    Without -o, NAME becomes NAME.slim.keras, NAME.slim.h5 or NAME.slim in the current folder.
    """
    with without_notices():
        from embzip.tf.artefacts import kind_of
        from embzip.tf.artefacts.slimming import freeze_checkpoint, slim

    kind, own = kind_of(path)
    if node and to != "frozen":
        raise typer.BadParameter("--output names a node of a frozen graph: it needs --to frozen")
    suffix = ".pb" if to == "frozen" else ".slim" if kind == "checkpoint" else f".slim{own.suffix}"
    target = output_path(own, suffix, output, force=force)
    with progress("slimming"):
        frozen = to == "frozen"
        result = freeze_checkpoint(own, target, node or ()) if frozen else slim(own, target)
    record = {
        "path": str(target),
        "format": result.format,
        "bytes_before": result.bytes_before,
        "bytes_after": result.bytes_after,
        "dropped": list(result.dropped),
    }
    show(
        record,
        f"{result.bytes_before:,} -> {result.bytes_after:,} bytes, {len(result.dropped)} tensors "
        f"left out\n{target}",
        as_json=as_json,
    )


def _ours(path: Path) -> tuple[dict[str, Any], str]:
    from embzip.classifier.kit import describe
    from embzip.inspection import inspect

    record = inspect(path)
    record["classifiers"] = describe(path) if record["heads"] else []
    lines = [f"{record['codec']}, {record['rows']:,} rows of {record['dim']}"]
    lines += [
        f"classifier      {each['name'] or ''} {each['encoder']}, {len(each['labels'])} labels, "
        f"{each['bytes']:,} bytes"
        for each in record["classifiers"]
    ]
    return record, "\n".join(lines)


def _foreign(path: Path) -> tuple[dict[str, Any], str]:
    if not path.is_dir() and not Path(f"{path}.index").exists():
        existing_file(path)  # what is missing is said before TensorFlow takes its seconds
    with without_notices():
        from embzip.tf.artefacts import inspect

    record = inspect(path).to_json()
    nodes = ", ".join(f"{count:,} {kind}" for kind, count in record["nodes"].items() if count)
    return record, (
        f"{record['format']}, {len(record['files'])} files"
        + (f"; nodes: {nodes}" if nodes else "")
        + f"; slimming would leave {record['slim_bytes']:,} bytes"
    )
