"""Measures how much a classifier's answers change if a token becomes unknown: scores for pruning.

It needs only the model's forward pass, no gradients and no labels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.errors import InputError

_BATCH = 1 << 14  # texts with an erased token predicted at a time: bounds the memory
_TINY = 1e-6


def sensitivity(
    classifier: Classifier, texts: Sequence[Sequence[int]], *, sample: int = 8
) -> NDArray[np.float64]:
    """Score each row by how much erasing its token changes predictions, summed over texts.

    The change of one text is the Kullback-Leibler divergence, in nats, between the probabilities
    of the whole text and those with the token unknown, after adding 1e-6 to each probability.

    Parameters
    ----------
    texts
        Texts as ids, as `classifier.encode` returns them.
    sample
        A token that occurs in more texts than this is erased only in the first of them, and their
        mean change counts for all its texts. So the time grows with the vocabulary, not with the
        corpus.

    Returns
    -------
    (rows,) float64; special rows and tokens that occur in no text score 0.

    Raises
    ------
    InputError
        If no text contains a token with a row of its own.

    References
    ----------
    Li, Monroe, Jurafsky: Understanding Neural Networks through Representation Erasure. 2016,
    arXiv:1612.08220.
    """
    vocabulary = classifier.embedding.vocabulary
    special = set() if vocabulary is None else set(vocabulary.special_ids)
    unk_id = classifier.embedding.unk_id or 0
    found = np.zeros(classifier.embedding.rows)
    erased = np.zeros(classifier.embedding.rows, np.int64)
    change = np.zeros(classifier.embedding.rows)
    pending: list[tuple[int, int]] = []

    def flush() -> None:
        wholes = sorted({number for _, number in pending})
        whole = dict(
            zip(wholes, classifier.probabilities_of_ids([texts[n] for n in wholes]), strict=True)
        )
        without = classifier.probabilities_of_ids(
            [[unk_id if i == token else i for i in texts[number]] for token, number in pending]
        )
        before = np.stack([whole[number] for _, number in pending]) + _TINY
        divergence = (before * np.log(before / (without + _TINY))).sum(axis=1)
        np.add.at(change, [token for token, _ in pending], divergence)
        pending.clear()

    for number, text in enumerate(texts):
        for token in sorted(set(text) - special):
            found[token] += 1
            if erased[token] < sample:
                erased[token] += 1
                pending.append((token, number))
        if len(pending) >= _BATCH:
            flush()
    if pending:
        flush()
    if not erased.any():
        raise InputError(
            "expected texts with tokens that the classifier knows, found none: do they belong to "
            "this classifier?"
        )
    return np.maximum(change, 0) * found / np.maximum(erased, 1)
