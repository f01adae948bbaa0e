"""Commands on files as they are, ours and TensorFlow's: inspect, slim."""

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.choices import CHOICE
from embzip.cli.parameters import Json, Whole
from embzip.cli.results import Result
from embzip.cli.terminal import load_quietly, show, without_notices
from embzip.files.outputs import FOLDER
from embzip.files.reading import existing_file
from embzip.inspection import size_change

if TYPE_CHECKING:
    from embzip.foreign.profiling import Profile

Artefact = Annotated[
    Path,
    Parameter(
        name="PATH",
        help="A .embz file; a checkpoint (folder, prefix or file), a SavedModel folder, a frozen "
        ".pb or .pbtxt, .h5, .keras or .tflite.",
    ),
]


_FORMATS = {".keras": "keras", ".h5": "h5", ".hdf5": "h5", ".pb": "frozen"}
_SMALL = 0.001  # of the file: tensors that are listed as one
_ENDS = {"keras": ".slim.keras", "frozen": ".slim.pb", "h5": ".slim.h5"}


def inspect(
    path: Artefact,
    /,
    *,
    profile: Annotated[Whole | None, Parameter(metavar="N")] = None,
    as_json: Json = False,
) -> None:
    """Show what a file holds and where its bytes go.

    The parts add up to the bytes on disk. MB = 10^6 bytes. TensorFlow's and Keras' files are
    parsed; nothing in them runs, but where --profile asks for it.

    Parameters
    ----------
    profile
        Run N synthetic inputs through a SavedModel, frozen graph or .tflite and list the slowest
        operators.
    """
    present(path)
    from embzip.artefacts import inspect, kind_of
    from embzip.artefacts import profile as time_operators

    with without_notices():
        timed = None if profile is None else time_operators(path, profile)
    with progress("reading"):
        if kind_of(path)[0] != "embz":
            load_quietly("embzip.foreign.inspecting")
        found = inspect(path)
    record = found.to_json()
    own = found.format == "embz"
    lines = _classifiers(path, record) if own else _graph(found.format, record)
    times = [] if timed is None else _profiled(timed, record)
    lines += [f"{part:<15} {size:>13,} bytes" for part, size in record["bytes"].items()]
    lines += _tensors(record["tensors"])
    show(record, *lines, *times, as_json=as_json)


def slim(
    path: Artefact,
    /,
    *,
    to: Annotated[Literal["checkpoint", "frozen", "savedmodel", "keras"] | None, CHOICE] = None,
    node: Annotated[list[str] | None, Parameter(name="--output", metavar="NAME")] = None,
    fed: Annotated[list[str] | None, Parameter(name="--input", metavar="NAME")] = None,
    output: Annotated[Path | None, Parameter(name="-o", metavar="FILE")] = None,
    force: bool = False,
    as_json: Json = False,
) -> None:
    """Write a file with only what inference needs.

    Optimizer slots, counters, training settings, initial values and the meta graph are left out;
    a graph keeps what --output needs, its constants folded and equal nodes merged. --to frozen or
    savedmodel takes a TF1 checkpoint with its .meta, a SavedModel, a frozen graph, a .keras or an
    .h5 file; --to checkpoint a SavedModel, --to keras an .h5 file. Of a checkpoint, -o names the
    prefix; of a SavedModel, a folder that is new. A frozen graph ends at 2 GB, the others do not.

    Without -o, NAME becomes NAME.slim.keras, .slim.h5, .slim.pb or NAME.slim in the current folder.

    Parameters
    ----------
    to
        Another format, where the file has what that needs.
    node
        What a graph ends in: a node, or an output of a SavedModel's signature. Repeatable.
    fed
        A node of the graph that becomes an input, as ids behind a text's preparation. Repeatable.
    output
        Where the result goes, replacing what is there.
    force
        Replace an existing file of the default name.
    """
    present(path)
    from embzip.artefacts import slim, slimmable

    kind, own = slimmable(path)
    made_of = to or kind
    formats = {end: name for end, name in _FORMATS.items() if name == made_of}
    formats |= {FOLDER: made_of} if made_of in ("checkpoint", "savedmodel") else {}
    formats |= _FORMATS if to is None else {}  # after the kind's own, which stands for no suffix
    end = _ENDS.get(made_of, ".slim")
    destination = Result(output, force, as_json)
    with (
        destination.writing([own, path], end, formats) as made,
        progress("slimming"),
        without_notices(),
    ):
        result = slim(path, made.path, to=made.format, outputs=node or (), inputs=fed or ())
    record = {
        "format": result.format,
        "bytes_before": result.bytes_before,
        "bytes_after": result.bytes_after,
        "dropped": list(result.dropped),
        "copied": result.copied,
    }
    before, after = result.bytes_before, result.bytes_after
    told = f"{before:,} -> {after:,} bytes, {len(result.dropped)} tensors left out, "
    told += size_change(before, after)
    if result.copied:
        told = f"{before:,} bytes, copied: it was slim already, and a new file would be larger"
    made.show(record, told)


def _tensors(tensors: list[dict[str, Any]]) -> list[str]:
    """Return a line a tensor; of several small ones, one line for all."""
    small = [tensor for tensor in tensors if tensor["share"] < _SMALL]
    if len(small) < 3:
        small = []
    lines = [
        f"  {tensor['name']:<28} {tensor['role']:<15} {tensor['dtype']:<7} "
        f"{'x'.join(map(str, tensor['shape'])) or '1':<14} {tensor['bytes']:>13,}  "
        f"{tensor['share']:.4f}"
        + (f"  packed, {tensor['unpacked_bytes']:,} in memory" if tensor["packed"] else "")
        for tensor in tensors
        if tensor not in small
    ]
    if small:
        nbytes = sum(tensor["bytes"] for tensor in small)
        told = f"{len(small):,} tensors below {_SMALL:.1%} of the file each"
        lines.append(f"  {told:<67} {nbytes:>13,}  {sum(each['share'] for each in small):.4f}")
    return lines


def _classifiers(path: Path, record: dict[str, Any]) -> list[str]:
    """Add the classifiers of a .embz file to its record, and return them as lines."""
    from embzip.classifier.loading import describe

    record["classifiers"] = describe(path) if record["heads"] else []
    lines = [f"{record['codec']}, {record['rows']:,} rows of {record['dim']}"]
    lines += [f"{key:<15} {value}" for key, value in record["meta"].items()]
    for each in record["classifiers"]:
        lines.append(
            f"classifier      {each['name'] or ''} {each['encoder']}, "
            f"{len(each['labels'])} labels, {each['bytes']:,} bytes"
        )
        lines += [f"  {_trained(run)}" for run in each["training"]]
    return lines


def _trained(run: dict[str, Any]) -> str:
    """Say how a classifier was trained, and on how many texts."""
    (texts, digest), (chosen, by) = run["training"], run["dev"]
    how = "held out" if run["held_out"] else "given"
    said = ("kind", "training", "dev", "held_out", "epochs", "best_epoch")
    options = ", ".join(f"{k} {_shown(v)}" for k, v in run.items() if k not in said)
    return (
        f"{run['kind']:<14}{texts:,} texts ({digest}), dev of {chosen:,} {how} ({by}), "
        f"epoch {run['best_epoch']} of {run['epochs']}, {options}"
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "-".join(f"{key}={_shown(each)}" for key, each in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _graph(kind: str, record: dict[str, Any]) -> list[str]:
    nodes = ", ".join(f"{count:,} {name}" for name, count in record["nodes"].items() if count)
    line = (
        f"{kind}, {len(record['files'])} files"
        + (f"; nodes: {nodes}" if nodes else "")
        + ("" if kind == "tflite" else _slimmed(record["slim_bytes"]))
    )
    return [line]


def _slimmed(nbytes: int) -> str:
    return f"; slimming would leave {nbytes:,} bytes of tensors"


def _profiled(timed: "Profile", record: dict[str, Any]) -> list[str]:
    """Add the times of operators to a record, and return them as lines."""
    record["profile"] = timed.to_json()
    return [
        f"{timed.total_ms:.3f} ms a run, {timed.inputs} inputs ({timed.method})",
        *(f"  {each.ms:>9.4f} ms  {each.kind:<20} {each.name}" for each in timed.operators[:20]),
    ]


def present(path: Path) -> None:
    """Say what is missing before TensorFlow takes its seconds."""
    if not path.is_dir() and not any(path.parent.glob(f"{glob.escape(path.name)}.*")):
        existing_file(path)
