"""What trains and what judges: split by text alone, and refused where nothing can be learned."""

from dataclasses import replace

import pytest

from embzip.errors import EmbzipError, InputError
from embzip.labelled.examples import Example
from embzip.labelled.splits import check_dev, check_training_labels, split_examples


def test_case_21_one_class_only() -> None:
    with pytest.raises(InputError, match="at least two different labels, found only 'a'"):
        check_training_labels(
            [Example(text="x", label="a"), Example(text="y", label="a")], "train.tsv"
        )
    with pytest.raises(EmbzipError, match="found none"):
        check_training_labels([], "train.tsv")
    same = [Example(text="goal", label="a"), Example(text="goal", label="b")]
    with pytest.raises(InputError, match=r"train\.tsv: .*two different texts, found only 'goal'"):
        check_training_labels(same, "train.tsv")


TRAINING = [Example(text="a goal", label="sport"), Example(text="a vote", label="politics")]
RAIN = Example(text="rain", label="weather")


def test_dev_that_shares_texts_or_has_labels_of_its_own_is_warned_of() -> None:
    labels = ["politics", "sport"]
    dev = [
        Example(text="a goal", label="sport"),
        Example(text="a ball", label="sport"),
        Example(text="a goal", label="politics"),
    ]
    check_dev(dev[1:2], TRAINING, labels)
    shares = "dev shares 2 of its 3 texts with training, such as 'a goal', so its"
    with pytest.warns(UserWarning, match=shares):
        check_dev(dev, TRAINING, labels)
    lacks = r"labels that training lacks, in 2 of its 3 texts: 'new', 'weather'; they count as err"
    with pytest.warns(UserWarning, match=lacks):
        check_dev([dev[1], RAIN, Example(text="x", label="new")], TRAINING, labels)
    with pytest.raises(InputError, match=r"\('politics', 'sport'\), found only 'weather'"):
        check_dev([RAIN], TRAINING, labels)


def test_case_21_a_label_seen_once_is_a_label() -> None:
    examples = [
        Example(text="x", label="b"),
        Example(text="y", label="b"),
        Example(text="z", label="a"),
    ]
    assert check_training_labels(examples, "train.tsv") == ("a", "b")


def test_split_is_by_text_alone() -> None:
    examples = [Example(text=f"text {i % 500}", label=str(i % 3)) for i in range(1000)]
    kept, held_out = split_examples(examples, 0.2)
    assert not {e.text for e in kept} & {e.text for e in held_out}
    assert len(kept) + len(held_out) == 1000
    assert 140 < len(held_out) < 260
    again = split_examples(list(reversed(examples)), 0.2)[1]
    assert {e.text for e in again} == {e.text for e in held_out}
    half = Example(text="\ud800", label="a")
    assert split_examples([half], 0.0) == ([half], [])


def test_a_label_that_is_held_out_alone_is_learned() -> None:
    examples = [Example(text=f"text {i}", label="a") for i in range(50)]
    _, (first, *others) = split_examples(examples, 0.2)
    rare = replace(first, label="rare")
    kept, held_out = split_examples([rare if e == first else e for e in examples], 0.2)
    assert rare in kept
    assert held_out == others
