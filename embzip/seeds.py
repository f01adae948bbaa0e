"""Checks seeds: the range that NumPy, gensim and TensorFlow all accept."""

from embzip.errors import SpecError

_LARGEST = 2**32 - 1


def check_seed(seed: int) -> None:
    """Raise `SpecError` for a seed that one of these libraries would refuse.

    >>> check_seed(0)
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= _LARGEST:
        raise SpecError(f"seed must be a whole number in 0..{_LARGEST}, received {seed!r}")


def seeds_from(seed: int, count: int) -> range:
    """Return so many seeds, from one on; raises `SpecError` for none, or one out of range.

    >>> list(seeds_from(3, 2))
    [3, 4]
    """
    check_seed(seed)
    if count < 1:
        raise SpecError(f"seeds must be at least 1, received {count}")
    check_seed(seed + count - 1)
    return range(seed, seed + count)
