"""Tables of graphs, in every way they are read: sums, products, parts, halves, several, tied."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from embzip.errors import InputError, UnsupportedModelError
from embzip.foreign.inspecting import inspect
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim

v1 = tf.compat.v1
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(50, 6)).astype(np.float32)
IDS = RNG.integers(0, 50, (5, 7)).astype(np.int32)
IDS[:, 5:] = 0


def frozen(path: Path, build: Callable[[Any], Any]) -> Path:
    with tf.Graph().as_default() as graph:
        ids = v1.placeholder(tf.int32, [None, 7], name="ids")
        tf.identity(build(ids), name="probs")
    needed = v1.graph_util.extract_sub_graph(graph.as_graph_def(), ["probs"])
    path.write_bytes(needed.SerializeToString())
    return path


def answers(path: Path, ids: Any = IDS) -> np.ndarray:
    graph = v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as scope, v1.Session(graph=scope) as session:
        tf.import_graph_def(graph, name="")
        return session.run("probs:0", {"ids:0": ids})


def table(values: Any = TABLE, name: str = "words") -> Any:
    return tf.constant(values, name=name)


def sparse(combiner: str) -> Callable[[Any], Any]:
    def build(ids: Any) -> Any:
        return v1.nn.safe_embedding_lookup_sparse(
            [table()], tf.sparse.from_dense(ids), combiner=combiner
        )

    return build


def in_parts(strategy: str) -> Callable[[Any], Any]:
    def build(ids: Any) -> Any:
        ends = np.cumsum([0, 17, 17, 16])
        parts = [
            TABLE[i::3] if strategy == "mod" else TABLE[ends[i] : ends[i + 1]] for i in range(3)
        ]
        held = [table(part, f"words/part_{i}") for i, part in enumerate(parts)]
        return v1.nn.embedding_lookup(held, ids, partition_strategy=strategy)

    return build


def ragged(ids: Any) -> Any:
    """Look up groups of a table's rows, and sum what each text's groups have."""
    groups = tf.RaggedTensor.from_row_lengths(table(), np.arange(50) % 2 * 2)
    return tf.reduce_sum(tf.gather(groups, ids), axis=[1, 2])


WAYS: dict[str, Callable[[Any], Any]] = {
    "gather": lambda ids: tf.gather(table(), ids),
    "nd": lambda ids: tf.gather_nd(table(), ids[..., None]),
    "one-hot": lambda ids: tf.tensordot(tf.one_hot(ids - 1, 50), table(), 1),
    "sum": sparse("sum"),
    "mean": sparse("mean"),
    "sqrtn": sparse("sqrtn"),
    "div": in_parts("div"),
    "mod": in_parts("mod"),
    "ragged": ragged,
    "ragged ids": lambda ids: tf.reduce_sum(
        tf.nn.embedding_lookup(table(), tf.RaggedTensor.from_tensor(ids, padding=0)), axis=1
    ),
    "float16": lambda ids: tf.gather(table(TABLE.astype(np.float16)), ids),
    "bfloat16": lambda ids: tf.cast(tf.gather(tf.cast(table(), tf.bfloat16), ids), tf.float32),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_read_a_table(tmp_path: Path, way: str) -> None:
    source = frozen(tmp_path / "model.pb", WAYS[way])
    expected = answers(source)
    made = rebuild_file(source, tmp_path / "same.pb", codec="float32")
    np.testing.assert_array_equal(answers(tmp_path / "same.pb"), expected)
    assert (made.embedding.rows, made.embedding.dim) == (50, 6)
    # Rows stand in the order of their ids, so that a table of one's own fits.
    np.testing.assert_allclose(made.embedding[np.arange(50)], TABLE, atol=4e-3 * 4)
    rebuild_file(source, tmp_path / "small.pb", codec="int8")
    np.testing.assert_allclose(answers(tmp_path / "small.pb"), expected, atol=0.3)


def two(ids: Any) -> Any:
    return tf.gather(table(), ids) + tf.gather(table(2 * TABLE, "static"), ids)


def test_several_tables_at_once(tmp_path: Path) -> None:
    source = frozen(tmp_path / "two.pb", two)
    expected = answers(source)
    with pytest.raises(UnsupportedModelError, match="several: choose with --layer, or --all"):
        rebuild_file(source, tmp_path / "no.pb", codec="int8")
    for options in ({"every": True}, {"layer": ["words", "static"]}):
        made = rebuild_file(source, tmp_path / "out.pb", codec="float32", **options)
        np.testing.assert_array_equal(answers(tmp_path / "out.pb"), expected)
        assert {made.layer, *(each.layer for each in made.more)} == {"words", "static"}
        assert made.to_json()["more"][0]["exact"]
    with pytest.raises(InputError, match="an embedding takes the place of one table"):
        rebuild_file(source, tmp_path / "no.pb", embedding=made.embedding, every=True)


def test_a_tied_table_is_decoded_for_both_or_refused(tmp_path: Path) -> None:
    def tied(ids: Any) -> Any:
        words = table()
        return tf.matmul(tf.reduce_mean(tf.gather(words, ids), 1), words, transpose_b=True)

    source = frozen(tmp_path / "tied.pb", tied)
    with pytest.raises(UnsupportedModelError, match=r"reads it too.*--tied"):
        rebuild_file(source, tmp_path / "out.pb", codec="int8")
    rebuild_file(source, tmp_path / "out.pb", codec="float32", tied=True)
    np.testing.assert_allclose(answers(tmp_path / "out.pb"), answers(source), atol=1e-6)


def test_names_are_kept_so_that_both_commands_can_be_applied_again(tmp_path: Path) -> None:
    source = frozen(tmp_path / "two.pb", two)
    slim(source, tmp_path / "slim", to="savedmodel")
    (first, *_) = (t.name for t in inspect(tmp_path / "slim").tensors if t.role == "embedding")
    rebuild_file(tmp_path / "slim", tmp_path / "one", codec="int8", layer="words")
    again = rebuild_file(tmp_path / "one", tmp_path / "both", codec="int8", layer="static")
    assert again.layer == "static"
    made = rebuild_file(tmp_path / "slim", tmp_path / "by_key", codec="int8", layer=first)
    assert made.layer in ("words", "static")


def test_slim_never_makes_a_file_larger(tmp_path: Path) -> None:
    half = np.arange(3000, dtype=np.float16).reshape(500, 6)
    source = frozen(tmp_path / "half.pb", lambda ids: tf.gather(table(half), ids))
    graph = v1.GraphDef.FromString(source.read_bytes())
    for node in graph.node:
        node.attr.pop("_output_shapes", None)
    source.write_bytes(graph.SerializeToString())
    first = slim(source, tmp_path / "first.pb")
    assert first.bytes_after <= first.bytes_before
    second = slim(tmp_path / "first.pb", tmp_path / "second.pb")
    assert second.bytes_after <= second.bytes_before
    np.testing.assert_array_equal(answers(tmp_path / "second.pb"), answers(source))
