"""Compiles a search with numba and keeps the machine code, where that can be kept."""

import pickle
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

# What unpickling damaged bytes, or making code of them, may raise.
_DAMAGED = (
    pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError,
    MemoryError, OverflowError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


class _Cache(FunctionCache):
    """numba's cache, which by itself fails for good once one of its files is damaged."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except _DAMAGED:
            warnings.warn(
                f"{self.cache_path}: the compiled code kept here is damaged, so it is made anew",
                stacklevel=2,
            )
        try:
            self.flush()  # type: ignore[no-untyped-call]
        except OSError:  # damaged and not ours to write
            self.disable()  # type: ignore[no-untyped-call]
        return None


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use; the machine code is kept beside the package or in the user's cache."""
    made: Any = njit(nogil=True, error_model="numpy")(function)
    with suppress(RuntimeError):  # neither folder can be written: compiled anew in every process
        made._cache = _Cache(function)  # type: ignore[no-untyped-call]  # what numba's own cache=True does
    return made
