"""Compiled code that was kept and is damaged is made anew, and that is said once."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import warnings
import numpy as np
from embzip.compiling import compiled

@compiled
def double(x):
    return x + x

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert double(np.float32(2)) == 4
    assert double(3) == 6
print(double.stats.cache_hits.total(), *(str(each.message) for each in caught))
"""


def run(folder: Path) -> str:
    """Run the program in a process of its own, with its code kept in `folder`."""
    script = folder.parent / "program.py"
    script.write_text(PROGRAM)
    return subprocess.run(
        [sys.executable, script],
        env={"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [b"", b"\xe8 no pickle", None])
def test_damaged_code_is_made_anew(tmp_path: Path, ending: str, damage: bytes | None) -> None:
    folder = tmp_path / "cache"
    assert run(folder) == "0"
    assert run(folder) == "2", "both types of number were kept"
    kept = list(folder.rglob(f"*.{ending}"))
    assert kept
    for path in kept:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    hits, _, message = run(folder).partition(" ")
    assert hits == "0"
    assert message.count("is damaged, so it is made anew") == 1, message
    assert run(folder) == "2", "and kept again"
