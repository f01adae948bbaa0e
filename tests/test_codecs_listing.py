import json
import re

import pytest

from embzip.cli import app
from embzip.cli.explaining import explain
from embzip.codecs import parse_codec
from embzip.codecs.listing import StageFacts, list_stages
from embzip.codecs.registry import BUILTIN
from tests.commands import stdout_of

FACTS = list_stages()
IDS = [each.name for each in FACTS]


def test_every_stage_is_listed_once() -> None:
    assert [stage.name for stage in BUILTIN] == IDS
    kinds = {each.name: each.kind for each in FACTS}
    assert (kinds["svd"], kinds["normalize"], kinds["tcq"]) == (
        "transform", "wrapper", "quantizer",
    )  # fmt: skip


@pytest.mark.parametrize("facts", FACTS, ids=IDS)
def test_what_is_said_of_a_stage(facts: StageFacts) -> None:
    assert re.search(rf"\b{facts.name}\b", facts.example)
    assert facts.meaning
    assert "\n" not in facts.meaning
    codec = parse_codec(facts.example)
    if facts.name == "auto":
        assert facts.bits is None
    else:
        assert facts.bits == 8 * codec.layout(100_000, 300).nbytes / 30_000_000
    argument = facts.example.partition(f"{facts.name}:")[2].partition("|")[0]
    for key, values in re.findall(r"[:,](\w+)=([\w|.]+)", facts.usage):
        for value in re.split(r"[|]|\.\.", values.replace("SHARE", "0.5")):
            own = [argument] if argument and key != "energy" else []
            spec = facts.name + ":" + ",".join([*own, f"{key}={value}"])
            chain = spec if facts.kind == "quantizer" else f"{spec}|int8"
            assert parse_codec(chain), "what the usage says can be written"


def test_sizes_by_hand() -> None:
    bits = {each.name: each.bits for each in FACTS}
    assert bits["int8"] == 8 * (300 + 4) / 300  # a float32 scale a row
    assert bits["svd"] == 8 * (100_000 * (64 + 4) + 64 * 300 * 4) / 30_000_000


def test_the_command() -> None:
    record = json.loads(stdout_of("codecs", "--json"))
    assert (record["rows"], record["dim"]) == (100_000, 300)
    assert [each["name"] for each in record["stages"]] == IDS
    lines = stdout_of("codecs").splitlines()
    assert len(lines) == len(IDS) + 1
    for line, facts in zip(lines[1:], FACTS, strict=True):
        assert facts.usage in line
        assert line.endswith(facts.meaning)


@pytest.mark.parametrize("command", ["compress", "rebuild"])
def test_the_help_of_codec_lists_every_stage(command: str) -> None:
    words = re.findall(r"[a-z]\w*", explain(app, command))
    assert set(IDS) <= set(words)
    assert "stages}" not in explain(app, command)
