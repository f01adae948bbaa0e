"""The limits: the page states them, and every size that is stated is held against one."""

import re
from pathlib import Path

import pytest

import embzip
from embzip.classifier.registry import BUILTIN
from embzip.errors import InputError, SpecError
from embzip.files import limits
from embzip.files.limits import MOST, check_size

PAGE = Path(embzip.__file__).parent / "embz" / "README.md"


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("`rows`", [MOST["rows"]]),
        ("`dim`", [MOST["dim"]]),
        ("`max_length`", [MOST["max_length"], 4096]),
        ("`margin`", [MOST["margin"]]),
        ("`windows`", [MOST["windows"], MOST["number of windows"]]),
        ("`filters`", [MOST["filters"]]),
        ("`heads` of attention, `layers`", [MOST["heads"], MOST["layers"]]),
        ("`labels`", [MOST["labels"]]),
        ("classifiers of a kit", [MOST["classifiers"]]),
        ("numbers of a classifier", [limits.MOST_NUMBERS]),
        ("the header", [limits.MOST_HEADER]),
        ("the JSON of a classifier", [limits.MOST_RECORD]),
        ("the tokens of a vocabulary", [256, limits.MOST_TEXT]),
        ("one token", [limits.MOST_TOKEN]),
    ],
)
def test_the_page_states_the_limits(words: str, numbers: list[int]) -> None:
    table = PAGE.read_text("utf-8").partition("## Limits")[2]
    row = next(line for line in table.splitlines() if line.startswith(f"| {words}"))
    stated = [int(number) for number in re.findall(r"\d+", row.split("|")[2])]
    assert stated[: len(numbers)] == numbers


def test_filters_width_and_hidden_share_a_limit() -> None:
    assert MOST["filters"] == MOST["width"] == MOST["hidden"]


@pytest.mark.parametrize("encoder", BUILTIN, ids=lambda encoder: encoder.kind)
def test_every_number_of_an_encoder_has_a_limit(encoder) -> None:
    sizes = {
        name: value
        for name, value in encoder.defaults().items()
        if isinstance(value, int | tuple) and not isinstance(value, bool)
    }
    for name, value in sizes.items():
        largest = MOST[name] + 1
        shape = {name: (largest,) if isinstance(value, tuple) else largest}
        with pytest.raises(InputError, match=rf"{name} must lie in 1\.\.{MOST[name]}, received"):
            encoder.of(4, encoder.longest, shape)
    for columns, longest in ((MOST["columns"] + 1, 9), (4, encoder.longest + 1)):
        with pytest.raises(InputError, match=r"columns|max_length"):
            encoder.of(columns, longest, {})


@pytest.mark.parametrize("number", [0, -1, 65537, 10**30])
def test_check_size(number: int) -> None:
    check_size("filters", 1)
    check_size("filters", 65536)
    with pytest.raises(SpecError, match=rf"filters must lie in 1\.\.65536, received {number}$"):
        check_size("filters", number, error=SpecError)
