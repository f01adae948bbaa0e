"""The command that shows which tokens are near to one: similar."""

from typing import Annotated

from cyclopts import Parameter

from embzip.cli.parameters import Errors, Json, Table, Whole
from embzip.cli.tables import Reading
from embzip.cli.terminal import field, show
from embzip.files.places import TABLE, TEXTS, check_places


def similar(
    vectors: Table,
    /,
    *words: Annotated[str, Parameter(name="WORD", required=True)],
    minus: Annotated[list[str] | None, Parameter(metavar="WORD")] = None,
    count: Annotated[Whole, Parameter(name=("--count", "-k"))] = 10,
    reading: Reading = Reading(),
    errors: Errors = "strict",
    as_json: Json = False,
) -> None:
    """Show the tokens whose rows are nearest to a word's, by cosine.

    Of several words the sum is looked for, each row of length 1. Codes are decoded in blocks. Each
    line has a token, a tab and the cosine. Words may begin with a minus sign after --.

    Parameters
    ----------
    words
        Tokens of the table.
    minus
        A word that is taken away. Repeatable.
    count
        How many are shown.
    """
    check_places((vectors, TABLE), (reading.words, TEXTS))
    table = reading.read(vectors, errors)
    found = table.most_similar(words, minus or (), count)
    record = {"nearest": [{"token": each.token, "cosine": each.cosine} for each in found]}
    show(record, *(f"{field(each.token)}\t{each.cosine:.4f}" for each in found), as_json=as_json)
