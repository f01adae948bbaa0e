"""How a command reads an option that is one of a few names: in any case."""

from collections.abc import Sequence
from typing import get_args

from cyclopts import Parameter, Token

from embzip.choices import chosen
from embzip.errors import SpecError


def choice(hint: object, tokens: Sequence[Token]) -> str:
    """Read one of the names of a `Literal`, or of one that may be None."""
    known = [part for each in get_args(hint) for part in (get_args(each) or [each])]
    try:
        return chosen(tokens[0].value, [name for name in known if isinstance(name, str)], "value")
    except SpecError as error:
        raise ValueError(str(error)) from None


CHOICE = Parameter(converter=choice)
