"""What a command says that was given a file of another kind, or its files in the wrong order."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from embzip.compression import compress
from embzip.embz.format import save
from tests.commands import outcome
from tests.models import tiny_classifier

# A command, and parts of its message: what was expected, what was found, what helps.
SAID = {
    "evaluate test.tsv m.embz": [
        "test.tsv: expected a classifier: a .embz file, an exported .tflite, or a model of Keras",
        "or TensorFlow, found text of label",
        "m.embz: expected label<TAB>text lines, found a .embz file",
        "exchange them",
    ],
    "train m.embz --vectors test.tsv": ["m.embz: expected label", "test.tsv: expected a table"],
    "predict test.tsv m.embz": ["exchange them"],
    "transfer w.tsv --tokenizer v.vec": ["w.tsv: expected a table", "exchange them"],
    "evaluate m.keras test.tsv": [
        "m.keras: a model of Keras or TensorFlow does not say",
        "(--labels",
    ],
    "evaluate m.embz test.tsv --against m.keras": ["does not say what its outputs are called"],
    "evaluate t.embz test.tsv": ["found only an embedding: train one on it with `embzip train"],
    "predict m.keras test.tsv": ["m.keras: a model of Keras or TensorFlow does not say"],
    "predict m.keras test.tsv --labels test.tsv": ["test.tsv: expected labels, one a line, found"],
    "export m.tflite": [
        "expected a .embz file, or a model of Keras",
        "found a .tflite: pass the .embz",
    ],
    "export v.npy": ["expected a .embz file, or a model of Keras or TensorFlow, found an array"],
    "export t.embz": ["found only an embedding"],
    "compare m.tflite m.embz": ["m.tflite: expected a .embz file, or a model of Keras"],
    "compare m.embz v.npy": ["v.npy: expected a .embz file, or a model of Keras or TensorFlow"],
    "compare m.embz m.keras --inputs v.npz": ["m.embz: expected a model of Keras or TensorFlow"],
    "compare m.keras m.keras --inputs m.embz": ["m.embz: expected arrays of NumPy, .npz or .npy,"],
    "kit m.embz m.tflite -o k.embz": ["m.tflite: expected a classifier's .embz file"],
    "kit m.embz t.embz -o k.embz": ["t.embz: expected a classifier, found only an embedding"],
    "factorize m.keras --rank 1": ["expected a classifier's .embz file, found a .keras file"],
    "factorize t.embz --rank 1": ["found only an embedding"],
    "prune m.keras --max-vocab 2": ["expected a table: a .embz file, vectors in text, word2vec"],
    "prune t.embz --by sensitivity --texts test.tsv --max-vocab 2": ["found only an embedding"],
    "compress w.tsv --codec int8": ["found a tokenizer of words", "train-vectors TEXTS --tok"],
    "compress v.npz --codec int8": ["v.npz: expected the tokens of its rows", "--words FILE"],
    "inspect v.npy": ["a .embz file, a checkpoint", "found an array of NumPy", "embzip compress"],
    "inspect v.vec": ["found vectors in text: `embzip compress v.vec --codec int8`"],
    "slim m.embz": ["m.embz: a .embz file already contains only what inference needs"],
    "slim m.tflite": ["m.tflite: a .tflite file already contains only what inference needs"],
    "rebuild v.vec --codec int8": ["found vectors in text"],
    "rebuild m.embz --embedding m.keras": ["m.keras: expected a .embz file"],
    "run m.embz": ["m.embz: expected a recipe in TOML, found a .embz file"],
    "report m.embz": ["expected a report.json that `embzip run` wrote, found a .embz file"],
    "build-words m.embz": ["expected text, one text a line, found a .embz file"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    model = tiny_classifier()
    model.save("m.embz")
    save(compress(model.embedding, "int8"), "t.embz")
    Path("m.tflite").write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 20)
    with zipfile.ZipFile("m.keras", "w") as archive:
        for member in ("config.json", "metadata.json", "model.weights.h5"):
            archive.writestr(member, "{}")
    Path("test.tsv").write_text("animals\tlion\npeople\tsay\n")
    Path("v.vec").write_text("2 2\na 1 2\nb 3 4\n")
    assert model.embedding.tokenizer is not None
    model.embedding.tokenizer.save("w.tsv")
    np.save("v.npy", np.eye(3))
    np.savez("v.npz", vectors=np.eye(3))
    return tmp_path


@pytest.mark.parametrize("command", SAID)
def test_a_file_of_another_kind_is_named(command: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    done = outcome(*command.split())
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    for part in SAID[command]:
        assert part in done.stderr
    assert sorted(folder.iterdir()) == before
