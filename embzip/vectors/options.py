"""What each method of training vectors takes, each default once; trains nothing.

What an option means, `embzip.train_vectors` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from embzip.choices import chosen
from embzip.errors import SpecError
from embzip.files.limits import MOST

Method = Literal["word2vec", "ppmi"]
# Of word2vec: tokens that are read in all, and bounds of epochs; chosen, not measured.
_TOKENS, _LEAST_EPOCHS, _MOST_EPOCHS = 10_000_000, 5, 30


@dataclass(frozen=True)
class Word2vecOptions:
    """`word2vec:300,epochs=5`: vectors trained on the corpus; `epochs=0` is chosen for the corpus.

    Raises
    ------
    SpecError
        For a number out of range.
    """

    dim: int = 300
    epochs: int = 0
    window: int = 5
    sg: bool = True
    negative: int = 5
    sample: float = 1e-3
    method: ClassVar[Method] = "word2vec"

    def __post_init__(self) -> None:
        for name in ("dim", "window", "negative"):
            check_whole(name, getattr(self, name))
        check_whole("epochs", self.epochs, least=0)
        _check_share("sample", self.sample)

    def passes(self, tokens: int) -> int:
        """Return how often a corpus of so many tokens is read.

        >>> Word2vecOptions().passes(1_000_000), Word2vecOptions(epochs=3).passes(1_000_000)
        (10, 3)
        """
        return self.epochs or min(_MOST_EPOCHS, max(_LEAST_EPOCHS, _TOKENS // max(1, tokens)))


@dataclass(frozen=True)
class PpmiOptions:
    """`ppmi:300,window=5`: vectors from the counts of what stands near what.

    Raises
    ------
    SpecError
        For a number out of range.
    """

    dim: int = 300
    window: int = 5
    smoothing: float = 0.75
    shift: int = 1
    exponent: float = 0.5
    method: ClassVar[Method] = "ppmi"

    def __post_init__(self) -> None:
        for name in ("dim", "window", "shift"):
            check_whole(name, getattr(self, name))
        for name in ("smoothing", "exponent"):
            _check_share(name, getattr(self, name))


VectorsOptions = Word2vecOptions | PpmiOptions
OPTIONS: Mapping[str, type[VectorsOptions]] = {
    kind.method: kind for kind in (Word2vecOptions, PpmiOptions)
}


def options_of(method: str, given: Mapping[str, Any]) -> VectorsOptions:
    """Return the options of a method.

    Parameters
    ----------
    given
        By name; None stands for the default.

    Raises
    ------
    SpecError
        For an unknown method, an option of the other one, or a number out of range.

    Examples
    --------
    >>> options_of("ppmi", {"dim": 100, "shift": None})
    PpmiOptions(dim=100, window=5, smoothing=0.75, shift=1, exponent=0.5)
    """
    kind = OPTIONS[chosen(method, OPTIONS, "method")]
    own = [field.name for field in fields(kind)]
    told = {name: value for name, value in given.items() if value is not None}
    for name in told:
        if name not in own:
            others = [other for other in OPTIONS if other != kind.method]
            raise SpecError(
                f"{name} is no option of {kind.method}, whose own are {', '.join(own)}: leave it "
                f"out, or choose the method {' or '.join(others)}"
            )
    found: VectorsOptions = kind(**told)
    return found


def check_whole(name: str, value: int, *, least: int = 1) -> None:
    """Raise SpecError unless an option is a whole number from `least` to the limit of its name."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= MOST[name]:
        raise SpecError(
            f"{name} must be a whole number in {least}..{MOST[name]}, received {value!r}"
        )


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:  # nor is NaN
        raise SpecError(f"{name} must be a number in 0..1, received {value!r}")
