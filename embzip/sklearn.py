"""scikit-learn's interface: a classifier that compresses itself, and texts as mean vectors.

scikit-learn is imported here alone; it is the extra `sklearn`.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.classifier import Classifier
from embzip.classifier.rebuilding import rebuild
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, MissingPackageError
from embzip.labelled.examples import make_examples
from embzip.labelled.texts import Texts
from embzip.tokenizers.building import build_words
from embzip.types import Matrix
from embzip.vectors.base import Vectors
from embzip.vectors.training import train_vectors

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise MissingPackageError(
        "embzip.sklearn needs scikit-learn, which is not installed: `pip install "
        "'scikit-learn>=1.6'`, or `uv sync --extra sklearn` in a checkout"
    ) from error

_BLOCK = 1024  # texts at a time


class EmbzipClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """A text classifier with a compressed table, as scikit-learn's estimators are used.

    Parameters
    ----------
    codec
        How the table is stored after training; see `embzip codecs`. None keeps float32.
    dim
        Columns of the vectors that are trained on the texts, where `vectors` is None.
    vectors
        A table to start from instead: `Vectors`, one of `embzip.load`, or gensim's KeyedVectors.
    min_count
        How often a word stands in the texts to have a row, where `vectors` is None.
    encoder, epochs
        As in `embzip.tf.train`.
    random_state
        The seed; None is 0.

    Attributes
    ----------
    classes_
        The labels, sorted.
    model_
        The `Classifier`; `model_.save(path)` writes it.

    Examples
    --------
    >>> texts = ["three goals", "a large deal", "two goals", "the deal"] * 8
    >>> model = EmbzipClassifier(dim=4, epochs=2).fit(texts, ["sport", "money"] * 16)
    >>> model.classes_.tolist(), model.predict_proba(["goals"]).shape
    (['money', 'sport'], (1, 2))
    """

    def __init__(
        self,
        codec: str | None = "int8",
        *,
        dim: int = 100,
        vectors: Vectors | CompressedEmbedding | None = None,
        min_count: int = 1,
        encoder: str = "cnn",
        epochs: int = 10,
        random_state: int | None = None,
    ) -> None:
        self.codec = codec
        self.dim = dim
        self.vectors = vectors
        self.min_count = min_count
        self.encoder = encoder
        self.epochs = epochs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        _takes_texts(tags)
        return tags

    def fit(self, X: Iterable[str], y: ArrayLike) -> "EmbzipClassifier":
        """Train on texts and their labels.

        Parameters
        ----------
        X
            Texts: a list, an array, a column of pandas, ...
        y
            A label each.

        Raises
        ------
        InputTypeError, InputError, MismatchError
            As `make_examples` and `embzip.tf.train` do.
        """
        from embzip.tf import train

        check_classification_targets(y)
        given = np.asarray(y)
        self.classes_, places = np.unique(given, return_inverse=True)
        # Labels of the classifier are places, so that any type of label comes back as it was.
        examples = make_examples(places.tolist(), X)
        seed = 0 if self.random_state is None else int(self.random_state)
        table: Any = self.vectors
        if table is None:
            texts = Texts([example.text for example in examples])
            words = build_words(texts, min_count=self.min_count)
            table = train_vectors(texts, words, dim=self.dim, seed=seed)
        model = train(
            examples,
            table,
            encoder=self.encoder,
            epochs=self.epochs,
            seed=seed,
        ).classifier
        self.model_: Classifier = model if self.codec is None else rebuild(model, codec=self.codec)
        return self

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:
        """Return the probability of each class, (texts, classes), in the order of `classes_`."""
        check_is_fitted(self, "model_")
        found = self.model_.probabilities(list(Texts(X)))
        order = [self.model_.labels.index(str(place)) for place in range(len(self.classes_))]
        return np.asarray(found[:, order], np.float64)

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Return the most probable class of each text, (texts,)."""
        found = self.predict_proba(X)
        classes: NDArray[Any] = self.classes_[found.argmax(axis=1)]
        return classes


class EmbeddingTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """Texts as the mean of the rows of their tokens.

    Parameters
    ----------
    table
        A table with a tokenizer, such as of `embzip.load`.

    Examples
    --------
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> words = WordTokenizer(["land", "sea"], Normalization())
    >>> table = Vectors(words.vocabulary, np.eye(4), tokenizer=words)
    >>> EmbeddingTransformer(table).fit_transform(["sea sea land"]).round(2)
    array([[0.  , 0.  , 0.33, 0.67]], dtype=float32)
    """

    def __init__(self, table: Vectors | CompressedEmbedding | None = None) -> None:
        self.table = table

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        _takes_texts(tags)
        return tags

    def fit(self, X: Iterable[str] | None = None, y: object = None) -> "EmbeddingTransformer":
        """Check the table; nothing is learned.

        Raises
        ------
        InputError
            For no table, or one without a tokenizer.
        """
        if self.table is None or self.table.tokenizer is None:
            raise InputError(
                "EmbeddingTransformer needs a table with a tokenizer: embzip.load(path)"
            )
        self.n_features_out_ = self.table.dim
        return self

    def transform(self, X: Iterable[str]) -> Matrix:
        """Return the mean vector of each text, (texts, dim); zeros for a text without tokens."""
        check_is_fitted(self, "n_features_out_")
        assert self.table is not None  # noqa: S101  # `fit` checked it
        texts, table = list(Texts(X)), self.table
        made = np.zeros((len(texts), table.dim), np.float32)
        for first in range(0, len(texts), _BLOCK):
            for row, ids in enumerate(_ids_of(table, texts[first : first + _BLOCK]), start=first):
                if ids:
                    rows = table.matrix[ids] if isinstance(table, Vectors) else table[ids]
                    made[row] = rows.mean(axis=0)
        return made

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return names of the columns."""
        return np.array([f"column{i}" for i in range(self.n_features_out_)], object)


def _takes_texts(tags: Any) -> None:
    """Say in an estimator's tags that its input is texts, not a matrix."""
    tags.input_tags.two_d_array = False
    tags.input_tags.one_d_array = True
    tags.input_tags.string = True


def _ids_of(table: Vectors | CompressedEmbedding, texts: list[str]) -> list[list[int]]:
    return [] if table.tokenizer is None else table.tokenizer.encode(texts)
