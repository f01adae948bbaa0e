"""Checks seeds: the range that NumPy, gensim and TensorFlow all accept."""

from embzip.errors import SpecError

_LARGEST = 2**32 - 1


def check_seed(seed: int) -> None:
    """Raise `SpecError` for a seed that one of these libraries would refuse.

    >>> check_seed(0)
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= _LARGEST:
        raise SpecError(f"seed must be a whole number in 0..{_LARGEST}, received {seed!r}")
