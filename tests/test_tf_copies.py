"""Mutilated copies of texts: what they hold, and of what they are made."""

from collections.abc import Mapping, Sequence

import numpy as np

from embzip.tf.copies import mutilated

TEXTS = [" ".join(f"{letter}{number}" for number in range(12)) for letter in "abcdefgh"]


def made(
    texts: list[str],
    seed: int = 0,
    times: int = 1,
    near: Mapping[str, Sequence[str]] = {},
) -> list:
    drawn = np.tile(np.arange(len(texts)), times)
    return [*mutilated(texts, drawn, np.random.default_rng(seed), near)]


def test_copies_are_thinned_spliced_or_cut() -> None:
    copies = made(TEXTS, times=200)
    assert len(copies) == 1600
    spliced = [copy for copy in copies if copy.first != copy.second]
    assert 0.15 < len(spliced) / 1600 < 0.25  # of 22.5 %, an eighth meets itself
    for copy in spliced:
        own, other = TEXTS[copy.first].split(), TEXTS[copy.second].split()
        words = copy.text.split()
        start = [word for word in words if word in own]
        assert words == own[: len(start)] + other[len(other) - len(words) + len(start) :]
        assert start
    others = [copy for copy in copies if copy.first == copy.second]
    assert all(set(copy.text.split()) <= set(TEXTS[copy.first].split()) for copy in others)
    order = [[int(word[1:]) for word in copy.text.split()] for copy in others]
    assert sum(found == sorted(found) for found in order) > 0.9 * len(order)
    runs = [found for found in order if found == list(range(found[0], found[0] + len(found)))]
    assert {len(found) for found in runs} >= {2, 3, 4, 5, 6, 7, 8}


def test_the_seed_decides_and_texts_are_drawn_as_told() -> None:
    assert made(TEXTS) == made(TEXTS)
    assert made(TEXTS) != made(TEXTS, seed=1)
    drawn = np.array([3, 3, 3, 5])
    copies = [*mutilated(TEXTS, drawn, np.random.default_rng(0), {})]
    assert [copy.first for copy in copies] == drawn.tolist()
    assert {copy.second for copy in copies} <= {3, 5}


def test_near_words_take_the_place_of_some_in_a_quarter_of_the_copies() -> None:
    near = {f"{letter}{number}": ["x", "y"] for letter in "abcd" for number in range(6)}
    copies = made(TEXTS, times=400, near=near)
    swapped = [copy for copy in copies if {"x", "y"} & set(copy.parts)]
    # The texts of four letters have such words; a swap fails where none of six is chosen.
    assert 0.20 < len(swapped) / 1600 < 0.25
    put = [
        word in ("x", "y")
        for copy in swapped
        for word, old in zip(copy.parts, TEXTS[copy.first].split(), strict=True)
        if old in near
    ]
    for copy in swapped:
        assert copy.first == copy.second
        for word, old in zip(copy.parts, TEXTS[copy.first].split(), strict=True):
            assert word == old or (old in near and word in ("x", "y"))
    assert 0.28 < np.mean(put) < 0.40  # 30 % of the words, at least one of six
    both = [sum(copy.parts.count(word) for copy in swapped) for word in ("x", "y")]
    assert 0.9 < both[0] / both[1] < 1.1


def test_short_and_empty_texts_and_texts_without_spaces() -> None:
    for text in ("", "   ", "word", "word" + 20 * " "):
        assert {copy.text.strip() for copy in made([text], times=50)} <= {text.strip(), "word word"}
    chinese = "我昨天在商店买了一本关于历史的新书和两支笔"
    copies = {copy.text for copy in made([chinese], times=50)}
    assert len(copies) > 20
    assert all(set(copy) <= set(chinese) for copy in copies)
    assert {copy.text for copy in made([chinese], times=50, near={"我": ["你"]})} == copies
