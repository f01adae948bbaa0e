"""Weights beyond what one message holds, as small ones: kept beside the graph, read in turn."""

import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from embzip.cli import main
from embzip.errors import InputError
from embzip.foreign.formats import bundle_writing
from embzip.foreign.formats.bundles import Bundle
from embzip.foreign.graph import lazy_constants
from embzip.foreign.graph.flat_graphs import flat_graph
from embzip.foreign.inspecting import inspect
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
IDS = np.random.default_rng(2).integers(0, 50, (5, 7)).astype(np.int32)
SOURCES = ["ref", "res", "ref_saved", "res_saved", "saved", "model.keras", "model.h5"]


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 1,200 bytes of a table stand for more than 2 GB."""
    monkeypatch.setattr(lazy_constants, "LARGE", 200)
    monkeypatch.setattr(lazy_constants, "_LIMIT", 1000)
    monkeypatch.setattr(bundle_writing, "SHARD", 200)


def served(path: Path) -> np.ndarray:
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    return np.array(next(iter(signature(**{name: tf.constant(IDS)}).values())))


@pytest.mark.parametrize("name", SOURCES)
def test_case_68_a_frozen_graph_above_2_gb_is_refused_before_a_value_is_read(
    folder: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_limits: None
) -> None:
    read: list[str] = []
    values = lazy_constants.LazyConstant.values

    def noted(self: lazy_constants.LazyConstant) -> Any:
        read.extend(["large"] if self.large else [])
        return values(self)

    monkeypatch.setattr(lazy_constants.LazyConstant, "values", noted)
    with pytest.raises(InputError, match=r"2 GB.*--to savedmodel or --to checkpoint"):
        slim(folder / name, tmp_path / "out.pb", to="frozen")
    assert read == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_savedmodel_takes_more_than_a_message_holds(
    folder: Path, name: str, tmp_path: Path, small_limits: None
) -> None:
    slim(folder / name, tmp_path / "slim", to="savedmodel")
    stored = inspect(tmp_path / "slim")
    assert (tmp_path / "slim/saved_model.pb").stat().st_size < stored.total
    assert stored.to_json()["bytes"]["embedding"] == 1200
    if name.startswith("model"):
        expected = np.array(keras.models.load_model(folder / name, compile=False)(IDS))
        np.testing.assert_allclose(served(tmp_path / "slim"), expected, atol=1e-6)
    else:
        plain = tmp_path / "plain"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lazy_constants, "LARGE", 2**20)
            slim(folder / name, plain, to="savedmodel")
        np.testing.assert_array_equal(served(tmp_path / "slim"), served(plain))


@pytest.mark.parametrize("name", ["ref", "res_saved", "saved"])
def test_it_is_rebuilt_on_codes(
    folder: Path, name: str, tmp_path: Path, small_limits: None
) -> None:
    flat = flat_graph(folder / name)
    assert flat.lazy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy_constants, "_LIMIT", 2**31)
        rebuild_file(folder / name, tmp_path / "small.pb", codec="svd:4|int8")
    rebuild_file(folder / name, tmp_path / "small", codec="svd:4|int8")
    graph = tf.compat.v1.GraphDef.FromString((tmp_path / "small.pb").read_bytes())
    with tf.Graph().as_default() as scope, tf.compat.v1.Session(graph=scope) as session:
        tf.import_graph_def(graph, name="")
        expected = session.run("probs:0", {"ids:0": IDS})
    np.testing.assert_allclose(served(tmp_path / "small"), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["ref", "tf2"])
def test_a_checkpoint_is_written_a_few_tensors_at_a_time(
    folder: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_limits: None
) -> None:
    slim(folder / name, tmp_path / "slim")  # several .data files, in place of which come more
    alive: list[weakref.ref[Any]] = []
    together = 0
    read = Bundle.tensor

    def watched(self: Bundle, key: str, slice: str = "") -> Any:
        nonlocal together
        tensor = read(self, key, slice)
        alive.append(weakref.ref(tensor))
        held_now = [each() for each in alive]
        together = max(together, sum(4 * int(tf.size(t)) for t in held_now if t is not None))
        return tensor

    monkeypatch.setattr(Bundle, "tensor", watched)
    slim(folder / name, tmp_path / "slim")
    assert together <= 1200 + 240  # the largest, and one that is still referred to
    monkeypatch.undo()
    assert len(list(tmp_path.glob("slim.data-*"))) > 1
    whole = tmp_path / "whole"
    slim(folder / name, whole)
    one, other = (tf.train.load_checkpoint(str(tmp_path / n)) for n in ("slim", "whole"))
    assert one.get_variable_to_shape_map() == other.get_variable_to_shape_map()
    for key in one.get_variable_to_shape_map():
        np.testing.assert_array_equal(one.get_tensor(key), other.get_tensor(key))
    slim(folder / name, tmp_path / "slim")  # one .data file again; the others are gone
    assert len(list(tmp_path.glob("slim.data-*"))) == 1
    assert inspect(tmp_path / "slim").slim_bytes == inspect(folder / name).slim_bytes


def test_a_weight_that_is_not_what_the_graph_says(folder: Path) -> None:
    wrong = lazy_constants.LazyConstant(
        tf.float32.as_datatype_enum, (3, 2), lambda: np.ones((2, 3), np.float32)
    )
    with pytest.raises(InputError, match=r"float32 \(3, 2\).*\(2, 3\)"):
        wrong.values()


def test_the_command_says_it_in_one_line(
    folder: Path, tmp_path: Path, small_limits: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["slim", str(folder / "res"), "--to", "frozen", "-o", str(tmp_path / "out.pb")])
    assert end.value.code == 1
    told = capfd.readouterr().err
    assert "embzip rebuild" in told
    assert told.count("\n") == 1


def test_nothing_left_is_refused(tmp_path: Path) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model"), tensor_names=["global_step"], shape_and_slices=[""],
        tensors=[tf.ones(())],
    )  # fmt: skip
    with pytest.raises(InputError, match="nothing would be left"):
        slim(tmp_path / "model", tmp_path / "slim")
