"""The page on codecs: its sizes are the layouts', and its example of a codec keeps the contract."""

import re
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.codecs import parse_codec
from embzip.codecs.registry import BUILTIN
from tests import test_codecs_contract as contract

PAGE = Path(embzip.__file__).parent.joinpath("codecs", "README.md").read_text("utf-8")
# | `spec` | formula | bytes a row | bytes of params | papers |
ROWS = re.findall(r"^\| `(\S+)` \| .* \| ([\d.]+) \| (\d+) \| .*\|$", PAGE, re.MULTILINE)


def test_every_stage_has_a_row() -> None:
    named = {part.split(":")[0] for spec, _, _ in ROWS for part in spec.split("\\|")}
    assert {stage.name for stage in BUILTIN} == named | {"auto"}
    assert "`auto:500KB`" in PAGE


@pytest.mark.parametrize(("spec", "row", "params"), ROWS)
def test_its_sizes_are_the_layouts(spec: str, row: str, params: str) -> None:
    layout = parse_codec(spec.replace("\\|", "|")).layout(100_000, 300)
    whole = sum(array.nbytes for array in layout.codes) / 100_000
    assert whole == pytest.approx(float(row), abs=1e-3)
    assert sum(array.nbytes for array in layout.params) == int(params)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the page's codec as a package would: a module, and metadata with an entry point."""
    (code,) = re.findall(r'```python\n("""`int8table`.*?)```', PAGE, re.DOTALL)
    (entry,) = re.findall(r"```toml\n\[project.entry-points.*\]\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "int8table.py").write_text(code, "utf-8")
    metadata = tmp_path / "int8table-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: int8table\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[embzip.codecs]\n" + entry.replace('"', ""))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("spec", ["int8table", "svd:4|int8table", "normalize|int8table"])
def test_its_codec_keeps_the_contract(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract.test_a_spec_reads_back_from_itself(spec)
    contract.test_layout_states_every_tensor_before_fitting(spec)
    contract.test_rows_are_independent(spec)
    contract.test_same_input_same_bytes_and_input_untouched(spec)
    contract.test_memory_mapped_and_foreign_arrays(spec, tmp_path)
    contract.test_case_48_zero_rows_are_exact(spec)
    contract.test_case_48_constant_columns_and_all_zero_tables(spec)
    contract.test_case_44_non_finite_rows_are_named(spec, np.nan)
    contract.test_blocks_of_any_size_give_the_same_codes(spec, monkeypatch)


@pytest.mark.usefixtures("plugin")
def test_its_codec_stands_in_files_and_errs_by_half_a_step(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(700, 5)).astype(np.float32)
    small = embzip.compress(table, "int8table")
    assert np.abs(small.decode() - table).max() <= 0.5001 * np.abs(table).max() / 127
    for pack in (False, True):
        embzip.save(small, tmp_path / "a.embz", pack=pack)
        np.testing.assert_array_equal(embzip.load(tmp_path / "a.embz").decode(), small.decode())
    small.params["0.scale"][0] = -1
    embzip.save(small, tmp_path / "a.embz")
    with pytest.raises(embzip.EmbzipError, match="the scale is above 0"):
        embzip.load(tmp_path / "a.embz")
