"""Write the golden .embz file of the current format version into tests/golden.

Run once for each new version, never by a test: `python -m scripts.make_golden`. It refuses to
replace a golden file, because old files must load for ever.
"""

import sys
from pathlib import Path

import numpy as np

from embzip.fileformat import VERSION
from tests.models import tiny_classifier


def main() -> None:
    """Write version-N.embz and the decoded table, version-N.npy."""
    folder = Path(__file__).parent.parent / "tests" / "golden"
    folder.mkdir(exist_ok=True)
    path = folder / f"version-{VERSION}.embz"
    if path.exists():
        sys.exit(f"{path} exists: golden files are never rewritten")
    model = tiny_classifier("center|svd:4|int8")
    model.save(path, counts=True)
    np.save(path.with_suffix(".npy"), model.embedding.decode())


if __name__ == "__main__":
    main()
