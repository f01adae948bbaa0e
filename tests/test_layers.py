"""The order of the modules (DESIGN, section 2), held by walking every import in the package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import embzip

PACKAGE = Path(embzip.__file__).parent

# A module imports only modules that stand before it. A package is one place in this list.
ORDER = [
    "errors",
    "files",
    "seeds",
    "corpus",
    "vocabulary",
    "tokenizers",
    "vector_files",
    "vectors",
    "pruning",
    "word2vec",
    "transferring",
    "codecs",
    "packing",  # knows how codecs lay arrays out, and nothing else of them
    "bounds",
    "distortion",
    "checking",
    "embedding",
    "compression",
    "container",
    "prediction",
    "litert",  # knows tokenizers and files only; `Classifier.load` reads either kind of file
    "fileformat",  # a classifier knows how it is stored; to the file its tensors are opaque
    "inspection",
    "classifier",
    "sensitivities",
    "rebuilding",
    "factorizing",
    "tf",
    "evaluation",
    "measure",
    "report",
    "pipeline",
    "search",
    "scale",
    "cli",
]

# Who may import what, beside the module that owns it: nobody.
OWNERS = {
    "tensorflow": {"tf"},
    "keras": {"tf"},
    "ai_edge_litert": {"litert", "tf"},
    "tf2onnx": {"tf"},
    "gensim": {"word2vec"},
    "youtokentome": {"tokenizers"},
    "tokenizers": {"tokenizers"},
    "faiss": {"codecs"},
    "numba": {"codecs"},
    "constriction": {"packing"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "typer": {"cli"},
    "rich": {"report", "cli"},
}

# The parts of codecs/ that are no stages, and that stages may import.
CODEC_BASES = {
    "spec", "arrays", "ops", "base", "chain", "packing", "row_scale", "sampling", "codebooks",
    "bins", "allocation", "fields", "row_index", "row_classes", "trellis", "viterbi",
    "tails", "losses", "rate_options", "dependent", "path_search", "rates",
}  # fmt: skip
# `auto` has no arithmetic of its own: it chooses among the chains the registry knows.
CODEC_FRAME = CODEC_BASES | {"registry", "auto", "__init__"}

FILES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path not in (PACKAGE / "__init__.py", PACKAGE / "__main__.py")
)
IDS = [str(path.relative_to(PACKAGE)) for path in FILES]


def place(path: Path) -> str:
    """Return the name under which a file stands in `ORDER`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted name) of every import of a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_module_stands_in_the_order_and_imports_only_what_stands_before_it(path: Path) -> None:
    here = place(path)
    assert here in ORDER, f"{here} has no place in DESIGN's list"
    for line, name in imports(path):
        if name.split(".")[0] != "embzip":
            continue
        assert name != "embzip", f"{path}:{line}: import the module itself, not the whole package"
        target = name.split(".")[1]
        assert target in ORDER, f"{path}:{line}: import from the module itself, not {name}"
        assert target == here or ORDER.index(target) < ORDER.index(here), (
            f"{path}:{line}: {here} stands before {target}, so it must not import {name}"
        )


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_foreign_package_is_imported_by_its_owner_only(path: Path) -> None:
    for line, name in imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or place(path) in owners, (
            f"{path}:{line}: {name} is imported in {', '.join(sorted(owners or ()))} only"
        )


@pytest.mark.parametrize(
    "path", [path for path in FILES if place(path) == "codecs"], ids=lambda path: path.name
)
def test_stages_do_not_import_each_other(path: Path) -> None:
    stages = {file.stem for file in FILES if place(file) == "codecs"} - CODEC_FRAME
    allowed = {path.stem} | (stages if path.stem in ("registry", "__init__") else set())
    for line, name in imports(path):
        parts = name.split(".")
        if parts[:2] == ["embzip", "codecs"] and len(parts) > 2:
            assert parts[2] in allowed | (CODEC_FRAME - {"__init__"}), f"{path}:{line}: {name}"
            if path.stem in stages:
                assert parts[2] in CODEC_BASES, f"{path}:{line}: a stage knows no {parts[2]}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_library_never_prints_and_catches_no_bare_exception(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path}:{node.lineno}: the library never prints"
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("everything", "Exception", "BaseException"), (
                f"{path}:{node.lineno}: catches {caught}"
            )
