"""Write the golden .embz file of the current format version into tests/golden.

Run once for each new version, never by a test: `python -m scripts.make_golden`. It refuses to
replace a golden file, because old files must load for ever.
"""

import sys
from pathlib import Path

import numpy as np

from embzip.compression import compress
from embzip.fileformat import VERSION, save


def main() -> None:
    """Write version-N.embz and its codes, version-N.npy."""
    folder = Path(__file__).parent.parent / "tests" / "golden"
    folder.mkdir(exist_ok=True)
    path = folder / f"version-{VERSION}.embz"
    if path.exists():
        sys.exit(f"{path} exists: golden files are never rewritten")
    values = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    table = compress(values, "kmeans:5")
    save(table, path, pack=True)  # which makes it a file of version 2
    np.save(path.with_suffix(".npy"), table.codes["values"])


if __name__ == "__main__":
    main()
