"""The arguments of quantizers that take a rate: bits a number, and whole-number options."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from embzip.codecs.row_classes.losses import MOST_BITS
from embzip.codecs.spec import Stage, is_whole
from embzip.errors import SpecError

MOST_CLASSES = 16
OPTIONS = {"classes": (2, MOST_CLASSES), "nbytes": (1, 2**48)}


def options(stage: Stage, example: str, known: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Return a stage's bits and its whole-number options, each within (least, most)."""
    usage = f"{stage.name!r} takes bits a number, above 0 and at most 8, such as {example!r}"
    try:
        bits = float(stage.arguments[0]) if len(stage.arguments) == 1 else np.nan
    except ValueError:
        bits = np.nan
    if not 0 < bits <= MOST_BITS:
        raise SpecError(f"{usage}, received {str(stage)!r}")
    found: dict[str, Any] = {"bits": bits}
    for key, text in stage.options.items():
        if key not in known:
            raise SpecError(f"{usage}; its options are {', '.join(known)}: received {str(stage)!r}")
        least, most = known[key]
        if not is_whole(text, least, most):
            raise SpecError(f"{stage.name!r}: {key} lies in {least}..{most}, received {text!r}")
        found[key] = int(text)
    return found


def written(quantizer: Any, **others: int) -> Stage:
    """Return the stage of a quantizer with classes of rows: only what is not the default."""
    plain = type(quantizer)(quantizer.bits)
    given = {**others, "classes": quantizer.classes, "nbytes": quantizer.nbytes}
    shown = {key: str(value) for key, value in given.items() if value != getattr(plain, key)}
    return Stage(quantizer.name, (repr(quantizer.bits).removesuffix(".0"),), shown)
