"""What the smallest install takes: megabytes of each package, and seconds until it is imported.

    python -m scripts.bench_import

Installs this checkout by pip into an environment of its own, without extras. Times are medians of
fresh processes in turn, of which the first ones, that write .pyc files, do not count.
"""

import statistics
import subprocess
import venv
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
RUNS = 9
CODES = {
    "import numpy": "import numpy",
    "import embzip": "import embzip",
    "embzip.load_model": "import embzip; embzip.load_model",
}
_TOOLS = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence.pth")
_LISTED = 5_000_000  # bytes from which a package has its own row


def main() -> None:
    """Install, weigh, time, print Markdown."""
    with TemporaryDirectory(prefix="embzip-import-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT], check=True)
        sizes = sizes_of(next(Path(folder, "lib").glob("python*/site-packages")))
        taken = seconds_of(python)
    print("| installed | MB |\n|---|---|")
    for name, nbytes in sizes.most_common():
        if nbytes >= _LISTED or name == "embzip":
            print(f"| {name} | {nbytes / 1e6:.1f} |")
    print(f"| all {len(sizes)}, with what is smaller | {sum(sizes.values()) / 1e6:.0f} |")
    print("\n| in a fresh process | seconds |\n|---|---|")
    for name, seconds in taken.items():
        print(f"| `{name}` | {seconds:.2f} |")


def sizes_of(packages: Path) -> Counter[str]:
    """Return the bytes of each package as it was installed, its libraries and metadata added."""
    found: Counter[str] = Counter()
    for path in packages.rglob("*"):
        name = path.relative_to(packages).parts[0]
        if path.is_file() and not name.startswith(_TOOLS) and "__pycache__" not in path.parts:
            short = name.partition("-")[0].partition(".")[0]  # numpy-2.0.dist-info, numpy.libs
            found[short] += path.stat().st_size
    return found


def seconds_of(python: Path) -> dict[str, float]:
    """Return how long each of the codes takes in a process that has done nothing else."""
    taken: dict[str, list[float]] = {name: [] for name in CODES}
    for _ in range(RUNS + 1):
        for name, code in CODES.items():
            timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
            done = subprocess.check_output([python, "-c", timed], cwd=python.parent)
            taken[name].append(float(done))
    return {name: statistics.median(each[1:]) for name, each in taken.items()}


if __name__ == "__main__":
    main()
