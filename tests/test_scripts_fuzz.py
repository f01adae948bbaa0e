"""The fuzzer: what it counts, and a short run over every kind that needs no framework."""

import json
import subprocess
import sys
import textwrap
import warnings
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from embzip.errors import InputError
from scripts.fuzz import mutators
from scripts.fuzz.__main__ import FAULTS, Found, follow, keep, share_out, table
from scripts.fuzz.__main__ import fuzz as run_apart
from scripts.fuzz.child import mutant, outcome, run
from scripts.fuzz.frameworks import among
from scripts.fuzz.kind import Kind, Wrong
from scripts.fuzz.kinds import kinds, plain_kinds
from scripts.fuzz.mutators import edit_json, edit_protobuf, edit_zip_members

PLAIN = plain_kinds()
NAMES = [kind.name for kind in PLAIN]


@pytest.mark.parametrize("kind", PLAIN, ids=NAMES)
def test_no_mutant_of_a_fixed_seed_is_read_wrong(kind: Kind, tmp_path: Path) -> None:
    told: list[str] = []
    count = 4 if kind.share < 1 else 40
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(kind, tmp_path / "s", seed=1, first=0, last=count, tell=told.append, limited=False)
    ended = [line for line in told if not line.startswith("begin ") and line != "read"]
    assert len(ended) == count
    assert not [line for line in ended if line.split()[0] in FAULTS]


def test_a_run_in_processes_of_its_own_is_the_same_each_time(tmp_path: Path) -> None:
    kind = next(kind for kind in PLAIN if kind.name == "words")
    one, again = (run_apart(kind, tmp_path, mutants=40, seed=3) for _ in range(2))
    assert one.counts == again.counts
    assert sum(one.counts.values()) == 40
    assert not one.failures


def process(code: str) -> "subprocess.Popen[bytes]":
    whole = "import os, time\ndef say(line): print(line, flush=True)\n" + textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", whole], stdout=subprocess.PIPE)


def test_crashes_hangs_and_other_exceptions_are_counted_by_their_mutant() -> None:
    found = Found()
    with process("""
        for line in ("begin 0", "refused", "begin 1", "other KeyError at a.py:1: 'x'", "begin 2"):
            say(line)
        os.abort()
    """) as ended:
        assert follow(ended, found) == 2
    with process("say('begin 3'); say('read'); os.abort()") as ended:  # another library's crash
        assert follow(ended, found) == 3
    with process("say('begin 4'); time.sleep(60)") as ended:
        assert follow(ended, found, seconds=0.5) == 4
    with process("raise SystemExit('no sample')") as ended:
        assert follow(ended, found) == -1
    assert found.counts == Counter(refused=1, other=1, crash=1, alone=1, hang=1)
    assert [index for index, _ in found.failures] == [1, 2, 4]
    assert found.failures[1][1] == "crash: the process ended with -6"


@pytest.mark.parametrize(
    ("does", "resealed", "expected"),
    [
        (InputError("one line"), False, "refused"),
        (InputError("two\nlines"), False, "other the message has several lines"),
        (KeyError("rows"), False, "other KeyError at test_scripts_fuzz.py"),
        (MemoryError(), False, "other MemoryError"),
        (RecursionError("deep"), False, "other RecursionError"),
        (Wrong("a row is not finite"), True, "wrong a row is not finite"),
        ("as written", False, "same"),
        ("something else", False, "wrong it has digests"),
        ("something else", True, "resealed"),
    ],
)
def test_outcomes_of_a_file_with_digests(does: object, resealed: bool, expected: str) -> None:
    def read(path: Path) -> object:
        if isinstance(does, Exception):
            raise does
        return does

    kind = Kind("a", lambda folder: None, "a", read, digests=True)
    ended = outcome(kind, Path("a"), "as written", resealed=resealed, tell=lambda line: None)
    assert ended.startswith(expected)


def test_outcomes_of_a_file_that_its_own_library_reads() -> None:
    told: list[str] = []

    def refuse(path: Path) -> object:
        raise ValueError

    base = Kind("a", lambda folder: None, "a", lambda path: [1, 2], own=lambda path: [1, 2, 3])
    for kind, expected in (
        (base, "wrong its own library"),
        (replace(base, own=lambda path: [1, 2]), "same"),
        (replace(base, own=refuse), "alone"),
        (replace(base, same=among), "same"),
        (replace(base, own=lambda path: [1, 1], same=among), "wrong"),
    ):
        ended = outcome(kind, Path("a"), None, resealed=False, tell=told.append)
        assert ended.startswith(expected)
    assert told == ["read"] * 5


def test_a_mutant_follows_from_seed_and_index(tmp_path: Path) -> None:
    kind = next(kind for kind in PLAIN if kind.name == "texts")
    kind.make(tmp_path)
    made = {mutant(kind, tmp_path, seed, index)[1] for seed in (0, 1) for index in range(20)}
    assert len(made) > 30
    assert mutant(kind, tmp_path, 1, 7) == mutant(kind, tmp_path, 1, 7)
    found = Found()
    found.add(7, "other KeyError at a.py:1")
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "texts").symlink_to(tmp_path)
    keep(kind, found, samples, tmp_path / "kept", 1)
    lines = (tmp_path / "kept" / "failures.txt").read_text().splitlines()
    assert lines == ["texts_1_7_train.tsv\tother: KeyError at a.py:1"]
    assert (tmp_path / "kept" / "texts_1_7_train.tsv").read_bytes() == (
        mutant(kind, tmp_path, 1, 7)[1]
    )


def test_mutants_are_shared_out_and_the_table_adds_them() -> None:
    for total in (1000, 100_000):
        counts = share_out(total, kinds())
        assert sum(counts) == total
        assert min(counts) >= 1
    printed = table([("npy", Counter(refused=2, same=1)), ("h5", Counter(hang=1))]).splitlines()
    assert printed[0].count("|") == printed[1].count("|") == printed[-1].count("|") == 11
    assert printed[-1] == "| **all** | 4 | 2 | 1 | 0 | 0 | 0 | 0 | 1 | 0 |"


@pytest.mark.parametrize("name", ["PLAIN", "edit_lines", "edit_json", "edit_protobuf"])
def test_mutators_change_bytes_and_take_any(name: str) -> None:
    made = getattr(mutators, name)
    chosen = made if isinstance(made, tuple) else (made,)
    contents = (
        b"",
        b"a",
        b"\x08\x01\x12\x03abc",
        b'{"a": [1, {"b": null}], "c": "d"}',
        b"x\ty\n" * 9,
    )
    changed = 0
    for seed in range(200):
        rng = Random(seed)
        content = rng.choice(contents)
        changed += rng.choice(chosen)(content, rng) != content
    assert changed > 120


def test_what_has_a_form_keeps_it(tmp_path: Path) -> None:
    message = b"\x0a\x07\x08\x96\x01\x12\x02ab\x10\x05"  # {1: {1: 150, 2: "ab"}, 2: 5}
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one", "1" * 50)
        archive.writestr("two", "2" * 50)
    kept = 0
    for seed in range(100):
        rng = Random(seed)
        text, deep, _ = edit_json(b'{"a": [1, {"b": 2}]}', rng).partition(b',"deep"')
        json.loads(text + b"}" if deep else text)
        changed = edit_protobuf(message, rng)
        kept += bool(list(mutators._fields(changed)))
        path.write_bytes(
            edit_zip_members(path.read_bytes(), rng) if seed % 10 else path.read_bytes()
        )
    assert kept > 60
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
