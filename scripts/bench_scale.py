"""What a Dask cluster on this machine takes for work over blocks, beside the plain loop.

    python -m scripts.bench_scale data -o bench/scale
    python -m scripts.bench_scale data -o bench/scale --memory --rows 10000000

Jobs: words counted, and texts turned into ids of words and of BPE pieces, in all training texts
of `data`, repeated to `--megabytes`; a mapped table of `--rows` x 300 encoded as `svd|tcq:1`
(fitting included). Each is run as a plain loop in a process of its own, on a cluster of one
process, and on one of two, three times; medians. Every process has one thread, YouTokenToMe too.
The cluster stands before the time is taken; `start` says how long that took. `two threads` is the
plain loop where libraries may use both cores. CPU is that of the client, with Dask's scheduler in
it, and of the workers, for two of them; MB are sent to and from workers.

With `--memory` the table is encoded once, as `--codec`, by two workers that Dask ends above 1 GB.
"""

import argparse
import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from embzip.threads import ONE_THREAD

DIM, RUNS = 300, 3
JOBS = ("count", "words", "pieces", "encode")


def main() -> None:
    """Print a table of times, or of memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/train.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--jobs", nargs="+", default=JOBS, choices=JOBS)
    parser.add_argument("--megabytes", type=int, default=60, help="of text")
    parser.add_argument("--rows", type=int, default=1_200_000)
    parser.add_argument("--codec", default="svd|tcq:1")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--alone", choices=JOBS, help="one plain run: its seconds")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.alone:
        job = job_of(given.alone, given)
        job()
        print(statistics.median(timed(job) for _ in range(RUNS)))
    elif given.memory:
        print(bounded(given))
    else:
        os.environ.update(ONE_THREAD)
        print(HEAD)
        for name in given.jobs:
            print(line(name, given), flush=True)


HEAD = (
    "| job | plain s | one worker s | two workers s | two threads s | two over one "
    "| two over plain | one over plain | client CPU s | worker CPU s | MB out | MB back "
    "| start s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(name: str, given: argparse.Namespace) -> str:
    """Return what a job takes, as a row of the table."""
    from embzip.engine import on_cluster

    plain = alone(name, ONE_THREAD)
    threads = alone(name, {})
    job = job_of(name, given)
    seconds = []
    for count in (1, 2):
        with cluster_of(count) as (client, start), on_cluster(client):
            job()  # what is compiled or cached is there now
            seconds.append(statistics.median(timed(job) for _ in range(RUNS)))
            cpu, workers = time.process_time(), sum(client.run(time.process_time).values())
            job()
            cpu = time.process_time() - cpu
            workers = sum(client.run(time.process_time).values()) - workers
            with measured() as moved:
                job()
    one, two = seconds
    return (
        f"| {name} | {plain:.1f} | {one:.1f} | {two:.1f} | {threads:.1f} | {one / two:.2f} "
        f"| {plain / two:.2f} | {one / plain:.2f} | {cpu:.1f} | {workers:.1f} "
        f"| {moved['out'] / 1e6:.0f} | {moved['back'] / 1e6:.0f} | {start:.1f} |"
    )


def alone(name: str, environment: Mapping[str, str]) -> float:
    """Return the seconds of the plain loop, in a process without Dask."""
    command = [sys.executable, "-m", "scripts.bench_scale", *sys.argv[1:], "--alone", name]
    free = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
    done = subprocess.run(command, capture_output=True, check=True, env={**free, **environment})
    return float(done.stdout)


def timed(job: Callable[[], Any]) -> float:
    """Return the seconds of a run."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def job_of(name: str, given: argparse.Namespace) -> Callable[[], Any]:
    """Return a job, with what it needs written under the output folder."""
    import embzip
    from embzip.corpus import read_texts
    from embzip.engine import map_texts

    if name == "encode":
        table = np.load(table_of(given), mmap_mode="r")
        return lambda: embzip.compress(table, given.codec)
    corpus = corpus_of(given)
    if name == "count":
        return lambda: embzip.build_words(corpus)
    model = given.output / f"{name}.model"
    if not model.exists():
        if name == "words":
            embzip.build_words(corpus, model)
        else:
            embzip.build_bpe(corpus, model, vocab=30_000)
    tokenizer = embzip.load_tokenizer(model)

    def lengths(block: list[str]) -> np.ndarray[Any, Any]:
        return np.concatenate([np.array(ids, np.uint32) for ids in tokenizer.encode(block)])

    def tokenize() -> int:
        return sum(len(ids) for ids in map_texts(lengths, read_texts(corpus)))

    return tokenize


def corpus_of(given: argparse.Namespace) -> Path:
    """Write the training texts of all sets, as often as needed, and return the file."""
    import embzip

    path: Path = given.output / f"corpus-{given.megabytes}.txt"
    if not path.exists():
        files = sorted(given.texts.glob("*/train.tsv.xz"))
        lines = [f"{each.text}\n" for file in files for each in embzip.read_examples(file)]
        left = given.megabytes * 1_000_000
        with path.open("w", encoding="utf-8", newline="\n") as out:
            while left > 0:
                for text in lines:
                    out.write(text)
                    left -= len(text.encode())
                    if left <= 0:
                        break
    return path


def table_of(given: argparse.Namespace) -> Path:
    """Write a table whose columns fall off as those of word vectors do, and return the file."""
    path: Path = given.output / f"table-{given.rows}.npy"
    if not path.exists():
        rng = np.random.default_rng(0)
        turned, _ = np.linalg.qr(rng.normal(size=(DIM, DIM)))
        scale = np.arange(1, DIM + 1) ** -0.4
        out = np.lib.format.open_memmap(path, "w+", np.float32, (given.rows, DIM))
        for first in range(0, given.rows, 50_000):
            count = min(50_000, given.rows - first)
            out[first : first + count] = rng.normal(size=(count, DIM)) * scale @ turned.T
        out.flush()
    return path


@contextmanager
def cluster_of(count: int, **options: Any) -> Iterator[tuple[Any, float]]:
    """Give a client of so many processes of one thread, and the seconds until it was there."""
    import dask
    from distributed import Client, LocalCluster

    start = time.perf_counter()
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": ONE_THREAD}),
        LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=None, **options
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(count)
        yield client, time.perf_counter() - start


@contextmanager
def measured() -> Iterator[dict[str, int]]:
    """Count the bytes of what is sent with blocks, and of what comes back."""
    from embzip.engine.clusters import Cluster

    moved = {"out": 0, "back": 0}
    submitted, result = Cluster._submitted, Cluster._result

    def sent(self: Any, shipped: Any, part: Any) -> Any:
        moved["out"] += len(pickle.dumps(part))
        return submitted(self, shipped, part)

    def came(self: Any, future: Any) -> Any:
        found = result(self, future)
        moved["back"] += len(pickle.dumps(found))
        return found

    Cluster._submitted, Cluster._result = sent, came  # type: ignore[method-assign]
    try:
        yield moved
    finally:
        Cluster._submitted, Cluster._result = submitted, result  # type: ignore[method-assign]


def bounded(given: argparse.Namespace) -> str:
    """Encode a table by workers of 1 GB, and return what they used, as a table."""
    import embzip
    from embzip.engine import on_cluster

    os.environ.update(ONE_THREAD)
    table = np.load(table_of(given), mmap_mode="r")
    with cluster_of(2, memory_limit="1GB") as (client, _):
        before = set(client.run(os.getpid).values())
        with on_cluster(client):
            seconds = timed(lambda: embzip.compress(table, given.codec))
        ended = len(before - set(client.run(os.getpid).values()))
        peaks = client.run(own_bytes)
    return (
        "| rows | codec | table MB | s | MB of a worker, at the end | workers ended |\n"
        "|---|---|---|---|---|---|\n"
        f"| {given.rows:,} | {given.codec.replace('|', chr(92) + '|')} | {table.nbytes / 1e6:,.0f} "
        f"| {seconds:.0f} | {max(peaks.values()) / 1e6:.0f} | {ended} |"
    )


def own_bytes() -> int:
    """Return the bytes of its own that this process has resident; no mapped files."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


if __name__ == "__main__":
    main()
