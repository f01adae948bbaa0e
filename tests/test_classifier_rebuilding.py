"""Rebuilding keeps the numbers when nothing is lost, and refuses what does not belong together."""

from dataclasses import replace

import numpy as np
import pytest

from embzip.classifier.rebuilding import reading_metric, rebuild
from embzip.compression import compress
from embzip.errors import InputError, MismatchError
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.base import Normalization
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary
from tests.models import WORDS, tiny_classifier

TEXTS = ["able lion zoo", "people say", "", "unheard tiger", "café " * 20]


@pytest.mark.parametrize(
    "spec",
    ["float32", "int8", "int8:scale=column", "svd:4|int8", "center|int8:scale=column",
     "center|svd:3|float16", "svd:5|center|int8", "svd:5|tcq:8", "mixed:8",
     "svd:5|coarse:4|int8:scale=column", "svd|coarse:4|tcq:6", "svd|normalize|tcq:6"],
)  # fmt: skip
def test_folding_changes_nothing(spec: str) -> None:
    model = tiny_classifier()
    plain = rebuild(model, codec=spec, fold=False)
    folded = rebuild(model, codec=spec)
    np.testing.assert_allclose(folded.probabilities(TEXTS), plain.probabilities(TEXTS), atol=1e-5)
    assert folded.embedding.codec.transforms == ()
    assert folded.config.indicator == ("center" in spec)


def test_folding_twice() -> None:
    once = rebuild(tiny_classifier(), codec="center|float32")
    twice = rebuild(once, codec="center|svd:4|float32")
    plain = rebuild(once, codec="center|svd:4|float32", fold=False)
    np.testing.assert_allclose(twice.probabilities(TEXTS), plain.probabilities(TEXTS), atol=1e-5)


def test_float32_and_full_rank_lose_nothing() -> None:
    model = tiny_classifier()
    for spec in ("float32", "svd|float32"):
        np.testing.assert_allclose(
            rebuild(model, codec=spec).probabilities(TEXTS), model.probabilities(TEXTS), atol=1e-5
        )


def test_a_rank_64_table_has_64_columns() -> None:
    small = rebuild(tiny_classifier(), codec="svd:2|int8")
    assert small.embedding.dim == 2
    assert small.arrays["conv.0.kernel"].shape == (1, 2, 5)
    assert small.embedding.nbytes == 11 * (2 + 4)


def test_codes_stay_codes() -> None:
    small = rebuild(tiny_classifier(), codec="int8")
    assert small.embedding.codes["values"].dtype == np.int8


def test_the_metric_is_that_of_the_kernels() -> None:
    model = tiny_classifier()
    metric = reading_metric(model)
    taps = [tap for i in range(3) for tap in model.arrays[f"conv.{i}.kernel"]]
    expected = sum(tap @ tap.T for tap in taps)
    expected = expected + 0.05 * np.trace(expected) / 6 * np.eye(6)
    np.testing.assert_allclose(metric, expected, rtol=1e-5)


def test_rows_are_matched_by_token_and_missing_ones_become_unknown() -> None:
    model = tiny_classifier()
    words = [word for word in WORDS if word != "lion"]
    tokenizer = WordTokenizer(words, Normalization())
    old = model.embedding
    ids = [0, 1, *(old.vocabulary[word] for word in words)]
    part = compress(Vectors(tokenizer.vocabulary, old.decode()[ids], None, tokenizer), "float32")
    small = rebuild(model, part)
    np.testing.assert_allclose(
        small.probabilities(["lion zoo"]), model.probabilities(["unheard zoo"]), atol=1e-6
    )
    np.testing.assert_allclose(
        small.probabilities(["tiger say"]), model.probabilities(["tiger say"]), atol=1e-6
    )


def test_a_table_in_another_row_order_is_matched_too() -> None:
    model = tiny_classifier()
    order = np.array([1, 0, *reversed(range(2, 11))])
    tokens = [model.embedding.vocabulary.token(int(i)) for i in order]
    shuffled = Vectors(Vocabulary(tokens, pad_id=1, unk_id=0), model.embedding.decode()[order])
    small = rebuild(model, compress(shuffled, "float32"))
    np.testing.assert_allclose(small.probabilities(TEXTS), model.probabilities(TEXTS), atol=1e-6)


def test_a_foreign_table_without_special_rows_borrows_them() -> None:
    model = tiny_classifier()
    old = model.embedding.decode()
    near_unknown = old[1] + np.float32(0.01)
    bare = Vectors(Vocabulary(["zoo", "lion"]), np.stack([near_unknown, old[6]]))
    small = rebuild(model, compress(bare, "float32"))
    assert len(small.embedding) == 4
    np.testing.assert_allclose(
        small.probabilities(["unheard lion", ""]),
        small.probabilities(["zoo lion", ""]),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        small.probabilities(["lion", ""]), model.probabilities(["lion", ""]), atol=1e-6
    )


def test_tables_that_do_not_belong_are_refused() -> None:
    model = tiny_classifier()
    with pytest.raises(MismatchError, match="no vocabulary or tokenizer"):
        rebuild(model, compress(np.ones((11, 6)), "float32"))
    with pytest.raises(MismatchError, match="columns"):
        rebuild(model, tiny_classifier(dim=5).embedding)
    other = WordTokenizer(WORDS, Normalization(lowercase=False))
    with pytest.raises(MismatchError, match="embzip train"):
        rebuild(model, replace(model.embedding, tokenizer=other))
    foreign = Vectors(Vocabulary(["lion", "quux"]), np.ones((2, 6), np.float32))
    with pytest.raises(MismatchError, match="quux"):
        rebuild(model, compress(foreign, "float32"))


def test_exactly_one_table() -> None:
    model = tiny_classifier()
    for arguments in ({}, {"embedding": model.embedding, "codec": "int8"}):
        with pytest.raises(InputError, match="exactly one"):
            rebuild(model, **arguments)
