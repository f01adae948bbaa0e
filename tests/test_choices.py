from pathlib import Path

import numpy as np
import pytest

from embzip.choices import chosen, unknown
from embzip.classifier import encoder_class
from embzip.classifier.rebuilding import rebuild
from embzip.classifier.storage import storage
from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.errors import InputError, SpecError, TokenizerError
from embzip.pipeline.candidate import parse_candidate
from embzip.tokenizers.building import build_words
from tests.commands import outcome, stdout_of
from tests.models import tiny_classifier


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("INT8", "int8"),
        ("Float16", "float16"),
        ("SVD:4|Int8:Scale=COLUMN", "svd:4|int8:scale=column"),
        ("svd:ENERGY=0.5,components=INT8|int4", "svd:energy=0.5,components=int8|int4"),
        ("auto:300kb", "auto:300KB"),
        ("AUTO:25b/ROW", "auto:25B/row"),
        ("PQ:4,BITS=4", "pq:4,bits=4"),
    ],
)
def test_specs_are_read_in_any_case(written: str, canonical: str) -> None:
    assert parse_codec(written) == parse_codec(canonical)
    assert parse_codec(written).spec == canonical


@pytest.mark.parametrize(
    ("name", "meant"), [("itn8", "int8"), ("FLOAT_16", "float16"), ("keans", "kmeans")]
)
def test_the_nearest_stage_is_named(name: str, meant: str) -> None:
    with pytest.raises(SpecError, match=rf"did you mean '{meant}'.*known ones are auto, center"):
        parse_codec(name)


def test_nothing_near_and_no_text() -> None:
    assert "did you mean" not in unknown("zzzzz", ["int8"], "stage")
    assert "did you mean 'litert'" in unknown("tflit", ["litert", "onnx"], "target")
    with pytest.raises(InputError, match="unknown stage 8"):
        chosen(8, ["int8"], "stage", InputError)  # type: ignore[arg-type]


def test_encoders_kernels_and_forms() -> None:
    assert encoder_class("CNN").kind == "cnn"
    assert storage("INT8").name == "int8"
    assert rebuild(tiny_classifier(), kernels="Int8").kernels == "int8"
    with pytest.raises(SpecError, match="did you mean 'attention'"):
        encoder_class("atention")
    with pytest.raises(SpecError, match="did you mean 'float16'"):
        storage("flaot16")


def test_a_recipe_in_capitals() -> None:
    table = {"name": "a", "tokenizer": "BPE:900", "vectors": "Word2Vec:20,SG=True", "codec": "INT4"}
    found = parse_candidate({**table, "kernels": "INT8", "classifier": "CNN:8"}, "recipe")
    assert (found.codec, found.kernels, found.classifier_options.encoder) == ("int4", "int8", "cnn")
    assert found.vectors_options.sg
    with pytest.raises(SpecError, match=r"unknown option 'epoch' \(did you mean 'epochs'\?\)"):
        parse_candidate({**table, "vectors": "word2vec:20,epoch=3"}, "recipe")


def test_normal_forms(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("cat cat\n")
    made = build_words(tmp_path / "c", unicode="nfkc")  # type: ignore[arg-type]
    assert made.normalization.unicode == "NFKC"
    with pytest.raises(TokenizerError, match="did you mean 'NFKC'"):
        build_words(tmp_path / "c", unicode="NFKCC")  # type: ignore[arg-type]


def test_options_of_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("v.vec").write_text("2 2\ncat 1 2\ndog 3 4\n")
    assert stdout_of(
        *["compress", "v.vec", "--codec", "INT8", "--format", "Text", "-o", "small.embz"]
    )
    done = outcome(*["compress", "v.vec", "--codec", "int8", "--format", "txet"])
    assert done.code == 2
    assert "--format: unknown value 'txet' (did you mean 'text'?)" in done.stderr
    assert compress(np.eye(2), "INT8").codec.spec == "int8"


def test_a_name_of_any_length_makes_a_short_message() -> None:
    assert len(unknown("x" * 10**7, ["int8", "int4"], "codec stage")) < 300
    with pytest.raises(SpecError, match=r"^a spec has at most 1000 characters, received 5,000$"):
        parse_codec("x" * 5000)
    with pytest.raises(SpecError, match=r"unknown codec stage 'x{80}\.\.\.': the known ones"):
        parse_codec("x" * 900)
