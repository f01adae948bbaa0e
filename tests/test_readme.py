"""The README: its example runs, its commands exist, and it never sends anyone to PyPI's embzip."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from embzip.pipeline.recipe import read_recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_library_examples_run(news_folder: Path) -> None:
    """One after the other, in a folder with a train.tsv and a test.tsv, as a reader would."""
    example = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=news_folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Prediction(label=" in done.stdout
    assert "'mcnemar_p'" in done.stdout
    before, after = (news_folder / f"{name}.embz" for name in ("before", "after"))
    assert after.stat().st_size < before.stat().st_size


def test_every_make_target_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^    )make (\w+)", README, re.MULTILINE))
    assert {"demo", "test", "check"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", ["README.md", "corpora/README.md", "Makefile"])
def test_nobody_is_told_to_install_the_unrelated_project(name: str) -> None:
    assert not re.search(r"(pip|uv) (install|add) ['\"]?embzip", (ROOT / name).read_text("utf-8"))


def test_no_source_tells_anyone_to_install_the_unrelated_project() -> None:
    for path in (ROOT / "embzip").rglob("*.py"):
        text = path.read_text("utf-8")
        assert not re.search(r"(install|add) ['\"]?embzip\b", text), path


def test_every_script_it_names_exists() -> None:
    for name in re.findall(r"python -m (scripts\.\w+)", README):
        assert (ROOT / name.replace(".", "/")).with_suffix(".py").exists(), name


def test_its_recipe_is_read(tmp_path: Path) -> None:
    (recipe,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    for name in ("train.tsv", "dev.tsv", "test.tsv", "more.txt"):
        (tmp_path / name).write_text("label\ttext\n")
    (tmp_path / "recipe.toml").write_text(recipe)
    read = read_recipe(tmp_path / "recipe.toml")
    assert [(c.name, c.codec, c.tune) for c in read.candidates] == [
        ("words", "float32", False),
        ("bpe-30k", "svd:48|int8", True),
    ]
