"""Evaluation against values computed by hand and against the definitions written out plainly."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.classifier import Classifier, CnnConfig
from embzip.compression import compress
from embzip.corpus import Example
from embzip.errors import InputError, InputTypeError, SpecError
from embzip.evaluation.accuracy import (
    bootstrap_ci95,
    evaluate,
    macro_f1,
    mcnemar_p,
    mean_kl,
)
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.base import Normalization
from embzip.vectors.base import Vectors


def keyword_classifier(sport: str = "goal", labels: tuple[str, str] = ("politics", "sport")):
    """Return a model that answers `sport` for texts with that word, and else `politics`.

    Its table is one-hot, its one convolution copies the table, its last layer reads two columns.
    """
    tokenizer = WordTokenizer(["goal", "match", "vote"], Normalization())
    size = len(tokenizer.vocabulary)
    table = np.eye(size, dtype=np.float32)
    table[0] = 0
    dense = np.zeros((size, 2), np.float32)
    bias = np.zeros(2, np.float32)
    dense[tokenizer.vocabulary[sport], labels.index("sport")] = 4
    bias[labels.index("politics")] = 2
    arrays = {
        "conv.0.kernel": np.eye(size, dtype=np.float32)[None],
        "conv.0.bias": np.zeros(size, np.float32),
        "dense.kernel": dense,
        "dense.bias": bias,
    }
    config = CnnConfig(columns=size, max_length=4, filters=size, windows=(1,))
    vectors = Vectors(tokenizer.vocabulary, table, None, tokenizer)
    return Classifier(compress(vectors, "float32"), labels, config, arrays)


EXAMPLES = [
    Example(text="a goal", label="sport"),  # both models: goal, match
    Example(text="vote vote", label="politics"),
    Example(text="match", label="sport"),  # only the model that knows `match`
    Example(text="goal match", label="sport"),
    Example(
        text="goal", label="politics"
    ),  # only the model that knows `match`, which misses `goal`
    Example(text="match match vote goal goal", label="weather"),
]


def test_values_by_hand():
    found = evaluate(keyword_classifier(), EXAMPLES)
    # Predicted: sport politics politics sport sport sport.
    assert found.accuracy == 3 / 6
    assert found.rows == 6
    # sport: TP 2, FP 2, FN 1; politics: TP 1, FP 1, FN 1; weather: FN 1.
    assert found.macro_f1 == pytest.approx((4 / 7 + 2 / 4 + 0) / 3)
    assert found.unknown_rate == 1 / 13  # `a`; the last text counts whole, though it is cut
    # Logits are 4 * (the text has `goal`) for sport and 2 for politics. `weather` has none.
    sure, unsure = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))
    given = [sure, sure, unsure, sure, unsure]
    assert found.log_loss == pytest.approx(-sum(map(math.log, given)) / 5)
    assert found.calibration_error == pytest.approx(sure - 3 / 6)  # all rows are as confident
    assert (found.difference, found.difference_ci95, found.mcnemar_p) == (None, None, None)
    assert (found.agreement, found.kl) == (None, None)


def test_case_21_labels_unseen_in_training_are_errors_and_reported():
    found = evaluate(keyword_classifier(), EXAMPLES)
    assert found.unseen_labels == ("weather",)
    assert found.unseen_rows == 1
    unseen_only = evaluate(keyword_classifier(), EXAMPLES[-1:])
    assert (unseen_only.accuracy, unseen_only.log_loss) == (0, None)
    assert unseen_only.calibration_error == pytest.approx(1 / (1 + math.exp(-2)))
    seen_only = evaluate(keyword_classifier(), EXAMPLES[:-1])
    assert seen_only.unseen_rows == 0
    assert seen_only.accuracy == 3 / 5


def test_difference_is_model_minus_other():
    goal, match = keyword_classifier("goal"), keyword_classifier("match")
    examples = EXAMPLES[:-1]
    # goal: right on 0 1 3; match: right on 1 2 3 4.
    found = evaluate(goal, examples, against=match)
    assert found.difference == pytest.approx(-1 / 5)
    assert evaluate(match, examples, against=goal).difference == pytest.approx(1 / 5)
    assert found.mcnemar_p == 1.0  # one row against two: P(at most 1 or at least 2 of 3) = 1
    assert found.agreement == 2 / 5
    low, high = found.difference_ci95
    assert -1 <= low <= -1 / 5 <= high <= 1


def test_equal_models_with_labels_in_another_order_agree():
    model = keyword_classifier(labels=("politics", "sport"))
    other = keyword_classifier(labels=("sport", "politics"))
    found = evaluate(model, EXAMPLES, against=other)
    assert found.agreement == 1.0
    assert found.kl == 0.0
    assert (found.difference, found.difference_ci95, found.mcnemar_p) == (0.0, (0.0, 0.0), 1.0)


def test_other_labels_leave_agreement_out():
    model = keyword_classifier()
    other = keyword_classifier()
    renamed = Classifier(other.embedding, ("politics", "sports"), other.config, other.arrays)
    found = evaluate(model, EXAMPLES, against=renamed)
    assert (found.agreement, found.kl) == (None, None)
    assert found.log_loss > 0  # of `politics` alone
    assert found.difference == pytest.approx(2 / 6)  # `sports` is never the label expected


def test_paths_and_json(tmp_path):
    model = keyword_classifier()
    model.save(tmp_path / "model.embz")
    test = tmp_path / "test.tsv"
    test.write_text("".join(f"{e.label}\t{e.text}\n" for e in EXAMPLES), "utf-8")
    with pytest.warns(UserWarning, match="a label is in one row only, line 6 'weather"):
        found = evaluate(tmp_path / "model.embz", test, against=str(tmp_path / "model.embz"))
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert record["accuracy"] == 0.5
    assert record["difference_ci95"] == [0.0, 0.0]
    assert {"accuracy", "macro_f1", "rows", "unknown_rate", "difference", "mcnemar_p"} < set(record)


def test_test_set_without_rows_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one example"):
        evaluate(keyword_classifier(), [])
    (tmp_path / "empty.tsv").write_text("\n\n")
    with pytest.raises(InputError, match=r"empty\.tsv"):
        evaluate(keyword_classifier(), tmp_path / "empty.tsv")


def test_row_that_is_no_example_is_named():
    with pytest.raises(InputTypeError, match=r"row 1.*tuple"):
        evaluate(keyword_classifier(), [EXAMPLES[0], ("goal", "sport")])


LABELS = st.lists(st.tuples(*[st.sampled_from(["a", "b", "c", "c\0", ""])] * 2), min_size=1)


@given(LABELS)
def test_macro_f1_is_its_definition(pairs):
    expected, predicted = map(list, zip(*pairs, strict=True))
    scores = []
    for label in {*expected, *predicted}:
        hits = sum(e == p == label for e, p in pairs)
        precision = Fraction(hits, predicted.count(label) or 1)
        recall = Fraction(hits, expected.count(label) or 1)
        scores.append(2 * precision * recall / (precision + recall) if hits else Fraction(0))
    assert macro_f1(expected, predicted) == pytest.approx(float(sum(scores) / len(scores)))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_mcnemar_is_the_binomial_sum(wins, losses, both):
    correct = np.array([True] * wins + [False] * losses + [True] * both, bool)
    other = np.array([False] * wins + [True] * losses + [True] * both, bool)
    total = wins + losses
    tail = sum(math.comb(total, k) for k in range(min(wins, losses) + 1))
    assert mcnemar_p(correct, other) == pytest.approx(min(1.0, 2 * tail / 2**total))


def test_interval_is_that_of_resampled_rows():
    rng = np.random.default_rng(1)
    correct, other = rng.random(400) < 0.8, rng.random(400) < 0.85
    outcome = correct.astype(int) - other.astype(int)
    drawn = outcome[rng.integers(400, size=(20_000, 400))].mean(axis=1)
    plain = np.quantile(drawn, [0.025, 0.975])
    found = bootstrap_ci95(correct, other, resamples=20_000, seed=2)
    np.testing.assert_allclose(found, plain, atol=0.003)


def test_interval_follows_the_seed():
    rng = np.random.default_rng(1)
    correct, other = rng.random(500) < 0.8, rng.random(500) < 0.8
    first = bootstrap_ci95(correct, other, seed=3)
    assert bootstrap_ci95(correct, other, seed=3) == first
    assert bootstrap_ci95(correct, other, seed=4) != first


def test_interval_of_a_million_rows_is_fast():
    correct = np.arange(1_000_000) % 10 > 0
    other = np.arange(1_000_000) % 10 > 1
    low, high = bootstrap_ci95(correct, other)
    assert low < 0.1 < high
    assert high - low < 0.002


def test_resamples_below_one_are_refused():
    with pytest.raises(SpecError, match="received 0"):
        bootstrap_ci95(np.array([True]), np.array([True]), resamples=0)


def test_kl_by_hand():
    reference = np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)
    model = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert mean_kl(reference, model) == pytest.approx((first + math.log(2)) / 2)
    assert math.isfinite(mean_kl(reference[1:], reference[1:, ::-1]))
