"""The quickstart notebook: it runs as it stands, and holds no output."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

CORPORA = Path(__file__).parent.parent / "corpora"


def notebook() -> Any:
    return nbformat.read(CORPORA / "quickstart.ipynb", as_version=4)  # type: ignore[no-untyped-call]


def test_it_goes_from_texts_to_a_small_model_and_its_report(tmp_path: Path) -> None:
    """In a folder of its own, with what it imports from `corpora/`."""
    shutil.copy(CORPORA / "bbc.py", tmp_path)
    done: Any = NotebookClient(
        notebook(), timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    before, after = (tmp_path / "quickstart" / name for name in ("before.embz", "after.embz"))
    assert after.stat().st_size < before.stat().st_size / 8
    assert (tmp_path / "quickstart" / "report.html").is_file()
    printed = done.cells[-1].outputs[0]["data"]["text/plain"]
    assert printed.count("Prediction(label=") == 2


def test_it_holds_no_output() -> None:
    for cell in notebook().cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
