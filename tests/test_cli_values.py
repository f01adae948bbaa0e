"""Values out of range are refused before TensorFlow or gensim is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embzip.compression import compress
from embzip.embz.format import save
from embzip.errors import InputError
from embzip.tf import train
from tests.models import tiny_classifier

# A command, and what its message names.
WRONG = {
    "train test.tsv --vectors t.embz --epochs 0": "epochs must lie in 1..65536, received 0",
    "train test.tsv --vectors t.embz --batch-size 0": "batch_size must lie in 1..65536",
    "train test.tsv --vectors t.embz --seed -1": "seed must be",
    "train test.tsv --vectors t.embz --seeds 0": "seeds must be at least 1, received 0",
    "train test.tsv --vectors t.embz --seeds -2 -o m": "seeds must be at least 1, received -2",
    "train test.tsv --vectors t.embz --max-length 0": "max_length",
    "train test.tsv --vectors t.embz --dropout 1": "dropout",
    "train test.tsv --vectors t.embz --filters 0": "filters",
    "train test.tsv --vectors t.embz --sparsity 1.5": "sparsity",
    "train test.tsv --vectors t.embz --sparsity 0.5 --prune-begin 0.9": "0.9",
    "train test.tsv --vectors t.embz --sparsity 0.5 --prune-frequency 0": "frequency",
    "rebuild m.embz --codec int8 --tune test.tsv --seed -1": "seed must be",
    "rebuild m.embz --codec int7 --tune test.tsv": "did you mean 'int8'",
    "rebuild m.embz --kernels int7 --tune test.tsv": "did you mean 'int8'",
    "factorize m.embz --rank 0 --train test.tsv": "rank must be at least 1",
    "factorize m.embz --energy 1.5 --train test.tsv": "energy must lie in",
    "factorize m.embz --rank 1 --train test.tsv --seed -1": "seed must be",
    "inspect m.embz --profile 0": "at least 1 input",
    "inspect m.tflite --profile 0": "at least 1 input",
    "train-vectors test.tsv --tokenizer words.tsv --dim 0": "dim",
    "train-vectors test.tsv --tokenizer words.tsv --method word2vec --epochs -1": "epochs",
    "train-vectors test.tsv --tokenizer words.tsv --window 0": "window",
    "train-vectors test.tsv --tokenizer words.tsv --workers 0": "workers",
    "train-vectors test.tsv --tokenizer words.tsv --seed -1": "seed",
    "train-vectors test.tsv --tokenizer words.tsv --method ppmi --smoothing 2": "smoothing",
    "train-vectors test.tsv --tokenizer words.tsv --method ppmi --exponent -1": "exponent",
    "train-vectors test.tsv --tokenizer words.tsv --method ppmi --shift 0": "shift",
    "build-words test.tsv --min-count 0": "min_count",
    "build-words test.tsv --max-vocab 0": "max_vocab",
    "build-bpe test.tsv --vocab 2": "vocab",
}
CODE = """
import json, sys
from embzip.cli import main
for command in json.load(sys.stdin):
    try:
        main(command.split())
    except SystemExit as end:
        heavy = {"tensorflow", "keras", "gensim"} & set(sys.modules)
        print(end.code, sorted(heavy), command)
"""


def test_no_framework_is_loaded_for_a_value_out_of_range(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("animals\tlion\npeople\tsay\n")
    (tmp_path / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 20)
    model = tiny_classifier()
    model.save(tmp_path / "m.embz")
    save(compress(model.embedding, "int8"), tmp_path / "t.embz")
    assert model.embedding.tokenizer is not None
    model.embedding.tokenizer.save(tmp_path / "words.tsv")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps(list(WRONG)),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.splitlines() == [f"1 [] {command}" for command in WRONG]
    messages = done.stderr.splitlines()
    assert len(messages) == len(WRONG), done.stderr
    for message, (command, named) in zip(messages, WRONG.items(), strict=True):
        assert named in message, command


def test_the_library_checks_the_same(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="epochs must lie in 1"):
        train([], tiny_classifier().embedding, epochs=0)
