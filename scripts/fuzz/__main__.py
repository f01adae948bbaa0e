"""Damage small files of every kind that embzip reads, and count how reading them ends.

    python -m scripts.fuzz --mutants 100000 --keep bench/fuzz
    python -m scripts.fuzz --mutants 2000 --kinds embz-kit report --seed 7

A mutant ends in one of these classes: *refused* by one `EmbzipError` of one line; *right*, read
with the values that were written (where the file has digests) or that its own library reads
(gensim, NumPy, youtokentome, h5py, TensorFlow); *resealed*, damaged under right digests, and giving
finite answers; *alone*, read where its own library refuses; a *wrong value*; a *crash* of the
process; a *hang*; any *other exception*. The last four are faults. What fails is kept in a folder,
with a line in its `failures.txt`. Reports, recipes and texts have neither digests nor a library of
their own: read at all is right for them.
"""

import argparse
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.fuzz.child import mutant
from scripts.fuzz.kind import Kind
from scripts.fuzz.kinds import kinds

CLASSES = ("refused", "same", "resealed", "alone", "wrong", "crash", "hang", "other")
FAULTS = ("wrong", "crash", "hang", "other")
HEADINGS = (
    "refused", "right", "resealed", "alone", "wrong value", "crash", "hang", "other exception",
)  # fmt: skip
SECONDS = 60.0  # for one mutant; embzip itself gives an HDF5 file 30
_START = 180.0  # for a process to begin its first
_BATCH = 2000  # mutants of a process, whose memory may grow


@dataclass
class Found:
    """How the mutants of a kind ended."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, index: int, line: str) -> None:
        """Count a mutant by the line that was told of it."""
        name, _, said = line.partition(" ")
        self.counts[name] += 1
        if name in FAULTS:
            self.failures.append((index, f"{name}: {said}"))


def share_out(total: int, chosen: Sequence[Kind]) -> list[int]:
    """Return how many mutants each kind gets: by its share, at least one.

    The sum is `total` where that is at least the number of kinds.
    """
    whole = sum(kind.share for kind in chosen)
    counts = [max(1, int(total * kind.share / whole)) for kind in chosen]
    counts[0] = max(1, counts[0] + total - sum(counts))
    return counts


def lines_of(process: "subprocess.Popen[bytes]", seconds: float) -> Iterator[str | None]:
    """Yield what a process says; None where a mutant takes too long, and it is killed."""
    assert process.stdout is not None
    said, left = b"", _START
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(left):
                process.kill()
                yield None
                return
            part = os.read(process.stdout.fileno(), 1 << 16)
            if not part:
                return
            *lines, said = (said + part).split(b"\n")
            for line in lines:
                left = seconds if line.startswith(b"begin") else _START
                yield line.decode("utf-8", "replace")


def follow(process: "subprocess.Popen[bytes]", found: Found, *, seconds: float = SECONDS) -> int:
    """Count what a process says of its mutants; return the index of the last, -1 where none began.

    A mutant that ended its process, or was never read to the end, is counted as that.
    """
    last, begun, read = -1, False, False
    for line in lines_of(process, seconds):
        if line is None and begun:
            found.add(last, f"hang it took more than {seconds:.0f} s")
            begun = False
        elif line is None or line == "end":
            pass
        elif line.startswith("begin "):
            last, begun, read = int(line.split()[1]), True, False
        elif line == "read":
            read = True
        else:
            found.add(last, line)
            begun = False
    code = process.wait()
    if begun:
        found.add(last, "alone" if read else f"crash the process ended with {code}")
    return last


def fuzz(kind: Kind, samples: Path, *, mutants: int, seed: int) -> Found:
    """Read so many mutants of a kind, in one process after another.

    Raises
    ------
    RuntimeError
        Where a process ends before it begins a mutant: the sample could not be made or read.
    """
    found, first = Found(), 0
    while first < mutants:
        until = min(mutants, first + _BATCH)
        given = map(str, (kind.name, samples / kind.name, seed, first, until))
        command = [sys.executable, "-m", "scripts.fuzz.child", *given]
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process,
        ):
            last = follow(process, found)
            if last < first:
                said.seek(0)
                raise RuntimeError(f"{kind.name}: no mutant was read: {said.read()[-2000:]!r}")
        first = last + 1
    return found


def keep(kind: Kind, found: Found, samples: Path, folder: Path, seed: int) -> None:
    """Write each mutant that failed, and a line of what was said of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "failures.txt").open("a") as file:
        for index, said in found.failures:
            path, content, _ = mutant(kind, samples / kind.name, seed, index)
            name = f"{kind.name}_{seed}_{index}_{path.name}"
            (folder / name).write_bytes(content)
            file.write(f"{name}\t{said}\n")


def table(rows: Sequence[tuple[str, Counter[str]]]) -> str:
    """Return the counts as a Markdown table, with their sum in its last row.

    >>> print(table([("npy", Counter(refused=2, same=1))]).splitlines()[2])
    | npy | 3 | 2 | 1 | 0 | 0 | 0 | 0 | 0 | 0 |
    """
    total: Counter[str] = Counter()
    for _, counts in rows:
        total.update(counts)
    lines = [f"| kind | mutants | {' | '.join(HEADINGS)} |", "|---" * 10 + "|"]
    for name, counts in [*rows, ("**all**", total)]:
        figures = [sum(counts.values()), *(counts[each] for each in CLASSES)]
        lines.append(f"| {name} | {' | '.join(f'{figure:,}' for figure in figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Damage files and print the table."""
    every = {kind.name: kind for kind in kinds()}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=1000, help="in all")
    parser.add_argument("--kinds", nargs="+", choices=sorted(every), default=list(every))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for mutants that fail")
    given = parser.parse_args()
    chosen = [every[name] for name in given.kinds]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        samples = Path(temporary)
        for kind, count in zip(chosen, share_out(given.mutants, chosen), strict=True):
            started = time.perf_counter()
            found = fuzz(kind, samples, mutants=count, seed=given.seed)
            if given.keep is not None and found.failures:
                keep(kind, found, samples, given.keep, given.seed)
            seconds = time.perf_counter() - started
            print(f"{kind.name}: {dict(found.counts)}, {seconds:.0f} s", file=sys.stderr)
            rows.append((kind.name, found.counts))
    print(table(rows))


if __name__ == "__main__":
    main()
