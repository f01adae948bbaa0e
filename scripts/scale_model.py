"""How long work over blocks would take on many machines, from what it takes on this one.

    python -m scripts.scale_model scripts/RESULTS.md

Reads the table of `bench_scale`. With `n` cores a job takes the client's CPU and a share of the
workers': T(n) = C + W / n. Nothing of the client's is taken to overlap, and workers are never idle:
the first is too slow, the second too fast. Both are held against what one and two workers took.
For more data C and W grow with it, but for texts, of which parts grow to 16 MB: so many times fewer
tasks. Beyond W / C cores there is no use in more; and no number of them is faster than the client's
network, `--network` bytes a second. Money is at `--price` for an hour of a core.
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from scripts.results import blocks

CORES = (1, 10, 100, 1000)
# What the table was measured on, what is asked for, and how many times fewer tasks a unit has.
SIZES = {
    "count": (60e6, 1e12, 16, "1 TB of text"),
    "words": (60e6, 1e12, 16, "1 TB of text"),
    "pieces": (60e6, 1e12, 16, "1 TB of text"),
    "encode": (1.2e6, 1e9, 1, "10^9 rows of 300"),
}


@dataclass(frozen=True)
class Cost:
    """What a job took: seconds of one worker and of two, CPU of both sides, bytes moved."""

    one: float
    two: float
    client: float
    workers: float
    moved: float

    def seconds(self, cores: int, network: float) -> float:
        """Return what so many cores would take."""
        return max(self.client + self.workers / cores, self.moved / network)


def main() -> None:
    """Print how good the model is, and what it says of more data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--price", type=float, default=0.04, help="dollars for an hour of a core")
    parser.add_argument("--network", type=float, default=1.25e9, help="bytes a second")
    given = parser.parse_args()
    costs = read(given.results)
    print("| job | one worker: measured s | model | two workers: measured s | model |")
    print("|---|---|---|---|---|")
    for name, cost in costs.items():
        print(
            f"| {name} | {cost.one:.1f} | {cost.seconds(1, given.network):.1f} | {cost.two:.1f} "
            f"| {cost.seconds(2, given.network):.1f} |"
        )
    print()
    print("| job | of | " + " | ".join(f"hours, cores: {n:,}" for n in CORES), end="")
    print(" | cores beyond which more are no use | dollars |")
    print("|---|---|" + "---|" * (len(CORES) + 2))
    for name, cost in costs.items():
        size, asked, fewer, what = SIZES[name]
        more = asked / size
        client = cost.client * more / fewer
        grown = Cost(0, 0, client, cost.workers * more, cost.moved * more)
        hours = " | ".join(f"{grown.seconds(n, given.network) / 3600:,.2f}" for n in CORES)
        print(
            f"| {name} | {what} | {hours} | {grown.workers / grown.client:,.0f} "
            f"| {grown.workers / 3600 * given.price:.2f} |"
        )


def read(path: Path) -> dict[str, Cost]:
    """Return the costs of jobs whose workers have one thread, by name."""
    table = blocks(path.read_text("utf-8"))["scale"].printed
    found = {}
    for line in re.findall(r"^\| (\w+) \| ([\d.| ]+)\|$", table, re.MULTILINE):
        name, numbers = line[0], [float(each) for each in line[1].split("|") if each.strip()]
        if name in SIZES:
            moved = 1e6 * (numbers[9] + numbers[10])
            found[name] = Cost(numbers[1], numbers[2], numbers[7], numbers[8], moved)
    return found


if __name__ == "__main__":
    main()
