import bz2
import gzip
import lzma
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
import safetensors.numpy
import tokenizers
import zstandard
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from embzip.compression import compress
from embzip.embz.format import load, save
from embzip.errors import FileFormatError, MissingFileError
from embzip.files.signatures import HEAD, signature_of
from embzip.tokenizers.building import build_bpe, build_words

ROWS = np.eye(3, 4, dtype=np.float32)


def written(folder: Path, name: str) -> Path:
    """Write a file of a kind, by the library it is of where that is installed."""
    path = folder / name
    if name == "embz":
        save(compress(ROWS, "int8"), path)
    elif name == "safetensors":
        safetensors.numpy.save_file({"rows": ROWS}, path)
    elif name == "keras":
        with zipfile.ZipFile(path, "w") as archive:
            for member in ("metadata.json", "config.json", "model.weights.h5"):
                archive.writestr(member, "{}")
    elif name == "npz":
        with path.open("wb") as archived:
            np.savez(archived, rows=ROWS)
    elif name == "pytorch":  # what torch.save writes since 1.6
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", pickle.dumps({}))
            archive.writestr("model/data/0", b"\0" * 8)
    elif name == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("notes.txt", "some text")
    elif name == "h5":
        with h5py.File(path, "w") as file:
            file["rows"] = ROWS
    elif name == "npy":
        with path.open("wb") as array:
            np.save(array, ROWS)
    elif name == "onnx":
        value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
        node = onnx.helper.make_node("Relu", ["x"], ["y"])
        graph = onnx.helper.make_graph([node], "g", [value], [value])
        onnx.save(onnx.helper.make_model(graph, producer_name="tests"), str(path))
    elif name == "hf-tokenizer":
        tokenizers.Tokenizer(tokenizers.models.BPE()).save(str(path))
    elif name in ("bpe", "words"):
        (folder / "corpus").write_text("the cat and the dog\n" * 9)
        if name == "bpe":
            build_bpe(folder / "corpus", path, vocab=20)
        else:
            build_words(folder / "corpus", path)
    else:
        path.write_bytes(CONTENTS[name])
    return path


# fastText's header: magic, version, dim and eleven more; a sentencepiece model's first piece.
FASTTEXT = struct.pack("<14i", 793712314, 12, 100, 5, 5, 1, 5, 1, 2, 1, 100, 3, 6, 100)
PIECE = b"\x0a\x05<unk>\x15\0\0\0\0\x18\x02"
CONTENTS = {
    "fasttext": FASTTEXT,
    "sentencepiece": b"\x0a" + bytes([len(PIECE)]) + PIECE,
    "tflite": b"\x1c\0\0\0TFL3" + b"\0" * 20,
    "hf-config": b'{"architectures": ["BertModel"], "hidden_size": 768}',
    "json": b'{"baseline": "words"}',
    "gzip": gzip.compress(b"text\n"),
    "bzip2": bz2.compress(b"text\n"),
    "xz": lzma.compress(b"text\n"),
    "zstd": zstandard.compress(b"text\n"),
    "labelled": b"sport\tthree goals\n",
    "vectors": b"2 3\ncat 1 2 3\ndog 4 5 6\n",
    "text": b"the cat and the dog\nBZh is no archive, c\ncat\ndog\n",
    "empty": b"",
    "unknown": bytes(range(256)),
}
WRITTEN = [
    *("embz", "safetensors", "keras", "npz", "pytorch", "zip", "h5", "npy", "onnx"),
    *("hf-tokenizer", "bpe", "words"),
]


@pytest.mark.parametrize("kind", [*WRITTEN, *CONTENTS])
def test_each_kind_is_told_by_its_content(kind: str, tmp_path: Path) -> None:
    found = signature_of(written(tmp_path, kind))
    assert found.kind == kind
    assert found.what
    assert "\n" not in str(found)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("made", [{"a": ROWS}, [ROWS], ROWS], ids=["dict", "list", "array"])
def test_pickles_of_every_protocol(made: Any, protocol: int, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(pickle.dumps(made, protocol))
    assert signature_of(tmp_path / "p").kind == "pickle"


def test_what_helps_names_the_file_and_what_it_holds(tmp_path: Path) -> None:
    vectors = KeyedVectors(4)
    vectors.add_vectors(["a", "b", "c"], ROWS)
    vectors.save(str(tmp_path / "v.kv"))
    told = signature_of(tmp_path / "v.kv")
    assert told.what.startswith("a Python pickle of gensim, which can run any code")
    assert f"KeyedVectors.load('{tmp_path / 'v.kv'}')" in told.remedy
    told = signature_of(written(tmp_path, "fasttext"))
    assert told.what == "a fastText .bin, 100 dims"
    assert "embzip convert" in told.remedy
    assert "notes.txt" in signature_of(written(tmp_path, "zip")).what
    assert "--words TOKENS.txt" in signature_of(written(tmp_path, "npz")).remedy


def test_lines_of_one_word_are_no_pickle(tmp_path: Path) -> None:
    """Protocol 0 is text: `c`, a module, a line end, a name."""
    (tmp_path / "words").write_text("cat\ndog\n(bird)\nparrot\n")
    assert signature_of(tmp_path / "words").kind == "text"


def test_a_cut_character_and_a_long_line_are_text(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("я" * HEAD)  # the head ends inside a character
    assert signature_of(tmp_path / "t").kind == "text"
    (tmp_path / "t").write_text("\ufeffsport\tthree goals\n")
    assert signature_of(tmp_path / "t").kind == "labelled"


def test_numbers_behind_a_tab_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("cat\t0.5\t-1e-3\n")
    assert signature_of(tmp_path / "v").kind == "text"


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        signature_of(tmp_path / "none")
    with pytest.raises(MissingFileError):
        signature_of(tmp_path)


@given(st.binary(max_size=60), st.sampled_from([*CONTENTS.values(), b"PK\x03\x04", b"\x08\x08"]))
def test_any_bytes_are_told(tail: bytes, head: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f")
        path.write_bytes(head[:20] + tail)
        assert signature_of(path).what


@pytest.mark.parametrize("kind", [*WRITTEN[1:], *CONTENTS])
def test_load_of_another_file_says_what_it_is(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind).rename(tmp_path / "model.embz")
    with pytest.raises(FileFormatError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert signature_of(path).what in message or kind == "safetensors"
    assert "announce" not in message
    assert str(int.from_bytes(path.read_bytes()[:8], "little")) not in message or kind == "empty"


def test_a_file_that_is_cut_short_is_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, "embz")
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    header = int.from_bytes(whole[:8], "little")
    with pytest.raises(FileFormatError, match=f"cut short: its header has {header} bytes"):
        load(path)
