"""The most memory that a piece of code takes.

What getrusage says of a process is at least what its parent held when it started it, and never
falls. Linux's VmHWM is the process's own, and can be set back to what is resident now.
"""

from collections.abc import Callable
from pathlib import Path


def peak_growth() -> Callable[[], int]:
    """Return what tells by how many bytes resident memory has been above its present value.

    >>> grown = peak_growth()
    >>> taken = bytearray(b"1") * 10_000_000
    >>> 5_000_000 < grown() < 20_000_000
    True
    """
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    return lambda: peak() - before


def peak() -> int:
    """Return the most bytes that this process has had in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("/proc/self/status has no VmHWM line: memory cannot be measured here")
