"""Loads variables of another file, such as a checkpoint without a graph, into a classifier.

The classifier defines the network, the tokenizer and the labels; the file provides the numbers. It
is read as data: no code in it runs.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.checking import check_values
from embzip.classifier import Classifier
from embzip.classifier.training_record import TrainingRecord
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import FileFormatError, InputError, MismatchError
from embzip.foreign.formats.hdf5 import datasets, open_hdf5
from embzip.foreign.formats.hdf5_probe import check_attributes
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.matching import assigned
from embzip.foreign.variables import finite, other_names, stored_arrays
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.tf.classifiers import arrays_of, from_classifier
from embzip.tf.encoders import LayerFactory
from embzip.types import Matrix
from embzip.vectors.base import Vectors

_LAYER = "embedding"  # its name in `from_classifier`
_TABLE = f"{_LAYER}/table"
_SHOWN = 8  # shapes in a message


def with_variables(
    classifier: Classifier, path: str | Path, names: Mapping[str, str] | None = None
) -> Classifier:
    """Return a classifier with the same configuration, tokenizer and labels, and a file's numbers.

    Parameters
    ----------
    classifier
        The classifier; everything but its numbers, and how they were trained, is kept. Row i of the
        file's table must belong to id i of its tokenizer.
    path
        A checkpoint of the model of `from_classifier`, or of any program that computes the same;
        or a frozen graph, SavedModel, `.weights.h5`, `.h5` or `.keras` file. Its table is float32,
        or contains codes like those of the classifier's own table.
    names
        For names that differ: {variable: name in the file}. Variables have the names of the model
        of `from_classifier`, such as `conv_0/kernel`, and `embedding/table` for the table. The
        others are matched as in `load_variables`.

    Raises
    ------
    InputError
        For a damaged file, and for `names` that the classifier or the file does not have.
    MismatchError
        If the table does not fit the vocabulary, or for a variable that no array fits, or several
        arrays fit. The message lists them.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, tensorflow as tf
    >>> import embzip, embzip.tf
    >>> table = embzip.Vectors(embzip.Vocabulary(["goal", "vote"]), np.eye(2))
    >>> examples = embzip.make_examples(["sport", "politics"], ["goal", "vote"])
    >>> classifier = embzip.tf.train(examples, table, epochs=1).classifier
    >>> model = embzip.tf.from_classifier(classifier)  # for example, trained further
    >>> prefix = tf.train.Checkpoint(model=model).write(f"{tempfile.mkdtemp()}/model")
    >>> same = with_variables(classifier, prefix)
    >>> same.predict(["goal"]) == classifier.predict(["goal"])
    True
    """
    kind, own = kind_of(path)
    if kind == "h5" and not names and _is_weights_file(own):
        return _structurally(classifier, own)
    stored = stored_arrays(own)
    embedding = classifier.embedding
    targets = {_target(name): array.shape for name, array in classifier.arrays.items()}
    codes = {} if names and _TABLE in names else _codes(embedding, stored, other_names(own))
    if not codes:
        _check_table(embedding, stored, str(path))
        targets[_TABLE] = embedding.shape
    floats = finite(stored, str(path))
    chosen = assigned(targets, floats, names or {}, str(path), other_names(own))
    arrays = {
        name: np.asarray(stored[chosen[_target(name)]], np.float32).reshape(array.shape)
        for name, array in classifier.arrays.items()
    }
    table = codes or stored[chosen[_TABLE]]
    return _with_numbers(classifier, _filled(embedding, table, str(path)), arrays)


def _target(array: str) -> str:
    layer, _ = LayerFactory(0).place(array)
    return f"{layer}/{array.rpartition('.')[2]}"


def _is_weights_file(path: Path) -> bool:
    """Return whether Keras' `save_weights` wrote an .h5 file; checks the whole file."""
    check_attributes(path)
    with open_hdf5(path, str(path)) as file:
        names = [name for name, _ in datasets(file, str(path))]  # checks all before Keras reads any
    return any(name.startswith("layers/") for name in names)


def _structurally(classifier: Classifier, path: Path) -> Classifier:
    """Let Keras load its own variables file, in which layers have no names."""
    model = from_classifier(classifier)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # raised if layers are not loaded
            model.load_weights(path)
    except (ValueError, KeyError, OSError, UserWarning) as error:
        why = " ".join(str(error).split())[:200]
        raise MismatchError(
            f"{path}: the variables in this file do not fit the given classifier ({why}): pass the "
            "classifier that has the same layers"
        ) from error
    layer: CompressedEmbeddingLayer = model.get_layer(_LAYER)
    arrays = arrays_of(model, classifier.config, len(classifier.labels), classifier.ranks)
    finite({**arrays, _LAYER: np.zeros(1, np.float32)}, str(path))
    table = {**layer.codes(), **layer.params()}
    return _with_numbers(classifier, _filled(classifier.embedding, table, str(path)), arrays)


def _with_numbers(
    classifier: Classifier, embedding: CompressedEmbedding, arrays: dict[str, Matrix]
) -> Classifier:
    """Return the classifier with other numbers, of which nobody knows how they were trained."""
    return replace(
        classifier, embedding=embedding, arrays=arrays, digests={}, training=TrainingRecord()
    )


def _codes(
    embedding: CompressedEmbedding, stored: Mapping[str, Any], others: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """Return codes and params, if the file has those of a table like the classifier's."""
    layout = embedding.codec.layout(embedding.rows, embedding.dim)
    found = {}
    for spec in (*layout.codes, *layout.params):
        name = f"{_LAYER}/{spec.name.replace('.', '_')}"
        fits = [
            array
            for key, array in stored.items()
            if name in (key, others.get(key))
            and (array.shape, array.dtype.name) == (spec.shape, spec.dtype)
        ]
        if len(fits) != 1:
            return {}
        found[spec.name] = fits[0]
    return found


def _check_table(embedding: CompressedEmbedding, stored: Mapping[str, Any], where: str) -> None:
    shapes = [array.shape for array in stored.values() if array.ndim == 2]
    if embedding.shape not in shapes:
        largest = sorted(set(shapes), key=lambda shape: -shape[0])[:_SHOWN]
        raise MismatchError(
            f"{where}: the classifier's table has {embedding.rows:,} rows of {embedding.dim} "
            f"numbers, and no array of the file has that shape (the largest: {largest or 'none'}): "
            "pass the classifier whose tokenizer the table was trained with"
        )


def _filled(embedding: CompressedEmbedding, table: Any, where: str) -> CompressedEmbedding:
    """Return the embedding with the numbers of `table`: a float32 matrix, or codes and params."""
    if isinstance(table, Mapping):
        codec, rows = embedding.codec, embedding.rows
        layout = codec.layout(rows, embedding.dim)
        codes = {spec.name: np.asarray(table[spec.name]) for spec in layout.codes}
        params = {spec.name: np.asarray(table[spec.name]) for spec in layout.params}
        known = {**params, **codec.tables(params, embedding.dim)}
        try:
            check_values(codec, codes, known, rows, embedding.dim)
        except FileFormatError as error:
            raise InputError(f"{where}: the codes of the table are damaged: {error}") from error
        return replace(embedding, codes=codes, params=params, digests={})
    vocabulary = embedding.vocabulary
    if vocabulary is None:
        raise InputError("the classifier's table must have a vocabulary, and it has none")
    matrix = np.array(table, np.float32)
    matrix[embedding.pad_id] = 0  # the padding row reads as zeros anyway
    vectors = Vectors(vocabulary, matrix, embedding.counts, embedding.tokenizer)
    return compress(vectors, "float32")
