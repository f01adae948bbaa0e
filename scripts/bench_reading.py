"""How fast vectors are read, and in how much memory, beside gensim, fastText and NumPy.

`python -m scripts.bench_reading [--rows 200000] [--dim 300] [--only text ...]`: a table of random
numbers is written as word2vec text (plain and gzip), binary, .npy and fastText's .bin, and each
reader reads it in a process of its own, twice; the faster one counts. MB are of the file, of gzip
of what it expands to. Memory is the most that the process had resident above what it had before it
read, in parts of the matrix.
"""

import argparse
import gzip
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

# What stands before each reader: imports, and for ours what is compiled.
READERS = {
    "text": {
        "embzip": "embzip.read_vectors(path)",
        "gensim": "KeyedVectors.load_word2vec_format(path)",
        "numpy": "np.loadtxt(path, 'f4', skiprows=1, usecols=range(1, dim + 1), comments=None)",
    },
    "text.gz": {
        "embzip": "embzip.read_vectors(path)",
        "gensim": "KeyedVectors.load_word2vec_format(path)",
    },
    "binary": {
        "embzip": "embzip.read_vectors(path)",
        "gensim": "KeyedVectors.load_word2vec_format(path, binary=True)",
    },
    "npy": {
        "embzip": "embzip.read_vectors(path, words=path + '.txt').matrix.sum()",
        "numpy": "np.load(path).sum()",
    },
    "fasttext.bin": {
        "embzip": "embzip.read_vectors(path)",
        "fasttext": "fasttext.load_model(path)",
        "gensim": "load_facebook_vectors(path)",
    },
}
IMPORTS = {
    "embzip": "import embzip, embzip.vectors.decimals, embzip.vectors.subwords",
    "gensim": "from gensim.models import KeyedVectors\n"
    "from gensim.models.fasttext import load_facebook_vectors",
    "numpy": "import numpy as np",
    "fasttext": "import fasttext",
}
CHILD = """
import sys, time
from scripts.peaks import peak_growth
path, small, dim = sys.argv[1], sys.argv[2], int(sys.argv[3])
{imports}
def read(path):
    return {call}
read(small)  # what is compiled or cached is there now
grown = peak_growth()
start = time.perf_counter()
made = read(path)
seconds = time.perf_counter() - start
print(seconds, grown())
"""


def write(folder: Path, rows: int, dim: int, kinds: Sequence[str]) -> dict[str, Path]:
    """Write one table in some formats, and return the files."""
    matrix = np.random.default_rng(0).standard_normal((rows, dim), np.float32)
    words = [f"word{i}" for i in range(rows)]
    files = {kind: folder / f"table.{rows}.{kind}" for kind in READERS}
    line = "%s " + " ".join(["%.6g"] * dim) + "\n"
    if {"text", "text.gz"} & {*kinds}:
        with files["text"].open("w") as text:
            text.write(f"{rows} {dim}\n")
            for word, row in zip(words, matrix, strict=True):
                text.write(line % (word, *row.tolist()))
    if "text.gz" in kinds:
        with files["text"].open("rb") as plain, gzip.open(files["text.gz"], "wb", 1) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
    if "binary" in kinds:
        with files["binary"].open("wb") as binary:
            binary.write(f"{rows} {dim}\n".encode())
            for word, row in zip(words, matrix, strict=True):
                binary.write(word.encode() + b" " + row.tobytes())
    if "npy" in kinds:
        with files["npy"].open("wb") as array:
            np.save(array, matrix)
        Path(f"{files['npy']}.txt").write_text("\n".join(words) + "\n")
    if "fasttext.bin" in kinds:
        write_fasttext(files["fasttext.bin"], words, matrix)
    return files


def write_fasttext(path: Path, words: list[str], matrix: np.ndarray) -> None:
    """Write a model of words and as many buckets of n-grams, as fastText does."""
    rows, dim = matrix.shape
    with path.open("wb") as file:
        file.write(
            struct.pack("<2i12id", 793712314, 12, dim, 5, 5, 1, 5, 1, 2, 2, rows, 3, 6, 100, 0)
        )
        file.write(struct.pack("<3i2q", rows, rows, 0, rows, -1))
        for word in words:
            file.write(word.encode() + b"\0" + struct.pack("<qb", 1, 0))
        for tables in (2, 1):
            file.write(b"\0" + struct.pack("<2q", tables * rows, dim))
            for _ in range(tables):
                file.write(matrix.data)


def measure(reader: str, call: str, path: Path, small: Path, dim: int) -> tuple[float, int] | str:
    """Return seconds and bytes of the faster of two runs, or why there is none."""
    code = CHILD.format(imports=IMPORTS[reader], call=call)
    best: tuple[float, int] | None = None
    for _ in range(2):
        arguments = [sys.executable, "-c", code, str(path), str(small), str(dim)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
        seconds, nbytes = done.stdout.split()
        best = min(best or (np.inf, 0), (float(seconds), int(nbytes)))
    assert best is not None
    return best


def main() -> None:
    """Print a Markdown table, and the numbers as JSON with --json FILE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--only", nargs="*", choices=READERS, default=list(READERS))
    parser.add_argument("--readers", nargs="*", choices=IMPORTS, default=list(IMPORTS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    began, found = perf_counter(), []
    print("| file | reader | MB/s | seconds | memory / matrix |\n|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), arguments.rows, arguments.dim, arguments.only)
        small = write(Path(folder), 2000, arguments.dim, arguments.only)
        for kind in arguments.only:
            size = files[kind.removesuffix(".gz")].stat().st_size
            for reader, call in READERS[kind].items():
                if reader not in arguments.readers:
                    continue
                result = measure(reader, call, files[kind], small[kind], arguments.dim)
                if isinstance(result, str):
                    print(f"| {kind} | {reader} | {result} | | |")
                    continue
                seconds, nbytes = result
                share = nbytes / (4 * arguments.rows * arguments.dim)
                speed = size / seconds / 1e6
                print(f"| {kind} | {reader} | {speed:.0f} | {seconds:.2f} | {share:.2f} |")
                told = {"seconds": seconds, "bytes": nbytes, "size": size}
                found.append({"file": kind, "reader": reader, **told})
    print(f"\n{arguments.rows:,} x {arguments.dim}, {perf_counter() - began:.0f} s")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
