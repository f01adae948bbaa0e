"""Probabilities as labels: read from JSON lines, checked, put in the order of examples."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.corpus import Example
from embzip.errors import InputError, MismatchError, MissingFileError
from embzip.soft_labels import SoftLabels, checked_probabilities, read_soft_labels

GOAL, VOTE = Example(text="a goal", label="sport"), Example(text="the vote", label="politics")


def line(text: str, **probabilities: Any) -> str:
    return json.dumps({"text": text, "probabilities": probabilities})


def written(folder: Path, *lines: str) -> Path:
    path = folder / "teacher.jsonl"
    path.write_text("".join(f"{each}\n" for each in lines), "utf-8")
    return path


def test_a_file_by_hand(tmp_path):
    path = written(
        tmp_path,
        line("the vote", sport=0.25, politics=0.75),
        "",
        line("ein Tor – café", politics=0, sport=1),
        line("a goal", politics=0.5003, sport=0.5),  # the sum is 1.0003
    )
    found = read_soft_labels(path)
    assert found.labels == ("politics", "sport")
    assert found.texts == ("the vote", "ein Tor – café", "a goal")
    assert found.probabilities.dtype == np.float32
    expected = [[0.75, 0.25], [0, 1], [0.5003 / 1.0003, 0.5 / 1.0003]]
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-6)
    assert repr(found) == "<SoftLabels: 3 texts, 2 labels>"


def test_rows_follow_examples_and_labels(tmp_path):
    path = written(
        tmp_path,
        line("the vote", sport=0.25, politics=0.75, weather=0),
        line("a goal", sport=0.5, politics=0.125, weather=0.375),
    )
    found = read_soft_labels(path, [GOAL, VOTE, GOAL])
    rows = found.rows_of(
        [GOAL, VOTE, Example(text="a goal", label="politics")], ["sport", "weather", "politics"]
    )
    assert rows.tolist() == [[0.5, 0.375, 0.125], [0.25, 0, 0.75], [0.5, 0.375, 0.125]]
    with pytest.raises(MismatchError, match="only one of both has 'politics'"):
        found.rows_of([GOAL], ["sport", "weather"])
    with pytest.raises(MismatchError, match=r"2 of 3 have none, such as 'rain'"):
        found.rows_of(
            [GOAL, Example(text="rain", label="sport"), Example(text="hail", label="sport")],
            ["sport", "weather", "politics"],
        )


def test_compressed_files_are_read(tmp_path):
    path = tmp_path / "teacher.jsonl.gz"
    path.write_bytes(gzip.compress(line("a goal", sport=1, politics=0).encode()))
    assert read_soft_labels(path).texts == ("a goal",)


def test_equal_lines_of_a_text_are_one_and_others_refused(tmp_path):
    path = written(
        tmp_path,
        line("a goal", sport=0.9, politics=0.1),
        line("the vote", sport=0.2, politics=0.8),
        line("a goal", sport=0.9002, politics=0.0998),
    )
    found = read_soft_labels(path)
    assert found.texts == ("a goal", "the vote")
    np.testing.assert_allclose(found.probabilities, [[0.1, 0.9], [0.8, 0.2]], rtol=1e-6)
    with path.open("a", encoding="utf-8") as file:
        file.write(line("a goal", sport=0.7, politics=0.3))
    says = f"{path}, line 4: 'a goal' has other probabilities than in line 1"
    with pytest.raises(InputError, match=says):
        read_soft_labels(path)


SECOND = line("the vote", sport=0.25, politics=0.75)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("sport\tthe vote", "line 2 is not JSON"),
        ("[1, 2]", r"line 2: expected an object with keys, found \[1, 2\]"),
        ('{"probabilities": {"sport": 1, "politics": 0}}', "line 2: the key 'text' is missing"),
        ('{"text": "the vote"}', "line 2: the key 'probabilities' is missing"),
        ('{"text": 3, "probabilities": {}}', "line 2: text must be text, received 3"),
        ('{"text": "the vote", "probabilities": [1]}', "probabilities must be a table"),
        (SECOND[:-1] + ', "label": "sport"}', "line 2: unknown key 'label'"),
        (line("the vote", sport="1", politics=0), "probabilities: sport must be a number"),
        (line("the vote", sport=True, politics=0), "probabilities: sport must be a number"),
        (line("the vote", sport=0.6, politics=0.5), "line 2: .* the sum 1, found 1.1"),
        (line("the vote", sport=0.998, politics=0), "line 2: .* the sum 1, found 0.998"),
        (line("the vote", sport=1.5, politics=-0.5), "at least 0, found -0.5 for 'politics'"),
        (line("the vote", sport=float("nan"), politics=1), "found nan for 'sport'"),
        (line("the vote", sport=float("inf"), politics=1), "found inf for 'sport'"),
        (line("the vote", sport=1), "line 2: .* none for 'politics', which line 1 has"),
        (line("the vote", sport=1, politics=0, tv=0), "line 1: .* none for 'tv', which line 2 has"),
        (line("the vote", Sport=1, politics=0), "line 2: .* none for 'sport'"),
        (line("rain", sport=1, politics=0), "line 2: expected a text of the training .* 'rain'"),
        ('{"text": "a", "text": "b", "probabilities": {}}', "the key 'text' stands twice"),
    ],
)
def test_a_bad_line_is_refused_in_one_line(bad, says, tmp_path):
    path = written(tmp_path, line("a goal", sport=1, politics=0), bad)
    with pytest.raises(InputError, match=f"^{path}, .*{says}") as raised:
        read_soft_labels(path, [GOAL, VOTE])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (line("a goal", sport=1), "at least two labels, each once, found 'sport'"),
        (line("a goal"), "at least two labels, each once, found none"),
        (line("a goal", sport=1, tv=0), "none for 'politics', which the training examples have"),
        (line("a goal", Politics=0, sport=1), "none for 'politics', which the training"),
    ],
)
def test_a_bad_first_line_is_refused(first, says, tmp_path):
    path = written(tmp_path, first)
    with pytest.raises(InputError, match=f"^{path}, line 1: .*{says}"):
        read_soft_labels(path, [GOAL, VOTE])


def test_files_without_lines_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"teacher\.jsonl: expected lines .* only empty lines"):
        read_soft_labels(written(tmp_path, "", "  "))
    with pytest.raises(MissingFileError):
        read_soft_labels(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"text": "caf\xe9"}')
    with pytest.raises(InputError, match=r"latin\.jsonl, line 1, offset 13: expected UTF-8"):
        read_soft_labels(tmp_path / "latin.jsonl")


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["text", "probabilities", "x"]), ANY))
def test_whatever_json_says_it_is_read_or_refused(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("soft") / "any.jsonl"
    path.write_text(json.dumps(record))
    if not is_soft(record):
        with pytest.raises(InputError, match=re.escape(str(path))):
            read_soft_labels(path)
    else:
        assert read_soft_labels(path).probabilities.shape == (1, len(record["probabilities"]))


def is_soft(record: dict[str, Any]) -> bool:
    """Say, by other means, whether an object is a text with probabilities."""
    given = record.get("probabilities")
    return (
        record.keys() == {"text", "probabilities"}
        and isinstance(record["text"], str)
        and isinstance(given, dict)
        and len(given) > 1
        and all(isinstance(value, float) and value >= 0 for value in given.values())
        and abs(sum(given.values()) - 1) <= 1e-3
    )


@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(2, 6))
def test_what_is_written_is_read(tmp_path_factory, seed, texts, classes):
    rows = np.random.default_rng(seed).dirichlet(np.ones(classes), texts)
    labels = [f"label {number}" for number in range(classes)]
    path = written(
        tmp_path_factory.mktemp("soft"),
        *(line(f"text {n}", **dict(zip(labels, row, strict=True))) for n, row in enumerate(rows)),
    )
    found = read_soft_labels(path)
    assert found.labels == tuple(labels)
    np.testing.assert_allclose(found.probabilities, rows, atol=1e-7)


@pytest.mark.parametrize(
    ("labels", "texts", "rows", "says"),
    [
        (("a", "a"), ("x",), [[0.5, 0.5]], "at least two labels, each once, found 'a', 'a'"),
        (("a",), ("x",), [[1.0]], "at least two labels"),
        (("a", "b"), (), np.zeros((0, 2)), "at least one text"),
        (("a", "b"), ("x", "y", "x"), np.full((3, 2), 0.5), "'x' stands twice"),
        (("a", "b"), ("x", "y"), [[0.5, 0.5]], r"the shape \(2, 2\), found \(1, 2\)"),
        (("a", "b"), ("x",), [0.5, 0.5], r"the shape \(1, 2\), found \(2,\)"),
        (("a", "b"), ("x",), [["one", "two"]], "must be numbers"),
        (("a", "b"), ("x",), [[1, 0], [1]], "must be numbers"),
        (("a", "b"), ("x", "y"), [[1, 0], [0.5, 0.4]], "text 1, 'y': .* the sum 1, found 0.9"),
        (("a", "b"), ("x",), [[1.2, -0.2]], "text 0, 'x': .* found -0.2 for 'b'"),
        (("a", "b"), ("x",), [[np.inf, -np.inf]], "found inf for 'a'"),
        (("a", "b"), ("x",), [[np.nan, 1]], "found nan for 'a'"),
    ],
)
def test_what_no_soft_labels_can_be_is_refused(labels, texts, rows, says):
    with pytest.raises(InputError, match=says):
        SoftLabels(labels, texts, rows)


def test_sums_near_one_become_one():
    rows = np.array([[0.3, 0.7004], [0.5, 0.4996]])
    found = checked_probabilities(rows, ["x", "y"], ["a", "b"])
    np.testing.assert_allclose(found, rows / rows.sum(axis=1, keepdims=True), rtol=1e-6)
    assert found.dtype == np.float32
