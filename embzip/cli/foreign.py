"""What `rebuild` does with files of TensorFlow and Keras."""

from pathlib import Path
from typing import Any

from embzip.cli.artefacts import present
from embzip.cli.terminal import progress, show, without_notices
from embzip.files import existing_file, output_path

_SUFFIXES = frozenset({".keras", ".h5", ".hdf5", ".pb", ".pbtxt", ".tflite", ".index", ".meta"})


def is_foreign(path: Path) -> bool:
    """Return whether a path looks like a file of TensorFlow or Keras, by names alone."""
    return path.suffix != ".embz" and (
        path.is_dir()
        or path.suffix in _SUFFIXES
        or any(Path(f"{path}{end}").exists() for end in (".index", ".meta"))
    )


def rebuild_foreign(
    path: Path,
    embedding: Path | None,
    codec: str | None,
    *,
    layer: str | None,
    nodes: list[str],
    fold: bool,
    seed: int,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Rebuild a file of TensorFlow or Keras, and say what came of it."""
    present(path)
    with without_notices():
        from embzip.foreign.formats.kinds import kind_of
        from embzip.foreign.rebuilding import rebuild_file
    from embzip.embz.format import load

    kind, own = kind_of(path)
    ends = {"keras": ".rebuilt.keras", "h5": ".rebuilt.keras", "savedmodel": ".rebuilt"}
    target = output_path(own, ends.get(kind, ".rebuilt.pb"), output, force=force)
    table = None if embedding is None else load(embedding)
    with progress("rebuilding"), without_notices():
        made = rebuild_file(
            own,
            target,
            embedding=table,
            codec=codec,
            layer=layer,
            outputs=nodes,
            fold=fold,
            seed=seed,
        )
    record = {
        "path": str(target),
        "format": made.format,
        "layer": made.layer,
        "codec": made.embedding.codec.spec,
        "rows": made.embedding.rows,
        "dim": made.embedding.dim,
        "bytes_before": made.bytes_before,
        "bytes_after": made.bytes_after,
    }
    show(
        record,
        f"{record['layer']}: {record['codec']}, {record['rows']:,} rows of {record['dim']}: "
        f"{made.bytes_before:,} -> {made.bytes_after:,} bytes\n{target}",
        as_json=as_json,
    )


def with_config(path: Path, config: Path) -> Any:
    """Return a classifier of embzip, as a .embz or .toml file says, with the weights of a file."""
    present(path)
    existing_file(config)
    from embzip.classifier import load_classifier
    from embzip.classifier.outlines import Outline, read_outline

    if config.suffix == ".toml":
        outline = read_outline(config)
    else:
        outline = Outline(load_classifier(config), {})
    with without_notices():
        from embzip.tf import with_variables

        return with_variables(outline.classifier, path, outline.names)


def foreign_bytes(path: Path) -> int:
    """Return the bytes on disk of a file of TensorFlow or Keras."""
    from embzip.foreign.inspecting import inspect

    return inspect(path).total
