"""Facts that a user writes into a file: kept, shown, carried along, refused where they are none."""

import json
from pathlib import Path

import pytest

import embzip
from embzip.embz.meta import meta_nbytes, meta_of
from embzip.errors import FileFormatError, InputError
from tests.commands import outcome, stdout_of
from tests.models import tiny_classifier

FACTS = {"licence": "MIT", "corpus": 'news "2004"', "author": "Ærø\n"}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_classifier().save(tmp_path / "model.embz", meta=FACTS)
    return tmp_path / "model.embz"


def test_facts_are_kept_and_no_answer_depends_on_them(path: Path, tmp_path: Path) -> None:
    assert meta_of(path) == dict(sorted(FACTS.items()))
    assert dict(embzip.inspect(path).to_json()["meta"]) == FACTS
    plain = tmp_path / "plain.embz"
    tiny_classifier().save(plain)
    assert meta_of(plain) == {}
    grown = path.stat().st_size - plain.stat().st_size
    assert 0 < grown <= meta_nbytes(FACTS)
    assert embzip.load_model(path).predict(["lion"]) == embzip.load_model(plain).predict(["lion"])


def test_commands_write_show_and_carry_them(path: Path) -> None:
    stdout_of(
        "rebuild", "model.embz", "--codec", "int8", "--meta", "date=a=b", "--meta", "licence=BSD"
    )
    assert meta_of("model.rebuilt.embz") == {**FACTS, "licence": "BSD", "date": "a=b"}
    shown = stdout_of("inspect", "model.rebuilt.embz").splitlines()
    assert "licence         BSD" in shown
    assert "author          Ærø\\n" in shown, "on one line"
    assert json.loads(stdout_of("inspect", "model.rebuilt.embz", "--json"))["meta"]["date"] == "a=b"
    Path("v.vec").write_text("2 2\na 1 2\nb 2 1\n")
    stdout_of("compress", "v.vec", "--codec", "float16", "--meta", "licence=MIT")
    assert meta_of("v.compressed.embz") == {"licence": "MIT"}
    Path("more.vec").write_text("1 2\nc 1 1\n")
    stdout_of("append", "v.compressed.embz", "more.vec", "-o", "longer.embz")
    assert meta_of("longer.embz") == {"licence": "MIT"}


def test_what_is_no_fact_is_refused(path: Path, tmp_path: Path) -> None:
    done = outcome("rebuild", "model.embz", "--codec", "int8", "--meta", "MIT")
    assert done.code == 2
    assert "--meta takes KEY=VALUE, such as licence=MIT, received MIT" in done.stderr
    for meta in ({"": "x"}, {"a": 3}, {"a": "x" * 65_536}):
        with pytest.raises(InputError, match="meta"):
            tiny_classifier().save(tmp_path / "bad.embz", meta=meta)  # type: ignore[arg-type]
    assert not (tmp_path / "bad.embz").exists()


def test_changed_facts_are_a_damaged_file(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"MIT", b"BSD"))
    with pytest.raises(FileFormatError, match="does not match its digest"):
        meta_of(path)
