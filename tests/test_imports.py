"""What `import embzip` and the command line load; `scripts/bench_import.py` has the seconds."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import embzip

# Beyond the standard library. Whoever needs another one imports it inside a function.
ALLOWED = {"embzip", "numpy", "lazy_loader"}
HEAVY = {
    "faiss", "gensim", "tensorflow", "keras", "youtokentome", "matplotlib",
    "jinja2", "cyclopts", "rich", "numba", "optuna", "dask",
    "distributed", "fsspec",
}  # fmt: skip


def loaded(statement: str) -> set[str]:
    """Return the top-level modules that a statement adds to a process that has NumPy."""
    code = (
        "import sys, json, numpy; before = set(sys.modules)\n"
        f"{statement}\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps(sorted(new)), file=sys.__stderr__)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(child.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "name",
    ["embzip", "embzip.tf", "embzip.foreign", "embzip.report", "embzip.pipeline", "embzip.trials"],
)
def test_public_names_are_there_and_no_module_takes_the_place_of_one(name: str) -> None:
    """Python binds a submodule to its package when it is imported, over a name of the package."""
    package = import_module(name)
    assert package.__all__
    for public in package.__all__:
        assert getattr(package, public).__name__ == public
    modules = {path.stem for path in Path(package.__file__).parent.iterdir()}
    assert not modules & set(package.__all__)
    with pytest.raises(AttributeError, match="decompress"):
        package.decompress  # noqa: B018


def test_import_embzip_loads_only_what_is_allowed() -> None:
    found = loaded("import embzip")
    assert not found & HEAVY
    assert found - set(sys.stdlib_module_names) <= ALLOWED


def test_every_public_name_is_there_and_light() -> None:
    found = loaded("import embzip\nfor name in embzip.__all__: getattr(embzip, name)")
    assert not found & HEAVY


@pytest.mark.parametrize("command", ["", "build-bpe", "train", "run"])
def test_help_loads_no_framework(command: str) -> None:
    arguments = [*command.split(), "--help"]
    found = loaded(
        "from embzip.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: assert end.code == 0"
    )
    assert not found & (HEAVY - {"cyclopts"}), "not even rich, which takes 0.2 seconds"


def test_only_encoding_with_a_trellis_loads_numba() -> None:
    table = "import numpy as np, embzip\ntable = np.eye(40, dtype=np.float32)\n"
    assert "numba" not in loaded(table + "embzip.compress(table, 'svd:4|mixed:4').decode()")
    made = (
        "from embzip.embedding import CompressedEmbedding\nfrom embzip.codecs import parse_codec\n"
    )
    made += "codec = parse_codec('tcq:2'); layout = codec.layout(40, 40)\n"
    made += "zeros = lambda specs: {s.name: np.zeros(s.shape, s.dtype) for s in specs}\n"
    made += "CompressedEmbedding(codec, zeros(layout.codes), zeros(layout.params), 40, 40).decode()"
    assert "numba" not in loaded(table + made)
    assert "numba" in loaded(table + "embzip.compress(table, 'tcq:2')")


def test_case_72_every_install_command_asks_for_what_pyproject_asks_for() -> None:
    """A package by its name and at least its version, or an extra that has it."""
    root = Path(embzip.__file__).parent
    project = tomllib.loads((root.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = {each.partition(";")[0].strip() for extra in extras.values() for each in extra}
    commands = []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                commands += re.findall(r"`((?:pip install|uv sync) [^`]*)`", node.value)
    assert len(commands) > 15
    build_tools = {"cython", "setuptools", "wheel", "youtokentome"}  # it has no wheels
    for command in commands:
        tool, verb, *words = shlex.split(command)
        if (tool, verb) == ("uv", "sync"):
            assert words[0] == "--extra", command
            assert words[1] in extras, command
            continue
        wanted = {word for word in words if not word.startswith("-")}
        assert wanted <= listed or wanted <= build_tools, command
        assert "embzip" not in command  # on PyPI the name is another project's
