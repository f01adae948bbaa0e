"""Measurements in a real child process, checked for what they must be on any machine."""

import json
import subprocess
import sys

import numpy as np
import pytest

from embzip.compression import compress
from embzip.embz.format import save
from embzip.errors import EmbzipError, InputError, MissingFileError, SpecError
from embzip.evaluation.serving import measure_serving, resident_mb
from tests.models import tiny_classifier


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("measure") / "model.embz"
    tiny_classifier().save(path)
    return path


def test_serving_is_measured(model):
    serving = measure_serving(model, ["able lion", "zoo", "\ud800 people say"], repeats=40)
    assert 0 < serving.load_seconds < 10
    assert 10 < serving.rss_mb < 500
    assert 0 < serving.latency_ms.p50 <= serving.latency_ms.p99 < 1000
    record = json.loads(json.dumps(serving.to_json()))
    assert set(record) == {"load_seconds", "rss_mb", "latency_ms"}
    assert set(record["latency_ms"]) == {"p50", "p99"}


def test_child_loads_no_tensorflow(model):
    program = (
        "import sys; from embzip.evaluation.serving import answer; answer(); "
        "found = {'tensorflow', 'keras', 'gensim', 'matplotlib'} & set(sys.modules); "
        "sys.exit(str(found) if found else 0)"
    )
    request = json.dumps({"path": str(model), "texts": ["zoo"], "repeats": 1})
    child = subprocess.run(
        [sys.executable, "-c", program], input=request, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr


def test_child_starts_in_any_folder(model, tmp_path, monkeypatch):
    """A file named like a module the child needs is not picked up from the current folder."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    assert measure_serving(model, ["zoo"], repeats=1).load_seconds > 0


def test_failing_child_is_one_error_with_its_last_line(tmp_path):
    bare = tmp_path / "table.embz"
    save(compress(np.eye(3, dtype=np.float32), "int8"), bare)
    with pytest.raises(
        EmbzipError, match=r"table\.embz.*status 1.*expected a classifier"
    ) as caught:
        measure_serving(bare, ["zoo"])
    assert "\n" not in str(caught.value)
    bare.write_bytes(b"damaged")
    with pytest.raises(EmbzipError, match=r"table\.embz.*status 1"):
        measure_serving(bare, ["zoo"])


def test_bad_requests_start_no_child(model, tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.embz"):
        measure_serving(tmp_path / "none.embz", ["zoo"])
    with pytest.raises(InputError, match="at least one text"):
        measure_serving(model, [])
    with pytest.raises(SpecError, match="received 0"):
        measure_serving(model, ["zoo"], repeats=0)


def test_resident_memory_counts_what_is_touched():
    before = resident_mb()
    block = np.ones(8_000_000)  # 64 MB, every page written
    grown = resident_mb() - before
    assert 55 < grown < 80
    assert block[-1] == 1
