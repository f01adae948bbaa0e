"""A supervised model of fastText as a classifier: the mean of its rows, and a dense layer."""

import warnings
from pathlib import Path

import numpy as np

from embzip.classifier.mean import MeanConfig
from embzip.classifier.model import Classifier
from embzip.compression import compress
from embzip.errors import InputError
from embzip.files.remote import local_file
from embzip.files.streams import seekable
from embzip.tokenizers.fasttext import FastTextTokenizer
from embzip.vectors.base import Vectors
from embzip.vectors.fasttext import opened_fasttext

_TOKENS = 1 << 12  # of a text that are read; fastText reads all


def read_fasttext(path: str | Path) -> Classifier:
    """Return the classifier in a .bin or .ftz file of fastText.

    Its rows, those of n-grams included, are read by the mean encoder, and its tokenizer gives the
    rows that fastText reads: the same labels and probabilities, of the first 4,096 tokens and
    n-grams of a text.

    Warns
    -----
    UserWarning
        For a model trained with `ova` or `ns`, which gives each label a probability of its own:
        here they are made to add up to 1. The order of the labels stays.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    InputError
        For a damaged file, a model that is no classifier, or one with a hierarchical softmax, whose
        labels have no rows.
    """
    with local_file(path) as here, seekable(here) as whole, opened_fasttext(whole) as model:
        if not model.supervised:
            raise InputError(
                f"{path}: expected a supervised model of fastText, found one of words only: "
                f"`embzip compress {path} --codec int8` makes a table of it"
            )
        if model.loss == "hs":
            raise InputError(
                f"{path}: a model trained with a hierarchical softmax has no row for each label: "
                "train it with -loss softmax, or distil it from its probabilities"
            )
        if model.loss != "softmax":
            warnings.warn(
                f"{path}: trained with -loss {model.loss}, so that its probabilities do not add up "
                "to 1; the classifier's do, in the same order",
                stacklevel=2,
            )
        grams = bool(model.maxn) or model.word_ngrams > 1
        places = model.places() - len(model.words) if grams else None
        if places is not None:
            places[places < 0] = -1
        words = [word.decode("utf-8", "replace") for word in model.words]
        tokenizer = FastTextTokenizer(
            words, model.minn, model.maxn, model.word_ngrams if grams else 1, places
        )
        count = len(tokenizer.vocabulary) - 2
        matrix = np.zeros((count + 2, model.rows.shape[1]), np.float32)
        matrix[2:] = model.rows[:count]
        kernel = np.ascontiguousarray(model.output[: len(model.labels)].T, np.float32)
        labels = tuple(model.labels)
    table = compress(Vectors(tokenizer.vocabulary, matrix, tokenizer=tokenizer), "float32")
    arrays = {"dense.kernel": kernel, "dense.bias": np.zeros(len(labels), np.float32)}
    return Classifier(table, labels, MeanConfig(table.dim, _TOKENS), arrays)
