"""Our tokenizers as tokenizer.json: the library tokenizers gives our ids for every text."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import embzip
from embzip.errors import EmbzipError, FileFormatError, TokenizerError
from embzip.tokenizers import (
    AliasedWords,
    FastTextTokenizer,
    Normalization,
    WordTokenizer,
    YttmModel,
    load_tokenizer,
)
from embzip.tokenizers.base import Tokenizer, UnicodeForm
from embzip.tokenizers.bpe import BpeTokenizer
from embzip.tokenizers.hugging_face_form import hugging_face_form
from embzip.tokenizers.word_pattern import word_pattern
from tests.commands import stdout_of

TEXTS = [
    "The sea is wide, and ships are far.", "größe ẞ İstanbul 日本 👍🏽 naïve", "ΟΔΟΣ ΣΑΣ. Σ ΑΣ'Α",
    "हिन्दी है! क्‍ष ไทย", "", "   ", "<PAD> <UNK> [UNK]", "\x00\x1c\x85\u2028x\u00a0y",
    "e\u0301 \u0301", "a\u200db a\u200d \u200db", "_x_ 1½²", "x" * 5000, "ﬁ Å K",
]  # fmt: skip
FORMS: tuple[UnicodeForm, ...] = ("NFC", "NFKC", "NFD", "NFKD", "none")


def words_of(normalization: Normalization, texts: list[str]) -> WordTokenizer:
    plain = [normalization.apply(text) for text in texts]
    return WordTokenizer(
        sorted({word for text in plain for word in word_pattern(text).findall(text)}), normalization
    )


def pieces(normalization: Normalization) -> BpeTokenizer:
    model = YttmModel.parse(
        b"5 3\n9601 4\n97 5\n98 6\n963 7\n962 8\n4 5 9\n5 6 10\n9 6 11\n1 0 2 3\n", "tiny"
    )
    return BpeTokenizer(model, normalization, model.to_bytes())


def theirs(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(hugging_face_form(tokenizer).content.decode())


@pytest.mark.parametrize("unicode", FORMS)
@pytest.mark.parametrize("lowercase", [True, False])
def test_ids_are_ours(lowercase: bool, unicode: UnicodeForm) -> None:
    normalization = Normalization(lowercase, unicode)
    for tokenizer in (words_of(normalization, TEXTS), pieces(normalization)):
        library = theirs(tokenizer)
        for text, ids in zip(TEXTS, tokenizer.encode(TEXTS), strict=True):
            assert library.encode(text).ids == ids, text
        assert library.get_vocab_size() == len(tokenizer.vocabulary)


ANY = WordTokenizer(["a", "b", "ς", "σ", "σς"], Normalization())


@settings(deadline=None, max_examples=200)
@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cn"], max_codepoint=0x9FFF)
        | st.sampled_from("aAΣσ'._-\u0301\u200d\u093f "),
        max_size=12,
    )
)
def test_ids_of_any_text(text: str) -> None:
    known = words_of(Normalization(), [text])
    assert theirs(known).encode(text).ids == known.encode([text])[0]
    assert LIBRARY.encode(text).ids == ANY.encode([text])[0]


LIBRARY = theirs(ANY)


def test_every_character_alone_and_in_a_word() -> None:
    """But for those that Unicode has since 2020, which the library's tables may lack."""
    codes = [*range(0xD800), *range(0xE000, 0x20000)]
    old = [chr(c) for c in codes if unicodedata.ucd_3_2_0.category(chr(c)) != "Cn"]
    texts = ["".join(old[at : at + 64]) for at in range(0, len(old), 64)]
    texts += [f"A{'Σ'.join(text)}b" for text in texts]
    known = words_of(Normalization(), texts)
    library = theirs(known)
    wrong = [
        t for t, ids in zip(texts, known.encode(texts), strict=True) if library.encode(t).ids != ids
    ]
    assert wrong == []


def test_words_that_share_rows_and_stems() -> None:
    words = WordTokenizer(["cat", "distil"], Normalization())
    form = hugging_face_form(AliasedWords(words, {"kitten": 2, "kit": 2}))
    ids = tokenizers.Tokenizer.from_str(form.content.decode()).encode("kitten cat kit sat").ids
    assert (ids, form.rows[ids].tolist(), form.differs) == ([4, 2, 5, 1], [2, 2, 2, 1], ())
    stemmed = hugging_face_form(WordTokenizer(["distil"], Normalization(), stems=True))
    assert len(stemmed.differs) == 1
    with pytest.raises(TokenizerError, match="of whole words, of YouTokenToMe and of Hugging Face"):
        hugging_face_form(FastTextTokenizer(["</s>"]))


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("the sea and the ships\nΟΔΟΣ the\n" * 3, "utf-8")
    words = embzip.build_words(tmp_path / "c.txt", tmp_path / "w.tsv", min_count=1)
    stdout_of("build-bpe", tmp_path / "c.txt", "--vocab", 30, "-o", tmp_path / "b.model")
    vectors = embzip.train_vectors(tmp_path / "c.txt", words, dim=2)
    embzip.save(embzip.compress(vectors, "int8"), tmp_path / "t.embz")
    out = tmp_path / "tokenizer.json"
    for name in ("w.tsv", "b.model", "t.embz", "tokenizer.json"):
        expected = load_tokenizer(tmp_path / name)
        stdout_of("export", tmp_path / name, "--to", "tokenizer", "-o", tmp_path / "again.json")
        (tmp_path / "again.json").replace(out)
        library = tokenizers.Tokenizer.from_file(str(out))
        assert [library.encode(text).ids for text in TEXTS] == expected.encode(TEXTS)
        again = load_tokenizer(out)
        assert again.encode(TEXTS) == expected.encode(TEXTS)
        assert (again.vocabulary.pad_id, again.vocabulary.unk_id) == (0, 1)


def test_a_table_is_a_tokenizer_too(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("the sea and the ships\n" * 3, "utf-8")
    words = embzip.build_words(tmp_path / "c.txt", tmp_path / "w.tsv", min_count=1)
    table = embzip.train_vectors(tmp_path / "c.txt", words, dim=2)
    embzip.save(embzip.compress(table, "int8"), tmp_path / "t.embz")
    options = ("--dim", 2, "-o", tmp_path / "v.embz")
    stdout_of("train-vectors", tmp_path / "c.txt", "--tokenizer", tmp_path / "t.embz", *options)
    again = embzip.load(tmp_path / "v.embz").tokenizer
    assert again is not None
    assert (again.vocabulary, again.normalization) == (words.vocabulary, words.normalization)
    foreign = embzip.Vectors(embzip.Vocabulary(["a"]), np.eye(1))
    embzip.save(embzip.compress(foreign, "int8"), tmp_path / "f.embz")
    with pytest.raises(FileFormatError, match=r"f\.embz: expected a \.embz file with a tokenizer"):
        load_tokenizer(tmp_path / "f.embz")
    content = (tmp_path / "t.embz").read_bytes()
    for length in (10, len(content) // 2, len(content) - 1):
        (tmp_path / "f.embz").write_bytes(content[:length])
        with pytest.raises(EmbzipError, match=r"f\.embz"):
            load_tokenizer(tmp_path / "f.embz")
