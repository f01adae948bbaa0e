"""The order of the modules (DESIGN, section 2), held by walking every import in the package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import embzip

PACKAGE = Path(embzip.__file__).parent

# A module imports only what stands before it. A place is a module or a package with all that is in
# it; a part of a package that has a place of its own stands where it is named.
ORDER = [
    "errors",
    "types",
    "choices",  # names that a user writes
    "files",
    "inspection",  # what is said of a file of any format
    "seeds",
    "memory",  # how much there is
    "threads",  # how many libraries take
    "compiling",  # machine code, kept
    "engine",  # blocks of rows and of texts
    "labels",  # what is odd about them
    "labelled",  # what a row is in each kind of file
    "sources",  # files, or texts in memory
    "corpus",
    "soft_labels",  # what a model says of texts
    "vocabulary",
    "codecs.arrays",  # how tensors are laid out
    "embz.container",  # tensors of a file, whatever they mean
    "tokenizers",
    "vectors",
    "codecs",
    "codecs.scalar",
    "codecs.product",
    "codecs.transforms",
    "codecs.wrappers",
    "codecs.row_classes",
    "codecs.ectcq",
    "codecs.auto",  # chooses among the chains of stages
    "codecs.registry",  # lists every stage
    "codecs.listing",
    "packing",  # knows how codecs lay arrays out, and nothing else of them
    "checking",
    "appending",
    "embedding",
    "compression",
    "embz",  # a classifier knows how it is stored; to the file its tensors are opaque
    "prediction",
    "litert",  # knows tokenizers and files only; `load_model` reads either kind of file
    "classifier",
    "portable",  # classifiers as source of other languages
    "evaluation",
    "layers",
    "foreign.formats",
    "foreign.graph",
    "foreign",
    "tf",
    "sklearn",
    "static_models",  # tables for model2vec and sentence-transformers
    "artefacts",  # tells kinds, and imports who knows one when asked
    "rewriting",
    "table_files",
    "report",
    "pipeline",
    "trials",
    "cli",
]

# Kinds of stages that know nothing of each other, nor one stage of another in the same folder.
STAGES = ("scalar", "product", "transforms", "wrappers", "row_classes", "ectcq")
WITHIN = {"row_classes", "ectcq"}  # each one construction, in several files

# Who may import what, beside the module that owns it: nobody.
OWNERS = {
    "tensorflow": {"layers", "foreign", "tf"},
    "keras": {"layers", "foreign", "tf"},
    "ai_edge_litert": {"litert", "foreign", "tf"},
    "tf2onnx": {"foreign"},
    "gensim": {"vectors"},
    "threadpoolctl": {"vectors"},
    "youtokentome": {"tokenizers"},
    "tokenizers": {"tokenizers"},
    "sentencepiece": {"tokenizers"},
    "faiss": {"codecs"},
    "numba": {"compiling"},
    "constriction": {"packing"},
    "pyarrow": {"labelled"},
    "sklearn": {"sklearn"},
    "zstandard": {"files"},
    "tempfile": {"files"},  # leftovers of killed processes are found by one name
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "cyclopts": {"cli"},
    "rich": {"report", "cli"},
    "optuna": {"trials"},
    "dask": {"engine"},
    "distributed": {"engine"},
    "cloudpickle": {"engine"},
    "fsspec": {"files"},
}

FILES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path not in (PACKAGE / "__init__.py", PACKAGE / "__main__.py")
)
IDS = [str(path.relative_to(PACKAGE)) for path in FILES]


def module_of(path: Path) -> str:
    """Return the dotted name of a file within embzip; a package's for its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(module: str) -> str:
    """Return the most particular place of a dotted name within embzip; '' where it has none."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in ORDER), "")


def room(path: Path) -> str:
    """Return the top-level module or package of a file."""
    return module_of(path).split(".")[0]


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


def test_every_place_exists() -> None:
    modules = {module_of(path) for path in FILES}
    assert set(ORDER) <= modules, set(ORDER) - modules


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_module_stands_in_the_order_and_imports_only_what_stands_before_it(path: Path) -> None:
    here = place(module_of(path))
    assert here, f"{path} has no place in DESIGN's list"
    for line, name in imports(path):
        if name.split(".")[0] != "embzip":
            continue
        assert name != "embzip", f"{path}:{line}: import the module itself, not the whole package"
        target = place(name.removeprefix("embzip."))
        assert target, f"{path}:{line}: import from the module itself, not {name}"
        if path.name == "__init__.py" and target.startswith(f"{here}."):
            continue  # a package may name what is in it
        assert target == here or ORDER.index(target) < ORDER.index(here), (
            f"{path}:{line}: {here} stands before {target}, so it must not import {name}"
        )


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_foreign_package_is_imported_by_its_owner_only(path: Path) -> None:
    for line, name in imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or room(path) in owners, (
            f"{path}:{line}: {name} is imported in {', '.join(sorted(owners or ()))} only"
        )


@pytest.mark.parametrize("kind", STAGES)
def test_stages_do_not_import_each_other(kind: str) -> None:
    for path in (PACKAGE / "codecs" / kind).glob("*.py"):
        for line, name in imports(path):
            parts = name.split(".")
            if parts[:2] == ["embzip", "codecs"] and parts[2] in STAGES:
                assert parts[2] == kind and kind in WITHIN, f"{path}:{line}: {name}"  # noqa: PT018


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_library_never_prints_and_catches_no_bare_exception(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path}:{node.lineno}: the library never prints"
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            edge = caught == "Exception" and path == PACKAGE / "cli" / "__init__.py"
            assert edge or caught not in ("everything", "Exception", "BaseException"), (
                f"{path}:{node.lineno}: catches {caught}"
            )
