"""How many threads libraries may use, by the variables of the environment that they read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Tasks are what runs side by side on workers, and with several threads the last bits of a sum or a
# training depend on how many there are.
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
ONE_THREAD = dict.fromkeys(_THREADS, "1")
_MOST = 8  # more gain nothing where texts are short


def threads_wanted() -> int:
    """Return how many threads a library takes that asks no variable: OMP_NUM_THREADS, or cores.

    >>> 1 <= threads_wanted() <= 8
    True
    """
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # OpenMP has one for each level
    wanted = int(said) if said.isdecimal() and int(said) else os.cpu_count() or 1
    return min(_MOST, wanted)


@contextmanager
def one_thread() -> Iterator[None]:
    """Give processes that are started in the block one thread, whatever the environment says."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
