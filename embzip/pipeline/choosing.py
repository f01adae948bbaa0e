"""The rule by which a recipe's winner is chosen: the smallest file that is good enough on dev."""

from collections.abc import Sequence
from dataclasses import dataclass

BEST_FLOAT32 = "best float32"
BEST = "best of all"


@dataclass(frozen=True)
class Choice:
    """The smallest file whose accuracy on dev is at most `drop` below that of a reference.

    Attributes
    ----------
    drop
        A fraction: 0.01 is one point of accuracy.
    against
        The reference: "best float32" or "best of all" is the candidate that is best on dev, among
        those that are not distilled and whose codec is float32, or among all; anything else is the
        name of a candidate.

    Examples
    --------
    >>> Choice(drop=0.005, against="words").rule
    'the smallest file whose accuracy on dev is at most 0.005 below that of words'
    """

    drop: float = 0.01
    against: str = BEST_FLOAT32

    @property
    def rule(self) -> str:
        """The rule in words, as reports state it."""
        named = {BEST_FLOAT32: "the best float32 candidate", BEST: "the best candidate"}
        return (
            f"the smallest file whose accuracy on dev is at most {self.drop:g} below that of "
            f"{named.get(self.against, self.against)}"
        )


@dataclass(frozen=True)
class Tried:
    """What the rule looks at of a candidate.

    Attributes
    ----------
    codec
        "float32" makes it a reference, unless it was distilled.
    nbytes
        Its whole size.
    accuracy
        On dev, 0 to 1.
    distilled
        Whether it is a student of a larger classifier.
    """

    name: str
    codec: str
    nbytes: int
    accuracy: float
    distilled: bool = False


def choose(tried: Sequence[Tried], choice: Choice) -> int:
    """Return the index of the candidate that the rule picks; of equally small ones, the first.

    Examples
    --------
    >>> words = Tried("words", "float32", 400, 0.9)
    >>> choose([words, Tried("a", "int8", 100, 0.893), Tried("b", "int4", 50, 0.7)], Choice())
    1
    """
    reference = max(
        each.accuracy
        for each in tried
        if choice.against in (BEST, each.name)
        or (choice.against == BEST_FLOAT32 and each.codec == "float32" and not each.distilled)
    )
    # Accuracies are ratios of whole numbers: a drop met exactly must not fail by rounding.
    least = reference - choice.drop - 1e-9
    passing = [index for index, each in enumerate(tried) if each.accuracy >= least]
    return min(passing, key=lambda index: tried[index].nbytes)
