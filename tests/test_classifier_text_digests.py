"""Digests of sets of texts: what they tell apart, what they do not, and how they add up."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.classifier import TextDigest
from embzip.corpus import Example
from embzip.errors import InputError
from embzip.labelled.splits import split_examples

TEXTS = st.lists(st.text(max_size=5), max_size=8)


def test_a_digest_by_hand() -> None:
    sums = [int(sha256(text.encode()).hexdigest()[:16], 16) for text in ("a goal", "café")]
    assert TextDigest.of(["a goal"]) == TextDigest(1, f"{sums[0]:016x}")
    both = TextDigest(2, f"{sum(sums) % 2**64:016x}")
    assert TextDigest.of(["a goal", "café"]) == both
    assert TextDigest.of([]) == TextDigest(0, "0" * 16)


@given(TEXTS, TEXTS)
def test_equal_sets_and_no_others_have_equal_digests(one: list[str], other: list[str]) -> None:
    digests = TextDigest.of(one), TextDigest.of(other)
    assert (digests[0] == digests[1]) == (set(one) == set(other))
    assert TextDigest.of([*reversed(one), *one]) == digests[0]
    assert digests[0].count == len(set(one))


@given(TEXTS, TEXTS)
def test_sets_that_share_nothing_add_up(one: list[str], other: list[str]) -> None:
    apart = set(other) - set(one)
    assert TextDigest.of(one) + TextDigest.of(apart) == TextDigest.of([*one, *other])


def test_what_is_near_is_not_equal() -> None:
    texts = ["a goal", "A goal", "a goal ", "a\ngoal", "café", "cafe\u0301", "\ud800", ""]
    assert len({TextDigest.of([text]) for text in texts}) == len(texts)
    assert TextDigest.of(["ab", "c"]) != TextDigest.of(["a", "bc"])


def test_a_file_is_the_sum_of_what_is_kept_and_held_out() -> None:
    examples = [Example(text=f"text {index % 150}", label="ab"[index % 2]) for index in range(200)]
    kept, held_out = split_examples(examples)
    whole = TextDigest.of(example.text for example in examples)
    parts = [TextDigest.of(example.text for example in part) for part in (kept, held_out)]
    assert parts[1].count > 5
    assert parts[0] + parts[1] == whole
    assert whole.count == 150


@pytest.mark.parametrize("digest", ["", "0" * 15, "0" * 17, "G" + "0" * 15, "A" + "0" * 15])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(InputError, match="16 hexadecimal digits"):
        TextDigest(1, digest)
    with pytest.raises(InputError, match="at least 0, received -1"):
        TextDigest(-1, "0" * 16)
