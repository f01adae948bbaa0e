"""Bytes, seconds and memory of slimming a TF1 checkpoint, and whether predictions stay equal.

`python -m scripts.bench_slim [--rows 220000]`: a shallow CNN over a 300-wide table, trained a step
with Adam and saved by `tf.compat.v1`, once with reference and once with resource variables; the
initial table stands in its graph. Every step runs in a process of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

_DIM, _LENGTH, _FILTERS, _WINDOWS, _CLASSES = 300, 50, 128, (1, 1, 2, 3), 4


def build(rows: int, *, resource: bool, initial: Any) -> tuple[Any, Any, Any]:
    """Return the placeholder of ids, the probabilities and the logits, in the default graph."""
    import tensorflow as tf

    v1 = tf.compat.v1
    ids = v1.placeholder(tf.int32, [None, _LENGTH], name="ids")
    shape = {} if initial is not None else {"shape": (rows, _DIM)}
    table = v1.get_variable("words", initializer=initial, use_resource=resource, **shape)
    looked_up = tf.nn.embedding_lookup(table, ids)
    features = []
    for number, window in enumerate(_WINDOWS):
        kernel = v1.get_variable(f"conv{number}", (window, _DIM, _FILTERS), use_resource=resource)
        convolved = tf.nn.conv1d(looked_up, kernel, 1, "VALID")
        features.append(tf.reduce_max(tf.nn.relu(convolved), axis=1))
    width = _FILTERS * len(_WINDOWS)
    dense = v1.get_variable("dense", (width, _CLASSES), use_resource=resource)
    logits = tf.matmul(tf.concat(features, axis=1), dense)
    return ids, tf.nn.softmax(logits, name="probs"), logits


def write(folder: Path, rows: int, *, resource: bool) -> None:
    """Train a step, save the checkpoint, and keep predictions beside it."""
    import tensorflow as tf

    v1 = tf.compat.v1
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), v1.Session() as session:
        values = tf.constant(rng.normal(size=(rows, _DIM)).astype(np.float32))
        ids, probabilities, logits = build(rows, resource=resource, initial=values)
        labels = v1.placeholder(tf.int32, [None], name="labels")
        loss = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        train = v1.train.AdamOptimizer().minimize(tf.reduce_mean(loss))
        session.run(v1.global_variables_initializer())
        batch = rng.integers(0, rows, (64, _LENGTH)).astype(np.int32)
        session.run(train, {ids: batch, labels: np.arange(64) % _CLASSES})
        (folder / "model").mkdir()
        v1.train.Saver().save(session, str(folder / "model" / "model"))
        np.save(folder / "ids.npy", batch)
        np.save(folder / "expected.npy", session.run(probabilities, {ids: batch}))


def check(folder: Path, path: Path, rows: int, *, resource: bool) -> None:
    """Exit with 1 where a slim file predicts anything else."""
    import tensorflow as tf

    v1 = tf.compat.v1
    batch, expected = np.load(folder / "ids.npy"), np.load(folder / "expected.npy")
    if path.is_dir():
        served = tf.saved_model.load(str(path)).signatures["serving_default"]
        found = served(ids=tf.constant(batch))["probs"].numpy()
    else:
        with tf.Graph().as_default(), v1.Session() as session:
            if path.suffix == ".pb":
                tf.graph_util.import_graph_def(v1.GraphDef.FromString(path.read_bytes()), name="")
            else:
                build(rows, resource=resource, initial=None)
                v1.train.Saver().restore(session, str(path))
            found = session.run("probs:0", {"ids:0": batch})
    difference = float(np.abs(found - expected).max())
    print("equal" if np.array_equal(found, expected) else f"{difference:.1e} apart")


def measured(command: list[str]) -> tuple[float, float, str]:
    """Run a process; return seconds, peak megabytes and what it printed."""
    started = perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\n{errors.read()[-2000:]}")
        return seconds, usage.ru_maxrss * 1024 / 1e6, out.read().strip()


def size(paths: list[Path]) -> int:
    """Return the bytes of files and of what folders hold."""
    files = [f for p in paths for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file()]
    return sum(file.stat().st_size for file in files)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=220_000)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--check", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--resource", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        return write(given.write, given.rows, resource=given.resource)
    if given.check:
        return check(given.check, given.path, given.rows, resource=given.resource)
    own = [sys.executable, "-m", "scripts.bench_slim", "--rows", str(given.rows)]
    slim = [sys.executable, "-m", "embzip", "slim"]
    print("| variables | slim | bytes before | after | seconds | peak MB | predictions |")
    print("|---|---|---|---|---|---|---|")
    for variables, option in (("reference", []), ("resource", ["--resource"])):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            measured([*own, "--write", name, *option])
            model = folder / "model"
            for to, end in (("checkpoint", ""), ("frozen", ".pb"), ("savedmodel", "")):
                target = folder / f"{to}{end}"
                cut = [] if to == "checkpoint" else ["--output", "probs"]
                seconds, peak, _ = measured(
                    [*slim, str(model), "--to", to, *cut, "-o", str(target)]
                )
                _, _, same = measured([*own, "--check", name, "--path", str(target), *option])
                written = [target] if target.exists() else list(folder.glob(f"{target.name}.*"))
                print(
                    f"| {variables} | {to} | {size([model]):,} | {size(written):,} | "
                    f"{seconds:.1f} | {peak:,.0f} | {same} |",
                    flush=True,
                )
    return None


if __name__ == "__main__":
    main()
