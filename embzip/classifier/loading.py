"""Reads classifiers and kits from files: .embz and exported .tflite."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.ensemble import Ensemble
from embzip.classifier.kit import Kit
from embzip.classifier.model import Classifier, check_weights, head_shapes
from embzip.classifier.registry import encoder_class
from embzip.classifier.storage import from_tensor, storage, to_tensor
from embzip.classifier.training_record import TrainingRecord
from embzip.errors import FileFormatError, InputError, MismatchError, MissingFileError
from embzip.files.places import CLASSIFIER, SERVED
from embzip.files.reading import digest
from embzip.files.records import Fields, parse_json
from embzip.litert import LiteRtKit, load_litert
from embzip.prediction import TextClassifier, TextKit
from embzip.sources import Paths, paths_of

if TYPE_CHECKING:  # serving a .tflite does not load the codecs
    from embzip.embedding import CompressedEmbedding

_RECORD = ("kernels", "kind", "labels", "name", "ranks", "training")  # what is not the encoder's
_SUFFIXES = (".embz", ".tflite")  # of the files that a folder stands for
_NAME_ONE = "name one of them (--head)"


def load_model(path: Paths, *, mmap: bool = False) -> TextClassifier | TextKit:
    """Read a classifier or a kit from a .embz file or an exported .tflite; of several, an ensemble.

    The content of the file decides which. A .tflite is run by LiteRT, and has the same methods for
    predicting. `load_classifier` reads exactly one classifier, with its arrays.

    Parameters
    ----------
    path
        One file. Several files, or a folder, which stands for the .embz and .tflite files in it,
        are an `Ensemble`.
    mmap
        Whether to memory-map the table and the heads, so that processes share them. Digests are
        then not checked until `verify` is called; see `embzip.load`.

    Raises
    ------
    MissingFileError
        If the file does not exist, or the folder holds none.
    FileFormatError
        For a damaged file, or one that contains only an embedding.
    MismatchError
        For classifiers with different labels, or a kit among several files.
    """
    path, *others = served_files(path)
    if others:
        return _ensemble([path, *others], mmap=mmap)
    if SERVED.kind_of(path, FileFormatError) == "tflite":
        return load_litert(path)
    return read(path, mmap=mmap)


def read(path: str | Path, *, mmap: bool = False) -> Classifier | Kit:
    """Read a classifier or a kit from a .embz file; any other is refused."""
    from embzip.embz.container import reading
    from embzip.embz.format import read as read_file
    from embzip.embz.shards import manifest_in

    path = manifest_in(path)
    CLASSIFIER.kind_of(path, FileFormatError)
    loaded = read_file(path, mmap=mmap)
    if not loaded.heads:
        raise FileFormatError(
            f"{path}: expected a classifier, found only an embedding: train one on it with "
            f"`embzip train TRAIN.tsv --vectors {path}`"
        )
    with reading(Path(path), "the classifier in this file is damaged: "):
        read_all = [_read(loaded.embedding, *numbered) for numbered in enumerate(loaded.heads)]
        if len(read_all) == 1 and read_all[0][0] is None:
            return read_all[0][1]
        named = {name or "": classifier for name, classifier in read_all}
        if len(named) != len(read_all):
            names = ", ".join(repr(name) for name, _ in read_all)
            raise FileFormatError(f"the classifiers of a kit need different names, found {names}")
        return Kit(loaded.embedding, named)


def load_classifier(path: str | Path, *, head: str | None = None, mmap: bool = False) -> Classifier:
    """Read one classifier of a .embz file.

    Parameters
    ----------
    head
        Its name, if the file is a kit.

    Raises
    ------
    MismatchError
        For a kit without `head`, or an unknown name. The message lists the known ones.
    MissingFileError, FileFormatError
        As in `load_model`.
    """
    loaded = read(path, mmap=mmap)
    names = [] if isinstance(loaded, Classifier) else list(loaded.classifiers)
    if isinstance(loaded, Classifier):
        if head is None:
            return loaded
        raise MismatchError(
            f"{path}: no classifier is named {head!r}; the file contains one without a name"
        )
    if head is None or head not in names:
        asked = _NAME_ONE if head is None else f"none is called {head!r}"
        raise MismatchError(f"{path}: a kit of the classifiers {', '.join(names)}: {asked}")
    return loaded.classifiers[head]


def load_one(path: Paths, *, head: str | None = None, mmap: bool = False) -> TextClassifier:
    """Read one classifier, as `load_classifier` does, or from an exported .tflite.

    Several files or a folder are one ensemble, as in `load_model`.
    """
    path, *others = served_files(path, head)
    if others:
        return _ensemble([path, *others], head=head, mmap=mmap)
    if SERVED.kind_of(path, FileFormatError) != "tflite":
        return load_classifier(path, head=head, mmap=mmap)
    loaded = load_litert(path, head)
    if isinstance(loaded, LiteRtKit):
        names = ", ".join(loaded.labels)
        raise MismatchError(f"{path}: a kit of the classifiers {names}: {_NAME_ONE}")
    return loaded


def _ensemble(
    paths: Sequence[str | Path], *, head: str | None = None, mmap: bool = False
) -> Ensemble:
    members = [load_one(path, head=head, mmap=mmap) for path in paths]
    return Ensemble(members, names=[str(path) for path in paths])


def served_files(paths: Paths, head: str | None = None) -> list[str | Path]:
    """Return files; a folder stands for the .embz and .tflite files in it, by their names."""
    files: list[str | Path] = []
    for path in paths_of(paths):
        if not Path(path).is_dir():
            files.append(path)
            continue
        from embzip.embz.shards import manifest_in

        if manifest_in(path) != path:  # a table in shards, which `read` refuses
            files.append(manifest_in(path))
            continue
        found = sorted(each for each in Path(path).iterdir() if each.suffix in _SUFFIXES)
        if not found:
            raise MissingFileError(
                f"{path}: expected a file, found a directory in which no file ends in "
                + " or ".join(_SUFFIXES)
            )
        if len(found) > 1:
            for each in found:
                _check_member(each, head)
        files += found
    if not files:
        raise InputError("a classifier's file is needed, received none")
    return files


def _check_member(path: Path, head: str | None) -> None:
    """Refuse a table, or a kit of which no head is asked, that stands among a folder's files."""
    if SERVED.kind_of(path, FileFormatError) != "embz":
        return
    from embzip.embz.inspecting import inspect_embz

    heads = inspect_embz(path).own["heads"]
    if heads == 1 or (heads and head is not None):
        return
    found = f"a kit of {heads} classifiers" if heads else "only an embedding"
    raise (MismatchError if heads else FileFormatError)(
        f"{path}: expected a classifier, found {found}: a folder stands for every "
        f"{' and '.join(_SUFFIXES)} in it, so move this file elsewhere, or name the classifiers "
        "instead of the folder"
    )


def describe(path: str | Path) -> list[dict[str, Any]]:
    """List the classifiers of a file: name (None without one), shape, bytes, and how trained."""
    loaded = read(path, mmap=True)
    named: dict[str | None, Classifier] = {}
    if isinstance(loaded, Classifier):
        named[None] = loaded
    else:
        named.update(loaded.classifiers.items())
    return [
        {
            "name": name,
            "encoder": each.config.kind,
            "labels": list(each.labels),
            "bytes": to_tensor(each.arrays, each.kernels).nbytes,
            "kernels": each.kernels,
            "options": {k: v for k, v in each.config.to_record().items() if k != "kind"},
            "training": each.training.to_json(),
        }
        for name, each in named.items()
    ]


def _read(
    embedding: "CompressedEmbedding", index: int, tensors: Mapping[str, NDArray[Any]]
) -> tuple[str | None, Classifier]:
    """Return the name of a head and the classifier that its tensors describe."""
    where = f"heads.{index}.config"
    text = tensors["config"].tobytes()
    record = Fields.of(parse_json(text, where), where)
    own = {key: value for key, value in record.values.items() if key not in _RECORD}
    config = encoder_class(record.take("kind", str)).from_record(replace(record, values=own))
    labels = tuple(record.texts("labels"))
    kernels = storage(record.take("kernels", str, "float32")).name
    given = record.fields("ranks", {})
    ranks = {layer: given.whole(layer) for layer in given.values}
    if tensors.keys() != {"arrays", "config"}:
        raise FileFormatError(
            f"the classifier {index} must have 'arrays' and 'config', found {sorted(tensors)}"
        )
    # The tensor stays memory-mapped; a plain view of it is faster to compute with.
    stored = np.asarray(tensors["arrays"])
    arrays = from_tensor(stored, head_shapes(config, len(labels), ranks), kernels)
    name = f"heads.{index}.arrays"
    digests = {"arrays": embedding.digests[name]} if name in embedding.digests else {}
    if kernels != "float32":
        # What is decoded here cannot be verified later, so its digest is checked now.
        known = digests.pop("arrays", None)
        if known is not None and digest(stored.view(np.uint8).data) != known:
            raise FileFormatError(f"tensor {name!r} does not match its digest")
    classifier = Classifier(
        embedding,
        labels,
        config,
        arrays,
        ranks,
        kernels,
        digests,
        TrainingRecord.from_record(record),
    )
    if not embedding.mapped:
        check_weights(arrays)
    return record.take("name", str, "") or None, classifier
