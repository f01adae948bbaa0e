"""What is said of a rebuilt file: sizes with each step told apart, and how far its table is."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import embzip
from embzip.classifier import Kit
from embzip.classifier.rebuilding import rebuild
from embzip.cli import main
from embzip.inspection import size_change
from embzip.tokenizers import WordTokenizer
from tests.models import WORDS, tiny_classifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def snr(before: Any, after: Any) -> float:
    before, after = before.astype(np.float64), after.astype(np.float64)
    return float(10 * np.log10((before**2).sum() / ((before - after) ** 2).sum()))


@pytest.mark.parametrize("spec", ["int8", "svd:4|int8", "center|int4", "int1"])
@pytest.mark.parametrize("fold", [True, False])
def test_the_snr_is_of_the_table_before_it_is_folded(spec: str, fold: bool, tmp_path: Path) -> None:
    tiny_classifier().save(tmp_path / "model.embz")
    model = embzip.load_model(tmp_path / "model.embz")
    made = embzip.rebuild_file(
        tmp_path / "model.embz", tmp_path / "small.embz", codec=spec, fold=fold
    )
    plain = rebuild(model, codec=spec, fold=False).embedding
    words = np.arange(2, len(plain.vocabulary))
    assert made.snr_db == pytest.approx(snr(model.embedding[words], plain[words]), abs=1e-6)
    assert made.low_snr == (made.snr_db < 12)
    assert made.to_json()["snr_db"] == made.snr_db
    assert made.to_json()["exact"] is False


def test_an_exact_table_and_a_table_that_stays(tmp_path: Path) -> None:
    tiny_classifier().save(tmp_path / "model.embz")
    exact = embzip.rebuild_file(tmp_path / "model.embz", tmp_path / "a.embz", codec="float32")
    assert (exact.snr_db, exact.low_snr) == (math.inf, False)
    assert (exact.to_json()["snr_db"], exact.to_json()["exact"]) == (None, True)
    same = embzip.rebuild_file(tmp_path / "model.embz", tmp_path / "b.embz", kernels="int8")
    assert (same.snr_db, same.low_snr, same.to_json()["exact"]) == (None, False, False)


def test_rows_are_compared_by_token(tmp_path: Path) -> None:
    model = tiny_classifier()
    model.save(tmp_path / "model.embz")
    old = model.embedding
    words = WORDS[1::2]
    tokenizer = WordTokenizer(words, old.tokenizer.normalization)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(len(words) + 2, old.dim))
    rows = old[[0, 1, *(old.vocabulary[word] for word in words)]] + noise
    table = embzip.compress(
        embzip.Vectors(tokenizer.vocabulary, rows, tokenizer=tokenizer), "float32"
    )
    made = embzip.rebuild_file(tmp_path / "model.embz", tmp_path / "half.embz", table)
    kept = [old.vocabulary[word] for word in words]
    ours = [table.vocabulary[word] for word in words]
    assert made.snr_db == pytest.approx(snr(old[kept], table[ours]), abs=1e-6)


def test_a_kit_has_one_table(tmp_path: Path) -> None:
    model = tiny_classifier()
    Kit.of({"a": model, "b": model}).save(tmp_path / "kit.embz")
    made = embzip.rebuild_file(tmp_path / "kit.embz", tmp_path / "small.embz", codec="int4")
    assert 5 < made.snr_db < 40


@pytest.mark.parametrize(
    ("name", "target"),
    [("model.keras", "a.keras"), ("model.h5", "b.keras"), ("ref", "c.pb"), ("saved", "d")],
)
def test_what_only_training_needs_is_no_work_of_the_codec(
    folder: Path, name: str, target: str, tmp_path: Path
) -> None:
    made = embzip.rebuild_file(folder / name, tmp_path / target, codec="int4")
    record = embzip.inspect(folder / name)
    slots = sum(tensor.nbytes for tensor in record.tensors if tensor.role == "optimizer")
    assert slots > 2000 or name == "saved"
    assert slots <= made.training_bytes < made.bytes_before == record.total
    assert made.kept_bytes == made.bytes_before - made.training_bytes
    assert made.compression_ratio == made.kept_bytes / made.bytes_after
    table = max(
        (array for array in embzip.foreign.variables_of(folder / name).values()
         if array.shape == (50, 6)),
        key=lambda array: array.size,
    )  # fmt: skip
    assert made.snr_db == pytest.approx(snr(table, made.embedding.decode()), abs=1e-6)


def test_a_given_table_is_compared_with_the_models_own(folder: Path, tmp_path: Path) -> None:
    other = embzip.compress(np.ones((50, 6), np.float32), "int8")
    made = embzip.rebuild_file(folder / "model.keras", tmp_path / "a.keras", other)
    assert made.low_snr
    assert made.snr_db < 0


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    told = capfd.readouterr()
    assert end.value.code == 0, told.err
    return told.out


def test_the_command_tells_the_steps_apart(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call = ["rebuild", folder / "model.keras", "--codec", "int1", "-o", tmp_path / "a.keras"]
    text = run(capfd, *call)
    record = json.loads(run(capfd, *call, "--json"))
    before, kept, after = (record[k] for k in ("bytes_before", "kept_bytes", "bytes_after"))
    assert before - kept == record["training_bytes"] > 2000
    change = size_change(kept, after)
    sizes = f"{before:,} -> {kept:,} bytes without what only training needs -> {after:,} bytes"
    assert f"{sizes}, {change}; table SNR {record['snr_db']:.1f} dB, below 12 dB" in text
    assert record["low_snr"]
    call[3] = "float32"
    assert "; table exact" in run(capfd, *call)


def test_a_result_that_is_larger_is_called_larger(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny_classifier().save(tmp_path / "model.embz")
    for command in ("rebuild model.embz --codec float32 --no-fold -o a.embz",
                    "factorize model.embz --rank 1 -o b.embz",
                    "export model.embz -o c.tflite",
                    "kit model.embz -o d.embz",
                    "compress model.embz --codec float32 -o e.embz"):  # fmt: skip
        parts = [tmp_path / part if "." in part else part for part in command.split()]
        *_, result = parts
        text = run(capfd, *parts)
        change = size_change((tmp_path / "model.embz").stat().st_size, result.stat().st_size)
        assert change in text, command
        assert "0." not in text.partition("times smaller")[0][-5:]


def test_a_graph_that_grows_is_called_larger(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tf.Graph().as_default() as graph:
        ids = tf.compat.v1.placeholder(tf.int32, [None], name="ids")
        tf.gather(tf.ones((4, 2)), ids, name="rows")
    (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    path = tmp_path / "graph.pb"
    text = run(capfd, "rebuild", path, "--codec", "svd|int8", "-o", tmp_path / "a.pb")
    assert " times larger; " in text
    text = run(capfd, "slim", path, "--to", "savedmodel", "-o", tmp_path / "b")
    assert " times larger" in text
