"""A classifier of embzip with the weights of another file: a checkpoint that has no graph.

The classifier says what the network is, how texts become ids, and which labels there are; the file
gives the numbers. It is read as data, nothing of it runs.
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
from embzip.vectors.base import Vectors

_LAYER = "embedding"  # as `from_classifier` calls it
_TABLE = f"{_LAYER}/table"
_SHOWN = 8  # shapes in a message


def with_variables(
    classifier: Classifier, path: str | Path, names: Mapping[str, str] | None = None
) -> Classifier:
    """Return a classifier of the same configuration, tokenizer and labels with a file's weights.

    Parameters
    ----------
    classifier
        Of which everything but its numbers is kept. Row i of the file's table belongs to id i of
        its tokenizer.
    path
        A checkpoint, of `from_classifier`'s model or of any program that computes the same; also
        a frozen graph, SavedModel, `.weights.h5`, `.h5` or `.keras` file. Its table is float32, or
        holds the codes of a table like the classifier's own.
    names
        Where names do not agree: {weight: name in the file}. Weights are called as in
        `from_classifier`'s model, `conv_0/kernel`, the table `embedding/table`; where nothing is
        said, they are found as by `load_variables`.

    Raises
    ------
    InputError
        For a damaged file, and for names that the classifier or the file does not have.
    MismatchError
        For a table of another size than the vocabulary, and weights that no array fits, or that
        several fit; lists them with their shapes.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, tensorflow as tf
    >>> import embzip, embzip.tf
    >>> table = embzip.Vectors(embzip.Vocabulary(["goal", "vote"]), np.eye(2))
    >>> examples = [embzip.Example("goal", "sport"), embzip.Example("vote", "politics")]
    >>> classifier = embzip.tf.train(examples, table, epochs=1).classifier
    >>> model = embzip.tf.from_classifier(classifier)  # trained further, say
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
    return replace(
        classifier, embedding=_filled(embedding, table, str(path)), arrays=arrays, digests={}
    )


def _target(array: str) -> str:
    layer, _ = LayerFactory(0).place(array)
    return f"{layer}/{array.rpartition('.')[2]}"


def _is_weights_file(path: Path) -> bool:
    """Return whether an .h5 file is of Keras' `save_weights`; all of it is checked."""
    check_attributes(path)
    with open_hdf5(path, str(path)) as file:
        names = [name for name, _ in datasets(file, str(path))]  # to the last, before Keras reads
    return any(name.startswith("layers/") for name in names)


def _structurally(classifier: Classifier, path: Path) -> Classifier:
    """Let Keras match the layers of its own weights file: they have no names there."""
    model = from_classifier(classifier)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # that layers keep what they were drawn as
            model.load_weights(path)
    except (ValueError, KeyError, OSError, UserWarning) as error:
        why = " ".join(str(error).split())[:200]
        raise MismatchError(
            f"{path}: these are no weights of a classifier like the one that is given ({why})"
        ) from error
    layer: CompressedEmbeddingLayer = model.get_layer(_LAYER)
    arrays = arrays_of(model, classifier.config, len(classifier.labels), classifier.ranks)
    finite({**arrays, _LAYER: np.zeros(1, np.float32)}, str(path))
    table = {**layer.codes(), **layer.params()}
    return replace(
        classifier,
        embedding=_filled(classifier.embedding, table, str(path)),
        arrays=arrays,
        digests={},
    )


def _codes(
    embedding: CompressedEmbedding, stored: Mapping[str, Any], others: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """Return codes and params, where the file holds those of a table like the classifier's."""
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
            f"{where}: the classifier's vocabulary has {embedding.rows:,} rows of {embedding.dim} "
            f"numbers, and no array of the file has that shape (the largest: {largest or 'none'}): "
            "give the classifier whose tokenizer the table was trained with"
        )


def _filled(embedding: CompressedEmbedding, table: Any, where: str) -> CompressedEmbedding:
    """Return the embedding with other numbers: a float32 table, or codes and params."""
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
        raise InputError("the classifier's table has no vocabulary")
    matrix = np.array(table, np.float32)
    matrix[embedding.pad_id] = 0  # it reads as zeros in any case
    vectors = Vectors(vocabulary, matrix, embedding.counts, embedding.tokenizer)
    return compress(vectors, "float32")
