"""Speed and memory of the codecs, beside bare NumPy: one Markdown table.

    python -m scripts.bench_speed
    python -m scripts.bench_speed --only memory --rows 10000000 --codecs int8 --folder /big/disk

Every figure comes from a fresh process of one thread (`scripts.bench_speed_child`), which also says
what the bare versions do. Times are medians of interleaved rounds. Memory is the largest RssAnon
while a memory-mapped table is compressed, without the codes and without what imports took; the
table's pages belong to the file and are not in it. Tables are generated.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from embzip import save
from embzip.codecs import parse_codec
from embzip.embedding import CompressedEmbedding

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_DIM = 300
_BLOCK = 50_000
_LOADED_BYTES = 5_000_000_000


def main() -> None:
    """Run what is asked for and print a row for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {"tcq": _tcq, "int8": _int8, "svd": _svd, "memory": _memory, "load": _load}
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the mapped 300-wide table")
    parser.add_argument("--codecs", nargs="+", default=["int8", "svd:64|int8", "svd|tcq:1"])
    parser.add_argument("--folder", type=Path, help="where mapped tables are written meanwhile")
    arguments = parser.parse_args()
    print("| what | figure | goal |")
    print("|---|---|---|")
    for name in arguments.only:
        for row in parts[name](arguments):
            print(f"| {row} |", flush=True)


def _tcq(arguments: argparse.Namespace) -> Iterator[str]:
    for bits in (1, 2, 4):
        found, _ = _child("tcq", bits=bits, rounds=arguments.rounds)
        at = f"100,000 x 100, {bits} bit{'s' * (bits > 1)}"
        yield f"tcq, encode, {at} | {found['encode']:,.0f} rows/s | 50,000"
        yield f"tcq, decode, {at} | {found['decode']:,.0f} rows/s | 1,000,000"
        yield f"svd\\|tcq, decode, {at} | {found['decode_svd']:,.0f} rows/s |"
        yield f"svd\\|tcq, 8,192 random ids, {at} | {found['by_ids']:,.0f} rows/s | 1,000,000"


def _int8(arguments: argparse.Namespace) -> Iterator[str]:
    for rows, dim in ((400_000, 50), (100_000, 300)):
        found, _ = _child("int8", rows=rows, dim=dim, rounds=arguments.rounds)
        yield f"int8 / two bare passes, {_against(found, rows, dim)} | 1.5"


def _svd(arguments: argparse.Namespace) -> Iterator[str]:
    for rows, dim in ((400_000, 100), (100_000, 300)):
        found, _ = _child("svd", rows=rows, dim=dim, rounds=arguments.rounds)
        yield f"svd:64 / bare Gram and projection, {_against(found, rows, dim)} | 1.3"


def _against(found: dict[str, Any], rows: int, dim: int) -> str:
    ours, bare = found["ours"], found["bare"]
    return f"{rows:,} x {dim} | {ours / bare:.2f} ({ours:.3f} s / {bare:.3f} s)"


def _memory(arguments: argparse.Namespace) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder, "table.npy")
        for rows in (arguments.rows // 2, arguments.rows):
            _write_table(path, rows)
            for spec in arguments.codecs:
                found, samples = _child("compress", path=str(path), spec=spec)
                # While it is fitted there are no codes yet.
                fitting = [mb for at, mb in samples if at < found["encoding"]]
                encoding = max(mb for _, mb in samples) - found["nbytes"] / 1e6
                own = max(encoding, *fitting) - found["before"]
                shown = spec.replace("|", "\\|")
                at = f"{shown}, {rows:,} x {_DIM} mapped"
                seconds, cpu = (found[key] / rows * 1e6 for key in ("seconds", "cpu"))
                yield f"{at}, own memory | {own:,.0f} MB | 300"
                yield f"{at}, seconds a million rows | {seconds:.2f} ({cpu:.2f} of processor) |"


def _load(arguments: argparse.Namespace) -> Iterator[str]:
    rows = _LOADED_BYTES // (4 * _DIM)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        source, path = Path(folder, "table.npy"), Path(folder, "table.embz")
        _write_table(source, rows)
        # The codes of `float32` are the table, so what is saved can be the mapped file.
        codes = {"values": np.load(source, mmap_mode="r")}
        save(CompressedEmbedding(parse_codec("float32"), codes, {}, rows, _DIM), path)
        source.unlink()
        found, _ = _child("load", path=str(path))
    yield f"load(mmap=True) of {rows:,} x {_DIM} | {found['seconds']:.4f} s | 0.1"
    yield f"the same, RSS over import | {found['rss']:.1f} MB | 50"


def _write_table(path: Path, rows: int) -> None:
    """Write (rows, 300) float32: one block of rows over and over, each time a little longer."""
    rng = np.random.default_rng(0)
    block = rng.normal(size=(_BLOCK, _DIM)).astype(np.float32)
    block *= rng.gamma(8, 1 / 8, size=(_BLOCK, 1)).astype(np.float32)
    block *= np.linspace(1, 0.4, _DIM, dtype=np.float32)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, _DIM)}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, rows, _BLOCK):
            part = block[: rows - first] * np.float32(1 + first / rows)
            file.write(part.data)


def _child(name: str, **request: Any) -> tuple[dict[str, Any], list[tuple[float, float]]]:
    """Return what a child measured, and its RssAnon: (monotonic seconds, MB of 10^6 bytes)."""
    environment = {**os.environ, **dict.fromkeys(_THREADS, "1")}
    command = [sys.executable, "-m", "scripts.bench_speed_child", name, json.dumps(request)]
    samples = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        while process.poll() is None:
            samples.append((time.monotonic(), rss_anon(process.pid) / 1e6))
            time.sleep(0.002)
        if process.returncode != 0 or process.stdout is None:
            raise SystemExit(f"{' '.join(command)}: ended with status {process.returncode}")
        return json.loads(process.stdout.read()), samples


def rss_anon(pid: int | str = "self") -> int:
    """Return the bytes of a process's anonymous resident memory; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = (line.split() for line in status.splitlines())
    return next((1024 * int(line[1]) for line in lines if line[0] == "RssAnon:"), 0)


if __name__ == "__main__":
    main()
