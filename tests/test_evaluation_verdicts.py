"""Verdicts: bounds against oracles and published values, their coverage, and the three answers."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from embzip.errors import InputError, SpecError
from embzip.evaluation.accuracy import macro_f1
from embzip.evaluation.paired_bounds import macro_f1_of_counts, newcombe_bounds
from embzip.evaluation.verdicts import LEAST_CHANGED, verdict_on
from scripts.bench_verdicts import Cell, covered, covers, table


def answers(wins: int, losses: int, both: int, neither: int) -> tuple[list[str], ...]:
    """Return labels, and answers before and after, with so many texts of each kind."""
    rows = wins + losses + both + neither
    before = ["b"] * wins + ["a"] * (losses + both) + ["b"] * neither
    after = ["a"] * wins + ["b"] * losses + ["a"] * both + ["b"] * neither
    return ["a"] * rows, before, after


def bounds(wins: int, losses: int, both: int, rows: int, confidence: float) -> tuple[float, float]:
    low, high = newcombe_bounds(np.array(wins), np.array(losses), np.array(both), rows, confidence)
    return float(low), float(high)


def test_bounds_are_those_of_the_paper() -> None:
    """Newcombe 1998: of 50 pairs, 36 both, 12 and 2 one alone; two-sided 95 %, method 10."""
    assert bounds(12, 2, 36, 50, 0.975) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@pytest.mark.parametrize(
    ("wins", "losses", "both", "neither"),
    [(12, 2, 36, 0), (3, 1, 53, 1), (0, 0, 20, 30), (30, 0, 0, 20), (40, 9, 400, 51), (0, 3, 0, 9)],
)
def test_bounds_are_made_of_wilsons(wins: int, losses: int, both: int, neither: int) -> None:
    rows = wins + losses + both + neither
    after, before = (
        binomtest(right, rows).proportion_ci(0.90, method="wilson")
        for right in (both + wins, both + losses)
    )
    p, q = (both + wins) / rows, (both + losses) / rows
    product = (both + wins) * (losses + neither) * (both + losses) * (wins + neither)
    shared = both * neither - wins * losses
    shared = max(shared - rows / 2, 0) if shared > 0 else shared
    phi = shared / product**0.5 if product else 0
    a, b = p - after.low, before.high - q
    c, d = after.high - p, q - before.low
    low = p - q - (a**2 - 2 * phi * a * b + b**2) ** 0.5
    high = p - q + (c**2 - 2 * phi * c * d + d**2) ** 0.5
    assert bounds(wins, losses, both, rows, 0.95) == pytest.approx((low, high))


def test_bounds_are_walds_of_many_texts_and_turn_with_the_models() -> None:
    wins, losses, both, rows = 4900, 5300, 80_000, 100_000
    low, high = bounds(wins, losses, both, rows, 0.95)
    gain = (wins - losses) / rows
    error = np.sqrt((wins + losses) / rows - gain**2) / np.sqrt(rows)
    assert (low, high) == pytest.approx(
        (gain - norm.ppf(0.95) * error, gain + norm.ppf(0.95) * error), abs=error / 50
    )
    assert bounds(losses, wins, both, rows, 0.95) == pytest.approx((-high, -low))


def test_what_few_texts_can_show() -> None:
    """With 10 % of answers changed, 400 texts need about two points of gain for half a point."""
    found = verdict_on(*answers(20, 20, 280, 80), max_drop=0.5)
    assert (found.answer, found.difference, found.changed) == ("not shown", 0.0, 40)
    assert found.smallest_drop == pytest.approx(2.6, abs=0.1)
    assert found.more_rows == pytest.approx(10_900, rel=0.05)
    assert verdict_on(*answers(23, 17, 280, 80), max_drop=0.5).answer == "not shown"
    assert verdict_on(*answers(25, 16, 280, 79), max_drop=0.5).answer == "shown"
    many = verdict_on(*answers(600, 600, 8400, 2400), max_drop=0.5)
    assert many.answer == "shown"
    assert many.more_rows == 0


def test_the_smallest_drop_is_where_the_answer_turns() -> None:
    texts = answers(40, 60, 800, 100)
    found = verdict_on(*texts, max_drop=0.5)
    assert verdict_on(*texts, max_drop=found.smallest_drop + 1e-9).answer == "shown"
    assert verdict_on(*texts, max_drop=found.smallest_drop - 1e-9).answer == "not shown"
    assert found.more_rows is None, "what was found is below what is allowed"
    more = verdict_on(*texts, max_drop=3).more_rows
    assert more is not None
    scale = 1 + more / 1000
    many = answers(*(round(scale * count) for count in (40, 60, 800, 100)))
    assert verdict_on(*many, max_drop=3).lower == pytest.approx(-3, abs=0.05)


def test_the_drop_that_is_told_is_shown() -> None:
    for losses in range(1, 60):
        texts = answers(5, losses, 200, 30)
        found = verdict_on(*texts, max_drop=0)
        if found.answer == "not shown":
            told = found.sentence.split("one of at most ")[1].split(",")[0]
            assert verdict_on(*texts, max_drop=float(told)).answer == "shown", (losses, told)


def test_no_number_of_texts_shows_a_drop_that_is_met_exactly() -> None:
    for rows in range(21, 400):
        found = verdict_on(*answers(0, 1, rows - 2, 1), max_drop=100 / rows)
        assert (found.answer, found.more_rows) == ("not shown", None), rows


def test_a_confidence_below_one_is_told_so() -> None:
    told = verdict_on(*answers(5, 9, 200, 30), max_drop=1, confidence=0.99999999).sentence
    assert "with 99.999999 % confidence" in told


def test_a_model_that_is_worse() -> None:
    found = verdict_on(*answers(2, 60, 800, 138), max_drop=0.5)
    assert found.answer == "worse"
    assert found.upper < -0.5
    assert found.sentence == (
        "worse: accuracy 0.8600 -> 0.8020 on 1,000 texts (-5.80 points, with 95 % confidence at "
        f"most {found.upper:+.2f}): more than 0.5 are lost"
    )


def test_equal_answers_need_texts_too() -> None:
    """Where nothing changed, n texts still allow for changes that none of them shows."""
    few = verdict_on(*answers(0, 0, 100, 0), max_drop=0.5)
    assert (few.answer, few.difference) == ("not shown", 0)
    assert verdict_on(*answers(0, 0, 600, 0), max_drop=0.5).answer == "shown"


def news(rows: int, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    labels = np.array(["a", "b", "c"])
    truth = labels[rng.choice(3, rows, p=[0.6, 0.3, 0.1])]
    before = np.where(rng.random(rows) < 0.8, truth, labels[rng.integers(3, size=rows)])
    after = np.where(rng.random(rows) < 0.9, before, labels[rng.integers(3, size=rows)])
    return truth.tolist(), before.tolist(), after.tolist()


def test_where_the_drop_is_passed_no_number_of_texts_would_do() -> None:
    truth, before = ["a", "b"] * 50, ["a", "b"] * 50
    after = ["b"] * 15 + before[15:]  # eight answers changed
    found = verdict_on(truth, before, after, max_drop=0.5, metric="macro-f1")
    assert (found.answer, found.changed, found.more_rows) == ("not shown", 8, None)
    # What 20 changes take is too little where the interval needs more.
    near = verdict_on(truth, before, after, max_drop=8.5, metric="macro-f1")
    assert near.more_rows is not None
    assert near.more_rows > 100 * (20 / 8 - 1)


def test_macro_f1_is_bootstrapped() -> None:
    truth, before, after = news(400, np.random.default_rng(0))
    found = verdict_on(truth, before, after, max_drop=5, metric="macro-f1", resamples=4000)
    assert found.before == pytest.approx(macro_f1(truth, before))
    assert found.after == pytest.approx(macro_f1(truth, after))
    assert found.difference == pytest.approx(100 * (found.after - found.before))
    rng = np.random.default_rng(1)
    rows = np.array([truth, before, after])
    gains = []
    for _ in range(1000):  # the same, text by text
        t, b, a = rows[:, rng.integers(400, size=400)].tolist()
        gains.append(100 * (macro_f1(t, a) - macro_f1(t, b)))
    width = found.upper - found.lower
    assert found.lower == pytest.approx(np.quantile(gains, 0.05), abs=width / 15)
    assert found.upper == pytest.approx(np.quantile(gains, 0.95), abs=width / 15)
    again = verdict_on(truth, before, after, max_drop=5, metric="macro-f1", resamples=4000)
    assert again == found


def test_a_label_that_a_sample_lacks_does_not_count_there() -> None:
    kinds = np.array([[0, 0, 0], [1, 1, 1], [2, 0, 2]])
    found = macro_f1_of_counts(kinds, np.array([[2, 2, 0], [1, 1, 1]]), 3)
    assert found[0].tolist() == [1, 1]
    assert found[1] == pytest.approx([(2 / 3 + 1 + 0) / 3, 1])


def test_few_changes_show_nothing_of_macro_f1() -> None:
    truth = ["a", "b"] * 500
    before = ["b", "a"] * 4 + truth[8:]
    found = verdict_on(truth, before, truth, max_drop=0.5, metric="macro-f1")
    assert found.changed == 8 < LEAST_CHANGED
    assert (found.lower > 0, found.answer) == (True, "not shown")
    same = verdict_on(truth, truth, truth, max_drop=0.5, metric="macro-f1")
    assert (same.answer, same.smallest_drop, same.more_rows) == ("not shown", None, None)
    assert same.sentence.endswith("0 answers changed, too few to judge macro-F1 by")
    assert found.more_rows == pytest.approx(1000 * (LEAST_CHANGED / 8 - 1), abs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_drop": -0.5}, "max_drop is how many points may be lost, from 0 to 100, received -0"),
        ({"max_drop": float("nan")}, "max_drop is how many points"),
        ({"max_drop": 1, "metric": "f2"}, "metric is one of accuracy, macro-f1, received 'f2'"),
        ({"max_drop": 1, "confidence": 1.0}, "confidence must be at least 0.5 and below 1"),
        ({"max_drop": 1, "metric": "macro-f1", "resamples": 0}, "resamples must be at least 1"),
        ({"max_drop": 1, "seed": -1}, "seed"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        verdict_on(["a"], ["a"], ["a"], **options)


def test_wrong_texts() -> None:
    for texts in (([], [], []), (["a"], ["a"], ["a", "b"])):
        with pytest.raises(InputError, match="a verdict needs a label, and both models' answers"):
            verdict_on(*texts, max_drop=1)


@pytest.mark.parametrize("accuracy", [0.7, 0.95])
def test_bounds_cover_in_a_short_simulation(accuracy: float) -> None:
    """As `scripts/bench_verdicts.py` does with more sets in more cells."""
    sets = 2000
    found = covered(Cell(500, 0.05, accuracy), sets, seed=0, resamples=0)
    assert covers(found["accuracy_lower"], sets)
    assert covers(found["accuracy_upper"], sets)
    few = covered(Cell(1500, 0.1, accuracy), 200, seed=0, resamples=200)
    assert few["macro_f1_judged"] == 1
    assert few["macro_f1_lower"] > 0.87
    assert few["macro_f1_upper"] > 0.87


def test_a_cell_is_what_it_says() -> None:
    kinds, shares = Cell(500, 0.05, 0.8).kinds()
    assert shares.sum() == pytest.approx(1)
    right, other = kinds[:, 2] == kinds[:, 0], kinds[:, 1] == kinds[:, 0]
    assert shares[other].sum() == pytest.approx(0.8)
    assert shares[right].sum() == pytest.approx(0.795)
    assert shares[right != other].sum() == pytest.approx(0.05)
    assert shares.reshape(3, 9).sum(axis=1) == pytest.approx([0.6, 0.3, 0.1])
    assert table().startswith("| texts | changed | accuracy |")
