from pathlib import Path

import numpy as np
import pytest

from embzip.compression import compress
from embzip.embz.format import save
from embzip.errors import InputError, TokenizerError
from embzip.files.places import CLASSIFIER, EXAMPLES, TABLE, TEXTS, TOKENIZER, check_places


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(compress(np.eye(3, 4), "int8"), "model.embz")
    Path("test.tsv").write_text("sport\tthree goals\n")
    Path("model.keras").write_bytes(b"\x89HDF\r\n\x1a\n")


def test_files_in_their_places_and_those_left_to_others() -> None:
    check_places(("model.embz", CLASSIFIER), ("test.tsv", EXAMPLES), (None, TABLE), ("-", TEXTS))
    check_places(("none.tsv", EXAMPLES), (".", TABLE))
    Path("unknown").write_bytes(bytes(range(99)))
    check_places(("unknown", CLASSIFIER), ("unknown", TEXTS))


def test_exchanged_files_are_both_named() -> None:
    with pytest.raises(InputError) as caught:
        check_places(("test.tsv", CLASSIFIER), ("model.embz", EXAMPLES))
    assert str(caught.value) == (
        "test.tsv: expected a classifier's .embz file, found text of label<TAB>text lines; "
        "model.embz: expected label<TAB>text lines, found a .embz file; the files stand in each "
        "other's place: exchange them"
    )


def test_one_wrong_file_comes_with_what_helps() -> None:
    with pytest.raises(InputError, match=r"model\.keras: expected label.*HDF5 file.*`embzip insp"):
        check_places(("model.embz", CLASSIFIER), ("model.keras", EXAMPLES))
    with pytest.raises(TokenizerError, match=r"expected a tokenizer that .*, found text of label"):
        TOKENIZER.kind_of("test.tsv", TokenizerError)


def test_labelled_text_is_no_table() -> None:
    with pytest.raises(InputError, match=r"test\.tsv: expected a table: .* label<TAB>text lines"):
        TABLE.kind_of("test.tsv")
    assert TEXTS.kind_of("test.tsv") == "labelled"
