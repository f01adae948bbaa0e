"""Batches hold texts of similar length, and every text once an epoch."""

from dataclasses import replace

import numpy as np

from embzip.tf.batches import POOL, Batches


def batches(count: int) -> Batches:
    """Texts of 1 to 60 tokens, each of its own number as its only token."""
    lengths = np.random.default_rng(1).integers(1, 61, count).astype(np.int32)
    numbers = np.arange(1, count + 1, dtype=np.uint16)
    return Batches(numbers.repeat(lengths), lengths, numbers, max_length=70, padding=3)


def drawn(made: Batches, size: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(made.shuffled(size, np.random.default_rng(seed)))


def test_every_text_comes_once_in_batches_of_similar_length() -> None:
    made = batches(1605)
    found = drawn(made, 16, seed=0)
    assert len(found) == 101  # the last texts are a batch of their own
    assert sorted(np.concatenate([labels for _, labels in found])) == list(range(1, 1606))
    for ids, labels in found:
        assert np.array_equal(ids[:, 0], labels)
        assert ids.shape[1] == (ids > 0).sum(axis=1).max() + 3
    computed = sum(ids.shape[0] * (ids.shape[1] - 3) for ids, _ in found)
    assert computed < 1.03 * made.lengths.sum()  # random batches: 1.9


def test_padding_has_its_own_row_and_ends_where_texts_may_end() -> None:
    lengths = np.array([4, 2, 5], np.int32)
    numbers = np.array([7, 8, 9], np.uint8)
    made = Batches(numbers.repeat(lengths), lengths, numbers, max_length=6, padding=1, pad_id=2)
    ids, labels = made.cut(np.array([1, 0]))
    assert (ids.dtype, ids.tolist()) == (np.int32, [[8, 8, 2, 2, 2], [7, 7, 7, 7, 2]])
    assert labels.tolist() == [8, 7]
    wider = replace(made, padding=3)
    assert wider.cut(np.array([2]))[0].tolist() == [[9, 9, 9, 9, 9, 2]]


def test_batches_come_in_any_order_and_the_seed_decides() -> None:
    made = batches(POOL * 8)
    first, again, other = (drawn(made, 8, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))
    widths = [ids.shape[1] for ids, _ in first]
    assert widths != sorted(widths)
    assert abs(np.corrcoef(range(POOL), widths)[0, 1]) < 0.4


def test_two_epochs_draw_different_batches() -> None:
    made = batches(POOL * 8 * 3)
    rng = np.random.default_rng(0)
    one, two = (
        {frozenset(labels.tolist()) for _, labels in made.shuffled(8, rng)} for _ in range(2)
    )
    assert not one & two


def test_targets_stand_in_the_labels_place_in_training_only() -> None:
    made = batches(100)
    targets = np.stack([made.labels, 1 - made.labels.astype(np.float32)], axis=1)
    soft = replace(made, targets=targets.astype(np.float32))
    for (ids, labels), (same, wanted) in zip(drawn(made, 16, 0), drawn(soft, 16, 0), strict=True):
        assert np.array_equal(ids, same)
        assert wanted.dtype == np.float32
        assert np.array_equal(wanted, np.stack([labels, 1 - labels], axis=1))
    assert np.array_equal(soft.cut(np.arange(3))[1], made.cut(np.arange(3))[1])
