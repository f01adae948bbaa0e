"""Lists the stages of codecs: what each does, how it is written, how many bits it takes."""

import inspect
from dataclasses import dataclass

from embzip.codecs.base import Quantizer
from embzip.codecs.registry import BUILTIN, StageClass, every_stage, parse_codec
from embzip.codecs.wrapping import Wrapper

ROWS, DIM = 100_000, 300  # of the table that sizes are stated for


@dataclass(frozen=True)
class StageFacts:
    """What there is to say of a stage.

    Attributes
    ----------
    kind
        `transform`, `wrapper` or `quantizer`: they stand in a chain in this order.
    usage
        How it is written, such as `pq:M[,bits=1|2|4|8]`.
    meaning
        What it does, in one line.
    example
        A whole spec with typical arguments.
    bits
        A number, codes and params of the example's chain; None where the table decides.
    """

    name: str
    kind: str
    usage: str
    meaning: str
    example: str
    bits: float | None


def list_stages(*, rows: int = ROWS, dim: int = DIM) -> list[StageFacts]:
    """Return the facts of every stage, built in or of an installed package.

    Parameters
    ----------
    rows, dim
        Of the table that the sizes are for.

    Examples
    --------
    >>> [(each.usage, each.bits) for each in list_stages() if each.name == "float16"]
    [('float16', 16.0)]
    """
    return [_facts(stage, rows, dim) for stage in every_stage()]


def stage_names() -> str:
    """Return the names of the built-in stages in a sentence, by where they stand in a chain."""
    named: dict[str, list[str]] = {"transform": [], "wrapper": [], "quantizer": []}
    for stage in BUILTIN:
        named[_kind(stage)].append(stage.name)
    first = ", ".join([*named["transform"], *named["wrapper"]])
    return f"transforms ({first}), then one of {', '.join(named['quantizer'])}"


def _kind(stage: StageClass) -> str:
    if issubclass(stage, Wrapper):
        return "wrapper"
    return "quantizer" if issubclass(stage, Quantizer) else "transform"


def _facts(stage: StageClass, rows: int, dim: int) -> StageFacts:
    example = stage.example or stage.name
    codec = parse_codec(example)
    return StageFacts(
        name=stage.name,
        kind=_kind(stage),
        usage=stage.name + stage.usage,
        meaning=(inspect.getdoc(stage) or "").partition("\n")[0].removesuffix("."),
        example=example,
        bits=8 * codec.layout(rows, dim).nbytes / (rows * dim) if codec.resolved else None,
    )
