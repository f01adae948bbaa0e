"""The list of all kinds of file that are damaged.

The kinds themselves are in `embz_files`, `texts` and `frameworks`, and what puts right digests on
damage in `resealing`.
"""

from scripts.fuzz.embz_files import embz_kinds
from scripts.fuzz.kind import Kind
from scripts.fuzz.texts import text_kinds


def kinds() -> tuple[Kind, ...]:
    """Return every kind, those of frameworks last."""
    return (*plain_kinds(), *frameworks())


def plain_kinds() -> tuple[Kind, ...]:
    """Return the kinds that need no TensorFlow."""
    return (*embz_kinds(), *text_kinds())


def frameworks() -> tuple[Kind, ...]:
    """Return the kinds that need TensorFlow."""
    from scripts.fuzz.frameworks import framework_kinds

    return framework_kinds()
