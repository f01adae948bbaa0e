"""What is left of a file when its writer is killed, its disk is full, or eight write it at once.

    python -m scripts.faults
    python -m scripts.faults --kills 20 --pipelines 2 --disks 20 --rounds 5

Prints a Markdown table. `held` counts what ended as it must: the old file or the new one, whole,
and nothing left behind once the next save is done. All else is `broken`, and is said on stderr.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
AGAIN = 5  # kills of a run before it is let to its end
RECIPE = """\
seed = 0
[corpus]
train = "train.tsv"
test = "test.tsv"
[defaults]
vectors = "word2vec:8,epochs=1"
classifier = "cnn:4,windows=1,epochs=1,max_length=20"
tokenizer = "words:min_count=1"
[[candidate]]
name = "whole"
codec = "float32"
[[candidate]]
name = "small"
codec = "int8"
[report]
controls = false
"""
# A child that saves two tables in turn, for as long as it is let, and says so after each.
SAVING = """
import sys, numpy as np, embzip
tables = [embzip.compress(np.full((20000, 8), float(v)), "float32") for v in sys.argv[2:]]
while True:
    for table in tables:
        embzip.save(table, sys.argv[1])
        sys.stdout.write(".")
        sys.stdout.flush()
"""
RUNNING = "import sys; from embzip.pipeline import run; run(sys.argv[1], sys.argv[2])"
# What writes each kind of file, by the name of the file. A process that may write no file of more
# bytes than a limit fails as on a full disk; sources are made before the limit is set.
WRITING = """
import resource, sys, numpy as np, embzip
from embzip.embz.format import save
from embzip.vectors.base import Vectors
from embzip.vectors.converting import write_vectors
from embzip.vocabulary import Vocabulary
path, limit = sys.argv[1], int(sys.argv[2])
words = [f"word{i}" for i in range(3000)]
vectors = Vectors(Vocabulary(words), np.ones((3000, 8), np.float32), None, None)
if path.endswith((".h5", ".pb", "saved")):
    import keras
    from embzip.foreign import slim
    layers = [keras.layers.Input((4,), dtype="int32"), keras.layers.Embedding(3000, 8)]
    keras.Sequential([*layers, keras.layers.Dense(2)]).save(path + ".source.h5")
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    if path.endswith(".embz"):
        save(embzip.compress(vectors, "float32"), path)
    elif path.endswith((".vec", ".bin")):
        write_vectors(vectors, path, binary=path.endswith(".bin"))
    else:
        to = {"5": "h5", "b": "frozen", "d": "savedmodel"}[path[-1]]
        slim(path + ".source.h5", path, to=to)
except embzip.EmbzipError as error:
    print(type(error).__name__, error)
"""


def main() -> None:
    """Run all faults and print how often each was held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="saves that are killed")
    parser.add_argument(
        "--pipelines", type=int, default=50, help="runs of a recipe that are killed"
    )
    parser.add_argument("--disks", type=int, default=60, help="writes to a disk that becomes full")
    parser.add_argument("--rounds", type=int, default=50, help="saves of each of 8 writers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| fault | tried | held | broken |\n|---|---|---|---|")
    for name, tried, outcomes in (
        ("a save is killed", options.kills, killed_saves),
        ("a run of a recipe is killed", options.pipelines, killed_pipelines),
        ("the disk is full", options.disks, full_disks),
        ("8 threads save and load one file", options.rounds, threads),
        ("8 processes save and load one file", options.rounds, processes),
    ):
        with tempfile.TemporaryDirectory() as folder:
            rng = random.Random(options.seed)
            counts = Counter(outcomes(Path(folder), tried, rng) if tried else ())
        print(f"| {name} | {counts.total()} | {counts[True]} | {counts[False]} |", flush=True)


def killed_saves(folder: Path, tried: int, rng: random.Random) -> Iterator[bool]:
    """Kill a process that saves two tables in turn; the file must hold one of them."""
    import embzip

    path = folder / "table.embz"
    for _ in range(tried):
        child = subprocess.Popen(
            [sys.executable, "-c", SAVING, path, "1", "2"], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert child.stdout is not None
        child.stdout.read(1)
        time.sleep(rng.uniform(0, 0.02))
        child.kill()
        child.wait()
        child.stdout.close()
        found = embzip.load(path)[[0, 19999]]
        yield _held(bool((found == found[0, 0]).all()) and found[0, 0] in (1, 2), path)
    for leftover in folder.glob(".*"):
        os.utime(leftover, (0, 0))
    embzip.save(embzip.load(path), path)
    yield _held([each.name for each in folder.iterdir()] == ["table.embz"], folder)


def killed_pipelines(folder: Path, tried: int, rng: random.Random) -> Iterator[bool]:
    """Kill runs of a recipe and start them again; what they end with must be what one run makes."""
    from embzip.pipeline import run

    for side, page in (("train", "README.md"), ("test", "CONTRIBUTING.md")):
        lines = [line for line in (ROOT / page).read_text("utf-8").splitlines() if line.strip()]
        (folder / f"{side}.tsv").write_text(
            "".join(f"{'ab'[len(line) % 2]}\t{line}\n" for line in lines), "utf-8"
        )
    recipe, directory = folder / "recipe.toml", folder / "killed"
    recipe.write_text(RECIPE)
    started = time.perf_counter()
    expected = run(recipe, folder / "whole")
    longest = time.perf_counter() - started
    for first in range(0, tried, AGAIN):
        group = min(AGAIN, tried - first)
        for _ in range(group):
            child = subprocess.Popen(
                [sys.executable, "-c", RUNNING, recipe, directory],
                cwd=ROOT, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(rng.uniform(0, longest))
            child.kill()
            child.wait()
        found = run(recipe, directory)
        sizes = [[each["bytes"] for each in record["candidates"]] for record in (found, expected)]
        left = list(directory.glob("steps/.*"))
        yield from [_held(sizes[0] == sizes[1] and not left, (sizes, left))] * group
        shutil.rmtree(directory)


def full_disks(folder: Path, tried: int, rng: random.Random) -> Iterator[bool]:
    """Write files of every kind where there is too little room; the old one must be untouched."""
    names = ["table.embz", "table.vec", "table.bin", "model.h5", "model.pb", "saved"]
    sizes = {}
    for name in names[: max(1, min(tried, len(names)))]:
        _write(folder / name, 0)
        files = [folder / name, *(folder / name).rglob("*")]
        sizes[name] = max(file.stat().st_size for file in files if file.is_file())
    before = _contents(folder)
    for turn in range(tried):
        name = names[turn % len(sizes)]
        said = _write(folder / name, rng.randrange(1, sizes[name]))
        yield _held(
            said.startswith(f"OutputError {folder / name}: ")
            and said.count("\n") == 1
            and _contents(folder) == before,
            said,
        )


def threads(folder: Path, tried: int, rng: random.Random) -> Iterator[bool]:
    """Save and load one file from eight threads; every load must be whole."""
    from concurrent.futures import ThreadPoolExecutor

    del rng
    with ThreadPoolExecutor(8) as pool:
        for held in pool.map(_save_and_load, [folder / "table.embz"] * 8 * tried, range(8 * tried)):
            yield _held(held, folder)
    yield _held(len(list(folder.iterdir())) == 1, folder)


def processes(folder: Path, tried: int, rng: random.Random) -> Iterator[bool]:
    """Save and load one file from eight processes; every load must be whole."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    del rng
    with ProcessPoolExecutor(8, get_context("spawn")) as pool:
        for held in pool.map(_save_and_load, [folder / "table.embz"] * 8 * tried, range(8 * tried)):
            yield _held(held, folder)
    yield _held(len(list(folder.iterdir())) == 1, folder)


def _save_and_load(path: Path, number: int) -> bool:
    import numpy as np

    import embzip

    embzip.save(embzip.compress(np.full((500, 8), number % 8 + 1.0), "float32"), path)
    found = embzip.load(path)[:]
    return bool((found == found[0, 0]).all()) and found[0, 0] in range(1, 9)


def _write(path: Path, limit: int) -> str:
    return subprocess.run(
        [sys.executable, "-c", WRITING, path, str(limit)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    ).stdout  # fmt: skip


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".source.h5")
    }


def _held(held: bool, what: object) -> bool:
    if not held:
        print(f"broken: {what}", file=sys.stderr)
    return held


if __name__ == "__main__":
    main()
