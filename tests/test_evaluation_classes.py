"""Figures of each label against scikit-learn's; confusions by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from embzip.evaluation.classes import Confusion, class_figures, confusions

LABELS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcdef")), min_size=1)


@given(LABELS)
def test_figures_are_scikit_learns(pairs):
    expected, predicted = map(list, zip(*pairs, strict=True))
    found = class_figures(expected, predicted)
    labels = [each.label for each in found]
    assert labels == sorted({*expected, *predicted})
    precision, recall, f1, support = precision_recall_fscore_support(
        expected, predicted, labels=labels, zero_division=np.nan
    )
    np.testing.assert_allclose(
        [np.nan if each.precision is None else each.precision for each in found], precision
    )
    np.testing.assert_allclose(
        [np.nan if each.recall is None else each.recall for each in found], recall
    )
    np.testing.assert_allclose([each.f1 for each in found], f1)
    assert [each.support for each in found] == support.tolist()


def test_confusions_begin_with_the_most_frequent():
    expected = ["a", "a", "a", "b", "c", "c"]
    predicted = ["b", "b", "a", "a", "b", "a"]
    assert confusions(expected, predicted, most=3) == (
        Confusion("a", "b", 2),
        Confusion("b", "a", 1),
        Confusion("c", "a", 1),
    )
    assert confusions(["a"], ["a"]) == ()
