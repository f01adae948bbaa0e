"""JSON from files: what is missing, of another type, nested or given twice."""

import json
import tracemalloc

import pytest

from embzip.errors import FileFormatError, InputError
from embzip.files.records import Fields, parse_json


@pytest.mark.parametrize("depth", [33, 900, 5000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_one_error(depth: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    for text in (opening * depth, opening * depth + "1" + closing * depth):
        with pytest.raises(FileFormatError, match=r"^a\.json is (JSON nested|not JSON)"):
            parse_json(text.encode(), "a.json")
    with pytest.raises(InputError, match=r"nested more than 32 deep$"):
        parse_json(opening * depth + "1" + closing * depth, "a.json", error=InputError)


def test_nesting_of_32_is_read() -> None:
    value: object = 1
    for _ in range(32):
        value = [value]
    assert parse_json(json.dumps(value), "a.json") == value


@pytest.mark.parametrize("unit", ["{},", "[],", "[[]],", '{"a":1},'])
def test_many_objects_are_refused_before_they_are_made(unit: str) -> None:
    text = "[" + unit * 600_000 + "0]"
    tracemalloc.start()
    with pytest.raises(
        FileFormatError, match=r"^a\.json holds more than 524,288 objects and lists$"
    ):
        parse_json(text, "a.json")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[1,]", b'{"a": 1, "a": 2}', b"9" * 5000, b"{'a': 1}"]
)
def test_what_is_not_json_names_the_file(content: bytes) -> None:
    with pytest.raises(FileFormatError, match=r"^a\.json is not JSON \("):
        parse_json(content, "a.json")


RECORD = {"rows": 3, "share": 1, "name": "a", "on": True, "labels": ["a", "b"], "shape": [1, 2]}


def test_right_values_are_returned() -> None:
    fields = Fields.of({**RECORD, "inner": {"x": 1}}, "a.embz")
    assert fields.whole("rows") == 3
    assert isinstance(fields.take("share", float), float)
    assert fields.take("on", bool) is True
    assert fields.texts("labels") == ["a", "b"]
    assert fields.wholes("shape") == [1, 2]
    assert fields.fields("inner").whole("x") == 1
    assert fields.take("missing", int, 7) == 7
    assert fields.choice("name", ("a", "b")) == "a"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("rows", None, "rows must be a whole number, received None"),
        ("rows", True, "rows must be a whole number, received True"),
        ("rows", 3.0, "rows must be a whole number, received 3.0"),
        ("rows", -1, r"rows must be a whole number in 0\.\.9, received -1"),
        ("rows", 10**40, r"rows must be a whole number in 0\.\.9, received 1000"),
        ("share", "1", "share must be a number, received '1'"),
        ("share", -(10**400), r"share must be a number up to 2e\+308, received -1000"),
        ("on", 1, "on must be true or false, received 1"),
        ("name", ["a"] * 900, r"name must be text, received \['a', .{1,40}\]$"),
        ("name", "c", "name must be one of a, b, received 'c'"),
        ("labels", "ab", "labels must be a list, received 'ab'"),
        ("labels", ["a", 1], r"labels\[1\] must be text, received 1"),
        ("shape", [1, -2], r"shape must be whole numbers in 0\.\.9, received -2"),
        ("shape", [1, []], r"shape\[1\] must be a whole number, received \[\]"),
    ],
)
def test_wrong_values_name_the_key(key: str, value: object, says: str) -> None:
    fields = Fields.of({**RECORD, key: value}, "a.embz")
    with pytest.raises(FileFormatError, match=f"^a.embz: {says}"):
        _take_all(fields)
    missing = {k: v for k, v in RECORD.items() if k != key}
    with pytest.raises(FileFormatError, match=f"^a.embz: the key '{key}' is missing"):
        _take_all(Fields.of(missing, "a.embz"))


def _take_all(fields: Fields) -> None:
    fields.whole("rows", most=9)
    fields.take("share", float)
    fields.take("on", bool)
    fields.choice("name", ("a", "b"))
    fields.texts("labels")
    fields.wholes("shape", most=9)


def test_tables_of_users_say_what_to_add_and_which_keys_are_known() -> None:
    fields = Fields.of_user({"sead": 1}, "r.toml")
    with pytest.raises(InputError, match=r"^r\.toml: the key 'seed' is missing: add it$"):
        fields.take("seed", int)
    with pytest.raises(InputError, match=r"key 'sead' \(did you mean 'seed'\?\): the known ones"):
        fields.only(("seed", "name"))


@pytest.mark.parametrize("value", [[], "a", None, 3])
def test_what_is_no_object(value: object) -> None:
    with pytest.raises(FileFormatError, match=r"^a\.json: expected an object with keys, found"):
        Fields.of(value, "a.json")
