"""What is odd about labels, by hand; whole files are read in test_corpus."""

import re

import pytest

from embzip.labels import LabelCheck


def oddity(*rows: tuple[str, str]) -> str | None:
    check = LabelCheck()
    for number, (label, text) in enumerate(rows, start=1):
        check.add(number, label, text)
    return check.oddity()


A, B = ("a", "one text"), ("b", "another text")


def test_labels_as_they_should_be() -> None:
    assert oddity() is None
    assert oddity(A, B) is None, "two rows tell nothing"
    assert oddity(A, B, A, B) is None
    assert oddity(("topic", ""), ("topic", "a text"), ("topic", "a text")) is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("label", "text"), A, A, B, B], "first row's label .* line 1 'label.ttext'"),
        ([A, A, B], "in one row only, line 3 'b.tanother text': correct"),
        ([A, A, A, A, B, ("c", "x")], "line 5 'b.tanother text', and 1 more such labels"),
        ([A, B, ("c", "x")], "3 of 3 rows have a label that no other row has, such as line 1"),
        ([("a long label", "short")] * 3, "longer than texts, 12 characters and 5"),
        ([("a", "text\t3"), ("b", "text\t4")] * 2, "4 of 4 rows have a third column, .* line 1"),
        ([("a", "x" * 100)] * 2 + [("a", "y" * 100), ("b", "z" * 100)], "line 4 'b.tz{58}'"),
    ],
)
def test_what_is_odd_is_quoted(rows: list[tuple[str, str]], said: str) -> None:
    found = oddity(*rows)
    assert found is not None
    assert re.search(said, found), found
