"""RESULTS.md: its blocks, how one is made anew, and the picture that is drawn from them."""

import subprocess
from pathlib import Path

import pytest

from scripts.picture import Point, draw, points
from scripts.results import PAGE, Block, blocks, refresh

BLOCKS = blocks(PAGE.read_text("utf-8"))
SCRIPT = "import sys\nprint('| a |')\nprint(*sys.argv[1:])\nsys.exit(sys.argv[-1:] == ['fail'])\n"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of two blocks, in a folder with the trivial script that makes them."""
    monkeypatch.chdir(tmp_path)
    Path("trivial.py").write_text(SCRIPT)
    one, two = (Block(name, "0000000", "python -m trivial old", "old") for name in ("one", "two"))
    path = tmp_path / "page.md"
    path.write_text(f"# Page\n\nBefore.\n\n{one}\n\nBetween.\n\n{two}\n")
    return path


def test_a_block_is_made_anew_and_the_rest_stays(page: Path) -> None:
    before = page.read_text()
    made = refresh(page, "one")
    assert (made.command, made.printed.split()) == ("python -m trivial old", ["|", "a", "|", "old"])
    assert made.commit not in ("", "0000000")
    after = page.read_text()
    assert after == before.replace("0000000", made.commit, 2).replace(
        "\nold\n", "\n| a |\nold\n", 1
    )
    assert blocks(after)["one"] == Block("one", made.commit, made.command, "| a |\nold")


def test_arguments_take_the_place_of_the_old_ones_and_are_kept(page: Path) -> None:
    assert refresh(page, "two", ["b c", "*.md"]).printed == "| a |\nb c *.md\n"
    assert blocks(page.read_text())["two"].command == "python -m trivial 'b c' '*.md'"
    assert refresh(page, "two", []).printed == "| a |\n\n"


def test_a_new_block_is_two_markers_and_the_shell_expands_patterns(page: Path) -> None:
    page.write_text("<!-- results:new none python -m trivial *.md -->\n-\n<!-- /results:new -->\n")
    made = refresh(page, "new")
    assert made.printed == "| a |\npage.md\n"
    assert page.read_text() == f"{made}\n"


def test_a_failing_command_and_an_unknown_name_change_nothing(page: Path) -> None:
    before = page.read_text()
    with pytest.raises(subprocess.CalledProcessError):
        refresh(page, "one", ["fail"])
    with pytest.raises(SystemExit, match="no block three; there are one, two"):
        refresh(page, "three")
    assert page.read_text() == before


def test_the_page_holds_each_block_as_it_would_be_written() -> None:
    text = PAGE.read_text("utf-8")
    assert text.count("<!-- results:") == len(BLOCKS) > 20
    for name, block in BLOCKS.items():
        assert str(block) in text
        assert f"\n## {name}\n" in text, "what links point at"


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_each_block_names_a_module_and_a_commit(block: Block) -> None:
    module = block.command.removeprefix("python -m ").split()[0].replace(".", "/")
    root = PAGE.parent.parent
    assert (root / f"{module}.py").exists() or (root / module / "__main__.py").exists()
    assert len(block.commit) >= 7
    assert int(block.commit, 16)


def test_the_picture_shows_the_winners_of_words(tmp_path: Path) -> None:
    lines = points(BLOCKS["winners"].printed)
    assert len(lines) == 5
    assert lines["clinc150"] == [
        Point(1, 92.51, ""),
        Point(25, 92.27, "-0.24"),
        Point(50, 87.64, "-4.87"),
    ]
    draw(lines, tmp_path / "picture.svg")
    svg = (tmp_path / "picture.svg").read_text()
    assert all(point.gained in svg for line in lines.values() for point in line)
