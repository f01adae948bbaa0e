"""The grammar of specifications, both ways: 'svd:64|int8' <-> stages with arguments.

    spec     = stage ("|" stage)*
    stage    = name [":" argument ("," argument)*]
    argument = value | key "=" value

Names and keys are read in any case.
Recipes use the same grammar for tokenizers, vectors and classifiers. Which names and arguments
exist is not known here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from embzip.errors import SpecError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# A stage costs time and an array or two, and no chain of real use has six: a file's chain of
# thousands would be decoded for minutes.
_MOST_STAGES = 16
_LONGEST = 1000  # characters
_VALUE = re.compile(r"[^|,:=\s]+")


@dataclass(frozen=True)
class Stage:
    """One stage of a specification: its name, plain arguments and `key=value` options."""

    name: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [*self.arguments, *(f"{key}={value}" for key, value in self.options.items())]
        return self.name + (":" + ",".join(parts) if parts else "")


def parse_stages(spec: str) -> list[Stage]:
    """Parse a specification.

    Raises
    ------
    SpecError
        Naming the stage that does not follow the grammar.

    Examples
    --------
    >>> parse_stages("svd:energy=0.95|int8")
    [Stage(name='svd', arguments=(), options={'energy': '0.95'}), Stage(name='int8', \
arguments=(), options={})]
    """
    if not isinstance(spec, str):
        raise SpecError(f"a spec must be a string, received {type(spec).__name__}")
    texts = spec.split("|")
    if len(texts) > _MOST_STAGES:
        raise SpecError(
            f"a spec has at most {_MOST_STAGES} stages, received {len(texts)}: {spec[:60]!r}..."
        )
    if len(spec) > _LONGEST:
        raise SpecError(f"a spec has at most {_LONGEST} characters, received {len(spec):,}")
    return [_parse_stage(text.strip(), spec) for text in texts]


def format_stages(stages: Sequence[Stage]) -> str:
    """Return the specification of stages.

    >>> format_stages(parse_stages(" svd:64 | int8:scale=column "))
    'svd:64|int8:scale=column'
    """
    return "|".join(str(stage) for stage in stages)


def one_stage(spec: str) -> Stage:
    """Parse a specification of exactly one stage.

    Raises
    ------
    SpecError
        Where it has several.
    """
    stages = parse_stages(spec)
    if len(stages) != 1:
        raise SpecError(f"expected one stage, received {len(stages)} in {spec!r}")
    return stages[0]


def is_whole(text: str, least: int, most: int) -> bool:
    """Say whether an argument is a whole number in a range, with no more digits than its end.

    >>> is_whole("16", 2, 256), is_whole("0000016", 2, 256), is_whole("1e2", 2, 256)
    (True, False, False)
    """
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return digits and least <= int(text) <= most


def _parse_stage(text: str, spec: str) -> Stage:
    name, colon, rest = text.partition(":")
    name = name.lower()
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"a stage is name[:argument,...], received {text!r} in {spec!r}: "
            "write for example 'svd:64|int8'"
        )
    arguments: list[str] = []
    options: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = part.partition("=")
        key = key.lower() if equals else key
        if not equals and _VALUE.fullmatch(key):
            if options:
                raise SpecError(f"{text!r}: plain arguments come before key=value options")
            arguments.append(key)
        elif equals and _NAME.fullmatch(key) and _VALUE.fullmatch(value):
            if key in options:
                raise SpecError(f"{text!r}: the option {key!r} stands twice")
            options[key] = value
        else:
            raise SpecError(f"{text!r}: expected a value or key=value, received {part!r}")
    return Stage(name, tuple(arguments), options)
