"""Seconds that `import embzip` takes beyond `import numpy`: medians of fresh processes in turn.

python -m scripts.bench_import
"""

import statistics
import subprocess
import sys

RUNS = 9


def main() -> None:
    """Time the two imports in turn and print their medians."""
    seconds: dict[str, list[float]] = {"numpy": [], "embzip": []}
    for _ in range(RUNS):
        for module, taken in seconds.items():
            clock = "time.perf_counter()"
            code = f"import time; t = {clock}; import {module}; print({clock} - t)"
            taken.append(float(subprocess.check_output([sys.executable, "-c", code])))
    numpy, embzip = (statistics.median(taken) for taken in seconds.values())
    print(f"import numpy {numpy:.3f} s, import embzip {embzip:.3f} s: {embzip - numpy:.3f} s more")


if __name__ == "__main__":
    main()
