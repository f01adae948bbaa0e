"""How near two tables are: the figures are the same in every basis, or are not given."""

from dataclasses import replace

import numpy as np
import pytest

from embzip.classifier import AttentionConfig, CnnConfig, Encoder, MeanConfig
from embzip.classifier.factorizing import factorize
from embzip.classifier.rebuilding import rebuild
from embzip.evaluation.nearness import OTHER_BASIS, nearness
from embzip.report import compare, to_html
from tests.models import SHAPES, tiny_classifier


def read(classifier, layers):
    """Return what the reading layers compute of every row but the special ones, plainly."""
    rows = classifier.embedding.decode()[2:].astype(float)
    if classifier.config.indicator:
        rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    taps = [
        tap
        for layer in layers
        for tap in classifier.arrays[layer].reshape(-1, *classifier.arrays[layer].shape[-2:])
    ]
    return np.concatenate([rows @ tap for tap in taps], axis=1)


def decibels(plain, other):
    return 10 * np.log10(np.sum(plain**2) / np.sum((plain - other) ** 2))


@pytest.mark.parametrize("encoder", SHAPES)
@pytest.mark.parametrize("codec", ["svd|int8", "svd:4|int8", "center|int4:scale=column", "int4"])
def test_folding_changes_no_figure(encoder: type[Encoder], codec: str) -> None:
    before = tiny_classifier(encoder=encoder)
    folded, plain = (rebuild(before, codec=codec, fold=fold) for fold in (True, False))
    expected = nearness(before, plain)
    found = nearness(before, folded)
    table = before.embedding.decode()[2:].astype(float)
    kept = plain.embedding.decode()[2:].astype(float)
    assert expected.snr_db == pytest.approx(decibels(table, kept), abs=1e-3)
    layers = [f"{layer}.kernel" for layer in before.config.readers]
    assert expected.read_snr_db == pytest.approx(
        decibels(read(before, layers), read(plain, layers)), abs=1e-3
    )
    assert found.read_snr_db == pytest.approx(
        decibels(read(before, layers), read(folded, layers)), abs=1e-3
    )
    assert found.read_snr_db == pytest.approx(expected.read_snr_db, abs=1e-2)
    assert found.read_cosine == pytest.approx(expected.read_cosine, abs=1e-4)
    same_basis = codec == "int4"
    assert (found.snr_db is not None) == same_basis
    assert found.comparable
    assert nearness(folded, before).comparable


@pytest.mark.parametrize("kernels", ["float16", "int8"])
def test_kernels_stored_in_fewer_bytes_keep_their_basis(kernels: str) -> None:
    before = tiny_classifier()
    after = rebuild(before, codec="svd|int8", fold=False, kernels=kernels)
    found = nearness(before, after)
    assert found.snr_db == nearness(before, rebuild(before, codec="svd|int8", fold=False)).snr_db
    assert 15 < found.read_snr_db < 100
    assert nearness(before, rebuild(before, codec="svd|int8", kernels=kernels)).read_snr_db > 15


def test_factorized_layers_are_read_by_their_first_kernel() -> None:
    before = factorize(tiny_classifier(encoder=AttentionConfig), rank=2)
    assert "project" in before.ranks
    folded = rebuild(before, codec="svd|int8")
    assert nearness(before, folded).read_snr_db > 30


def test_other_layers_or_no_layers_give_no_figure_and_a_note() -> None:
    before = tiny_classifier()
    arrays = {n: a + (n == "conv.0.bias") for n, a in before.arrays.items()}
    tuned = replace(rebuild(before, codec="int8"), arrays=arrays)
    for after in (
        tuned,
        tiny_classifier(seed=1),
        tiny_classifier(encoder=MeanConfig),
        replace(before, labels=("people", "animals")),
    ):
        found = nearness(before, after)
        assert not found.comparable
        assert found.snr_db is found.read_snr_db is None
    assert not nearness(before, tuned.embedding).comparable
    assert nearness(before.embedding, tuned.embedding).snr_db > 30


def test_no_figure_where_tokens_are_not_in_both() -> None:
    small = rebuild(tiny_classifier(), codec="int8")
    bare = replace(small.embedding, vocabulary=None, tokenizer=None)
    assert nearness(small.embedding, bare).snr_db is None
    assert nearness(small.embedding, bare).comparable


def test_the_default_rebuild_is_no_longer_reported_as_noise() -> None:
    before = tiny_classifier(encoder=CnnConfig)
    record = compare(before, rebuild(before, codec="svd|int8"), measure=False)
    after = record["candidates"][1]
    assert after["read_snr_db"] > 35
    assert after["read_cosine"] > 0.999
    assert "snr_db" not in after
    assert OTHER_BASIS not in record["notes"]
    page = to_html(record)
    assert "SNR as read" in page
    assert "No basis changes that" in page
    assert "table SNR" not in page
    other = compare(before, tiny_classifier(seed=1), measure=False)
    assert OTHER_BASIS in other["notes"]
