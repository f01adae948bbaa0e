"""Tokenizers of sentencepiece: the ids that its own library gives, also out of a .embz file."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.embz.format import load, save
from embzip.errors import EmbzipError, MissingPackageError, TokenizerError
from embzip.tokenizers import load_tokenizer, tokenizer_from_bytes
from embzip.tokenizers.sentencepiece_model import SentencePieceTokenizer
from embzip.vectors.training import train_vectors

sentencepiece = pytest.importorskip("sentencepiece", reason="the extra `texts` has it")

TEXTS = [
    "The sea is wide, and ships are far.",
    "größe 日本 👍🏽 naïve",
    "three goals in ten minutes",
]
HOSTILE = ["", "   ", "<unk> <s> ▁", "\x00", "a\ud800b", "e\u0301", "\u2028x", "x" * 5000]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param) / "any.name"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS * 20), model_writer=file, vocab_size=60,
            model_type=request.param, hard_vocab_limit=False, minloglevel=2,
            pad_id=3 if request.param == "bpe" else -1,
        )  # fmt: skip
    return path


def test_ids_are_the_librarys(path: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(path)
    assert isinstance(tokenizer, SentencePieceTokenizer)
    library = sentencepiece.SentencePieceProcessor(model_file=str(path))
    clean = [t.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for t in HOSTILE]
    expected = [library.encode(text) for text in [*TEXTS, *clean]]
    assert tokenizer.encode([*TEXTS, *HOSTILE]) == expected
    vocabulary = tokenizer.vocabulary
    pieces = [library.id_to_piece(i) for i in range(library.get_piece_size())]
    assert list(vocabulary)[: len(pieces)] == pieces
    assert vocabulary.unk_id == library.unk_id()
    assert vocabulary.pad_id == (3 if library.pad_id() == 3 else len(pieces))
    assert "<s>" not in vocabulary
    kept = tokenizer_from_bytes(
        tokenizer.kind, tokenizer.to_bytes(), len(vocabulary), tokenizer.normalization
    )
    assert kept.encode([*TEXTS, *HOSTILE]) == expected
    assert pickle.loads(pickle.dumps(tokenizer)).encode(TEXTS) == expected[:3]
    assert tokenizer.decode(expected[0]) == library.decode(expected[0])
    tokenizer.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_vectors_are_trained_for_it(path: Path, tmp_path: Path) -> None:
    vectors = train_vectors(embzip.Texts(TEXTS * 20), load_tokenizer(path), dim=3)
    save(embzip.compress(vectors, "int8"), tmp_path / "t.embz")
    table = load(tmp_path / "t.embz")
    assert table.encode(TEXTS) == load_tokenizer(path).encode(TEXTS)
    assert not np.any(table[[table.pad_id]])


def test_damage_and_a_missing_package(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = path.read_bytes()
    for length in (40, len(content) // 2):
        with pytest.raises(EmbzipError):
            SentencePieceTokenizer(content[:length] + b"\xff\xff")
    with pytest.raises(TokenizerError, match="expected 7 tokens, as many as the table has rows"):
        SentencePieceTokenizer.from_bytes(load_tokenizer(path).to_bytes(), 7)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingPackageError, match="uv sync --extra texts"):
        load_tokenizer(path)
