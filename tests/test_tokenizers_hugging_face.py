"""Tokenizers of Hugging Face: the ids that their own library gives, also out of a .embz file."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, trainers

import embzip
from embzip.embz.format import load, save
from embzip.errors import EmbzipError, TokenizerError
from embzip.tokenizers import HuggingFaceTokenizer, load_tokenizer, tokenizer_from_bytes
from embzip.tokenizers.reach import unreachable
from embzip.vectors.training import train_vectors
from tests.commands import stdout_of

TEXTS = [
    "The sea is wide, and ships are far.",
    "größe 日本 👍🏽 naïve",
    "three goals in ten minutes",
]
HOSTILE = ["", "   ", "[UNK] <PAD> </s>", "\x00", "a\ud800b", "e\u0301", "\u2028x", "x" * 5000]


def trained(kind: str) -> tokenizers.Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]"]
    if kind == "wordpiece":
        made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=120, special_tokens=special, show_progress=False
        )
    elif kind == "bpe":
        made = tokenizers.Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    elif kind == "unigram":
        made = tokenizers.Tokenizer(models.Unigram())
        made.normalizer = normalizers.NFKC()
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=80, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
        )
    else:
        made = tokenizers.Tokenizer(models.WordLevel(unk_token="[UNK]"))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    made.train_from_iterator(TEXTS * 5, trainer)
    made.enable_truncation(4)
    made.enable_padding()
    return made


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "unigram", "wordlevel"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param) / "tokenizer.json"
    trained(request.param).save(str(path))
    return path


def theirs(path: Path, texts: list[str]) -> list[list[int]]:
    library = tokenizers.Tokenizer.from_file(str(path))
    library.no_truncation()
    library.no_padding()
    clean = [t.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for t in texts]
    return [library.encode(text, add_special_tokens=False).ids for text in clean]


def test_ids_are_the_librarys(path: Path) -> None:
    tokenizer = load_tokenizer(path)
    assert isinstance(tokenizer, HuggingFaceTokenizer)
    expected = theirs(path, [*TEXTS, *HOSTILE])
    assert tokenizer.encode([*TEXTS, *HOSTILE]) == expected
    vocabulary = tokenizer.vocabulary
    library = tokenizers.Tokenizer.from_file(str(path))
    for token, index in library.get_vocab().items():
        assert vocabulary.token(index) == token
    assert vocabulary.pad_id is not None
    assert vocabulary.unk_id is not None
    assert tokenizer.own_rows == library.get_vocab_size()
    kept = tokenizer_from_bytes(
        tokenizer.kind, tokenizer.to_bytes(), len(vocabulary), tokenizer.normalization
    )
    assert kept.encode([*TEXTS, *HOSTILE]) == expected
    assert pickle.loads(pickle.dumps(tokenizer)).encode(TEXTS) == expected[:3]
    assert isinstance(kept, HuggingFaceTokenizer)
    kept.save(path.with_name("again.json"))
    assert path.with_name("again.json").read_bytes() == path.read_bytes()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(), max_size=5))
def test_ids_of_any_text(path: Path, texts: list[str]) -> None:
    assert load_tokenizer(path).encode(texts) == theirs(path, texts)


def test_it_is_a_tokenizer_like_ours(path: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(path)
    vectors = train_vectors(embzip.Texts(TEXTS * 20), tokenizer, dim=3)
    save(embzip.compress(vectors, "int8"), tmp_path / "t.embz")
    again = load(tmp_path / "t.embz")
    assert again.encode(TEXTS) == tokenizer.encode(TEXTS)
    assert again.pad_id == tokenizer.vocabulary.pad_id
    assert not np.any(again[[again.pad_id]])
    assert len(unreachable(tokenizer)) < len(tokenizer.vocabulary)
    (tmp_path / "c.txt").write_text("\n".join(TEXTS * 20), "utf-8")
    options = ["--tokenizer", path, "--dim", 3, "-o", tmp_path / "v.embz"]
    stdout_of("train-vectors", tmp_path / "c.txt", *options)
    assert load(tmp_path / "v.embz").encode(TEXTS) == tokenizer.encode(TEXTS)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    content = json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}})
    bad = tmp_path / "tokenizer.json"
    for length in range(30, len(content) - 1, 3):
        bad.write_text(content[:length])
        with pytest.raises(EmbzipError):
            load_tokenizer(bad)
    for record, message in (
        ({"model": {"type": "WordLevel", "vocab": {}, "unk_token": "a"}}, "at least one token"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}, "cannot read this"),
        ({"model": {"type": "WordLevel", "vocab": {"a": 10**9}, "unk_token": "a"}}, "from 0"),
        ({"added_tokens": []}, "found no model in it"),
    ):
        bad.write_text(json.dumps(record))
        with pytest.raises(TokenizerError, match=message):
            HuggingFaceTokenizer(bad.read_bytes(), str(bad))


def test_the_case_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(
        '{"version": "1.0", "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": '
        '{"[UNK]": 0, "a": 1, "b": 2}}}'
    )
    # Two fields are missing that the library itself asks for; it names either, by chance.
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: .*missing field `(cont|max_)"):
        load_tokenizer(tmp_path / "tokenizer.json")
