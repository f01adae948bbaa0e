"""scikit-learn's interface: its own checks, pipelines, cross-validation, pickles."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import embzip
from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.sklearn import EmbeddingTransformer, EmbzipClassifier
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SPORT = ["three goals in the match", "the team won a cup", "a coach and a striker"]
MONEY = ["the bank sold shares", "interest and a large deal", "profit in the market"]
TEXTS = [f"{text} {i}" for i in range(8) for text in (*SPORT, *MONEY)]
LABELS = np.array(["sport"] * 3 + ["money"] * 3).tolist() * 8


def estimator(**options: object) -> EmbzipClassifier:
    return EmbzipClassifier(**{"dim": 8, "epochs": 4, "encoder": "mean", **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> EmbzipClassifier:
    return estimator(encoder="cnn", epochs=8).fit(TEXTS, LABELS)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("each", [EmbzipClassifier(), EmbeddingTransformer()])
def test_its_checks(each: object) -> None:
    # Most of them need a matrix of numbers, and are left out for estimators that take texts.
    assert issubclass(SkipTestWarning, UserWarning)
    check_estimator(each)


def test_fit_predict_score(fitted: EmbzipClassifier) -> None:
    assert fitted.classes_.tolist() == ["money", "sport"]
    probabilities = fitted.predict_proba(TEXTS[:5])
    assert probabilities.shape == (5, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert fitted.predict(TEXTS[:5]).tolist() == [
        fitted.classes_[row.argmax()] for row in probabilities
    ]
    assert fitted.score(TEXTS, LABELS) > 0.6
    assert fitted.model_.embedding.codec.spec == "int8"
    again = clone(fitted).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_params_clone_and_pickle(fitted: EmbzipClassifier, tmp_path: Path) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert copy.set_params(codec=None).codec is None
    with pytest.raises(NotFittedError):
        copy.predict(TEXTS)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    fitted.model_.save(tmp_path / "m.embz")
    assert embzip.load_model(tmp_path / "m.embz").labels == ("0", "1")


def test_labels_of_any_type_come_back(fitted: EmbzipClassifier) -> None:
    numbers = [int(label == "sport") + 5 for label in LABELS]
    model = estimator(epochs=1).fit(np.array(TEXTS), np.array(numbers))
    assert model.classes_.tolist() == [5, 6]
    assert set(model.predict(TEXTS)) <= {5, 6}


def test_in_a_pipeline_and_cross_validated() -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, estimator(epochs=1))
    assert len(cross_val_score(pipeline, TEXTS, LABELS, cv=2)) == 2


def test_what_is_refused() -> None:
    with pytest.raises(MismatchError, match="needs one label"):
        estimator().fit(TEXTS, LABELS[:-1])
    with pytest.raises(InputTypeError, match="put one text in a list"):
        estimator().fit("one text", ["a"])
    with pytest.raises(InputTypeError, match="expected str"):
        estimator().fit([1, 2], ["a", "b"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="Unknown label type"):
        estimator().fit(TEXTS, np.linspace(0, 1, len(TEXTS)))
    with pytest.raises(InputError, match="needs a table with a tokenizer"):
        EmbeddingTransformer().fit(TEXTS)


def test_mean_vectors() -> None:
    words = WordTokenizer(["deal", "goals"], Normalization())
    matrix = np.array([[0, 0], [1, 1], [2, 4], [6, 8]], np.float32)
    table = Vectors(words.vocabulary, matrix, tokenizer=words)
    for given in (table, embzip.compress(table, "float32")):
        made = EmbeddingTransformer(given).fit_transform(["goals deal", "", "x"])
        assert made.tolist() == [[4, 6], [0, 0], [1, 1]]
        assert list(EmbeddingTransformer(given).fit().get_feature_names_out()) == [
            "column0",
            "column1",
        ]
    pipeline = make_pipeline(EmbeddingTransformer(table), LogisticRegression())
    pipeline.fit(["goals", "deal"], ["sport", "money"])
    assert pipeline.predict(["goals goals"]).tolist() == ["sport"]
