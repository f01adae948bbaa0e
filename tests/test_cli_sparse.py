"""The options that make models sparse and heads small, from training to the file."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embzip.classifier import load_classifier
from embzip.compression import compress
from embzip.embz.format import save
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from tests.commands import outcome, stdout_of

WORDS = sorted(f"word{index}" for index in range(120))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sparse")
    rng = np.random.default_rng(0)
    words = WordTokenizer(WORDS, Normalization())
    matrix = rng.normal(size=(len(words.vocabulary), 24)).astype(np.float32)
    table = compress(Vectors(words.vocabulary, matrix, tokenizer=words), "float32")
    save(table, path / "table.embz")
    lines = [
        f"{'even' if place % 2 else 'odd'}\t{WORDS[place]} {WORDS[place - 2]} {WORDS[place - 4]}\n"
        for place in rng.integers(4, 120, 400).tolist()
    ]
    (path / "train.tsv").write_text("".join(lines))
    return path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(folder)

    def call(*arguments: object) -> Any:
        printed = stdout_of(*arguments)
        return json.loads(printed) if "--json" in arguments else printed

    return call


def test_a_sparse_model_is_reported_and_pays_when_packed(run: Any, folder: Path) -> None:
    train = ("train", "train.tsv", "--vectors", "table.embz", "--filters", 16, "--epochs", 8)
    train = (*train, "--batch-size", 16, "--pack", "--json", "-o")
    dense = run(*train, "dense.embz")
    assert dense["pruning"] is None
    sparse = run(*train, "sparse.embz", "--sparsity", 0.8, "--prune-frequency", 10)
    layers = {layer["layer"]: layer for layer in sparse["pruning"]["layers"]}
    assert layers.keys() == {"embedding", "conv_0", "conv_1", "conv_2", "conv_3", "dense"}
    for layer in layers.values():
        assert layer["sparsity"] == pytest.approx(0.8, abs=0.5 / layer["numbers"])
    assert sparse["pruning"]["zipped_after"] < 0.6 * sparse["pruning"]["zipped_before"]
    assert sparse["file_bytes"] < 0.6 * dense["file_bytes"]
    kernels = load_classifier(folder / "sparse.embz").arrays
    assert np.mean(kernels["conv.2.kernel"] == 0) == pytest.approx(0.8, abs=0.001)
    told = run(*train[:-2], "-o", "short.embz", "--sparsity", 0.5)
    assert "conv_0.kernel" in told
    assert "0.5000 of 384 are zero" in told
    assert "weights in a zip" in told


def test_rebuild_tunes_shared_weights_for_kernels_of_four_bits(run: Any, folder: Path) -> None:
    run("train", "train.tsv", "--vectors", "table.embz", "--filters", 16, "-o", "model.embz",
        "--epochs", 3)  # fmt: skip
    record = run(
        "rebuild", "model.embz", "--codec", "kmeans:4", "--kernels", "int4", "--tune", "train.tsv",
        "--tune-params", "--quantize-kernels", "--json", "-o", "small.embz",
    )  # fmt: skip
    small = load_classifier(folder / "small.embz")
    assert small.kernels == "int4"
    assert record["bytes_after"] < record["bytes_before"] / 3
    run("rebuild", "small.embz", "--kernels", "float32", "-o", "again.embz")
    again = load_classifier(folder / "again.embz")
    assert again.kernels == "float32"
    texts = ["word1 word3", "word2"]
    np.testing.assert_array_equal(again.probabilities(texts), small.probabilities(texts))
    (described,) = run("inspect", "small.embz", "--json")["classifiers"]
    assert described["kernels"] == "int4"
    assert described["bytes"] < sum(array.nbytes for array in small.arrays.values()) / 3


def test_a_recipe_prunes_and_stores_kernels_in_four_bits(run: Any, folder: Path) -> None:
    (folder / "recipe.toml").write_text("""
[corpus]
train = "train.tsv"
test = "train.tsv"
[report]
controls = false
[[candidate]]
name = "small"
tokenizer = "words:min_count=1"
vectors = "word2vec:8,epochs=1"
classifier = "cnn:8,windows=1-2,epochs=3,sparsity=0.5"
codec = "kmeans:4"
kernels = "int4"
tune = true
tune_params = true
""")
    run("run", "recipe.toml", "-o", "out")
    (trained,) = (folder / "out" / "steps").glob("train-*/train.json")
    layers = json.loads(trained.read_text())["pruning"]["layers"]
    assert all(abs(layer["sparsity"] - 0.5) <= 0.5 / layer["numbers"] for layer in layers)
    (tuned,) = (folder / "out" / "steps").glob("tune-*/model.embz")
    model = load_classifier(tuned)
    assert (model.kernels, model.embedding.codec.spec) == ("int4", "kmeans:4")
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("int4", "int7"))
    refused = outcome("run", "recipe.toml", "-o", "out")
    assert refused.code == 1
    assert re.search(r"'small'.*kernels: unknown type of kernels 'int7'", refused.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("train train.tsv --vectors table.embz --prune-end 0.5", 2, "--prune-end needs --sparsity"),
        ("rebuild model.embz --codec int8 --tune-params", 2, "need --tune TRAIN.tsv"),
        ("rebuild model.embz --codec int8 --quantize-kernels", 2, "need --tune TRAIN.tsv"),
        ("rebuild model.embz --codec int8 --kernels int7", 1, "float32, float16, int8"),
        ("train train.tsv --vectors table.embz --sparsity 1 -o x.embz", 1, r"final < 1"),
        (
            "train train.tsv --vectors table.embz --sparsity 0.5 --prune-end 0.05 -o x.embz",
            1,
            "shares of the steps",
        ),
    ],
)
def test_options_that_do_not_go_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int, said: str
) -> None:
    monkeypatch.chdir(folder)
    refused = outcome(*arguments.split())
    assert refused.code == code
    assert re.search(said, refused.stderr)
