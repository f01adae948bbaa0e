"""Files of embzip: tables, classifiers and tokenizers, small ones of each form."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from embzip.embz.shards import MANIFEST, shard_name
from embzip.errors import InputError
from scripts.fuzz.kind import TEXTS, WORDS, Kind, Wrong
from scripts.fuzz.mutators import edit_json, edit_lines
from scripts.fuzz.resealing import reseal_embz, reseal_model


def read_embz(path: Path) -> Any:
    """Everything that a .embz says, mapped or not, which must be the same."""
    said = [_said(path, mmap=mmap) for mmap in (False, True)]
    if said[0] != said[1]:
        raise Wrong("mapped, it says something else")
    return said[0]


def _said(path: Path, *, mmap: bool) -> list[Any]:
    import embzip

    found = embzip.load(path, mmap=mmap)
    found.verify()
    table = found.decode()
    if not np.isfinite(table).all():
        raise Wrong("a row is not finite")
    said: list[Any] = [found.codec.spec, found.shape, table.tobytes(), found.pad_id, found.unk_id]
    if found.vocabulary is not None:
        said += [list(found.vocabulary), found.vocabulary.special_ids]
    if found.tokenizer is not None:
        said += [found.encode([*TEXTS, "cat ABBA"]), found.tokenizer.normalization]
    if found.counts is not None:
        said.append(found.counts.tolist())
    if embzip.inspect(path).own["heads"]:
        model = embzip.load_model(path, mmap=mmap)
        model.verify()  # type: ignore[union-attr]  # it is no .tflite
        said += [model.labels, answers(model)]
    return said


def answers(model: Any) -> Any:
    """Probabilities and labels of some texts, finite and of the right number."""
    probabilities, labels = model.probabilities(TEXTS), model.labels
    kit = isinstance(probabilities, dict)
    for name, rows in probabilities.items() if kit else [("", probabilities)]:
        known = labels[name] if kit else labels
        if rows.shape != (len(TEXTS), len(known)):
            raise Wrong(f"{rows.shape} probabilities of {len(known)} labels")
        if not np.isfinite(rows).all() or np.abs(rows.sum(axis=1) - 1).max() > 1e-3:
            raise Wrong("probabilities must be finite and have the sum 1")
    rows = {n: a.tobytes() for n, a in probabilities.items()} if kit else probabilities.tobytes()
    return rows, model.predict(TEXTS)


def table_of(tokenizer: Any, spec: str = "int8") -> Any:
    """A small table under a tokenizer."""
    from embzip.compression import compress
    from embzip.vectors.base import Vectors

    rows = len(tokenizer.vocabulary)
    matrix = np.random.default_rng(0).normal(size=(rows, 6)).astype(np.float32)
    return compress(Vectors(tokenizer.vocabulary, matrix, np.arange(rows), tokenizer), spec)


def words_tokenizer() -> Any:
    """A tokenizer of nine words."""
    from embzip.tokenizers import Normalization, WordTokenizer

    return WordTokenizer(WORDS, Normalization(), range(len(WORDS) + 2))


def bpe_tokenizer() -> Any:
    """A tokenizer of a few pieces, with embzip's record."""
    from embzip.tokenizers import BpeTokenizer, Normalization, YttmModel
    from embzip.tokenizers.yttm_model import with_record

    letters = "▁ablenoipstcyz"
    lines = [f"{ord(letter)} {4 + index}" for index, letter in enumerate(letters)]
    first = 4 + len(letters)
    merges = [f"5 6 {first}", f"{first} 7 {first + 1}", f"{first + 1} 8 {first + 2}"]
    head = f"{len(lines)} {len(merges)}"
    content = "\n".join([head, *lines, *merges, "1 0 2 3\n"]).encode()
    model = YttmModel.parse(content, "sample")
    record = Normalization().to_json()
    return BpeTokenizer(model, Normalization(), with_record(content, record))


def classifier_of(table: Any, *, kind: str = "cnn", kernels: str = "float32") -> Any:
    """A small classifier with random weights."""
    from embzip.classifier import Classifier, encoder_class, head_shapes

    shapes: dict[str, dict[str, Any]] = {
        "cnn": {"filters": 4, "windows": (1, 2)},
        "mean": {},
        "attention": {"width": 6, "heads": 2, "layers": 1, "hidden": 5},
        "fnet": {"width": 5, "layers": 1, "hidden": 6},
    }
    config = encoder_class(kind).of(table.dim, 9, shapes[kind])
    rng = np.random.default_rng(1)
    arrays = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in head_shapes(config, 2).items()
    }
    return Classifier(
        table, ("sport", "politics"), config, arrays, kernels=kernels, training=_trained()
    )


def _trained() -> Any:
    """What a file says of a run with every option."""
    from embzip.classifier.schedules import PolynomialSchedule
    from embzip.classifier.text_digests import TextDigest
    from embzip.classifier.training_record import TrainingRecord, TrainingRun

    run = TrainingRun(
        kind="train",
        training=TextDigest.of(["a", "b"]),
        dev=TextDigest.of(["c"]),
        held_out=True,
        epochs=9,
        best_epoch=3,
        batch_size=2,
        learning_rate=1e-3,
        optimizer="adam",
        seed=5,
        patience=2,
        trainable=True,
        pruning=PolynomialSchedule(0.75, end=12),
    )
    return TrainingRecord((run,)).widest("tune")


def _save(name: str, made: Callable[[], Any], **options: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from embzip.embz.format import save

        save(made(), folder / name, **options)

    return make


def _packed_table() -> Any:
    from embzip.compression import compress

    matrix = np.random.default_rng(0).normal(size=(600, 4)).round().astype(np.float32)
    return compress(matrix, "int8:scale=none")


def _kit() -> Any:
    from embzip.classifier import Kit

    table = table_of(words_tokenizer())
    forms = {"cnn": "int4", "mean": "int2", "attention": "float32", "fnet": "float16"}
    return Kit.of({k: classifier_of(table, kind=k, kernels=form) for k, form in forms.items()})


def _aliases() -> Any:
    from embzip.tokenizers import AliasedWords

    return table_of(AliasedWords(words_tokenizer(), {"cat": 6, "dog": 9}))


def _foreign() -> Any:
    from embzip.compression import compress
    from embzip.vectors.base import Vectors
    from embzip.vocabulary import Vocabulary

    rows = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    return compress(Vectors(Vocabulary(WORDS, pad_id=0, unk_id=1), rows), "kmeans:4")


def _tokenizer(path: Path) -> Any:
    from embzip.tokenizers import load_tokenizer

    found = load_tokenizer(path)
    return list(found.vocabulary), found.encode(TEXTS), found.normalization


def _recorded_model(path: Path) -> Any:
    """A model that embzip wrote; one that lost its record is a bare one, and a warning says so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = _tokenizer(path)
    if any("records no normalization" in str(warning.message) for warning in caught):
        raise InputError(f"{path}: a warning says that it is a bare model")
    return found


def _own_youtokentome(path: Path) -> Any:
    import youtokentome

    model = youtokentome.BPE(model=str(path), n_threads=1)
    # Without a record, texts are encoded as they are.
    return model.vocab(), model.encode(TEXTS)


def _bare_model(path: Path) -> Any:
    vocabulary, encoded, _ = _tokenizer(path)
    return vocabulary, encoded


def embz_kinds() -> tuple[Kind, ...]:
    """Return these kinds."""

    def embz(name: str, made: Callable[[], Any], **options: Any) -> Kind:
        make = _save("a.embz", made, **options)
        return Kind(name, make, "a.embz", read_embz, digests=True, reseal=reseal_embz)

    def model(folder: Path) -> None:
        bpe_tokenizer().save(folder / "bpe.model")

    def bare(folder: Path) -> None:
        (folder / "bpe.model").write_bytes(bpe_tokenizer().model.to_bytes())

    def words(folder: Path) -> None:
        words_tokenizer().save(folder / "words.tsv")

    lines = (edit_lines,)
    return (
        embz("embz-words", lambda: table_of(words_tokenizer(), "svd:3|int8"), counts=True),
        embz("embz-aliases", _aliases),
        embz("embz-bpe", lambda: table_of(bpe_tokenizer())),
        embz("embz-foreign", _foreign),
        embz("embz-packed", _packed_table, pack=True),
        embz("embz-classifier", lambda: classifier_of(table_of(words_tokenizer()), kernels="int8")),
        embz("embz-kit", _kit),
        embz("embz-packed-kit", _kit, pack=True),
        Kind(
            "embz-shards", _save("table", lambda: table_of(words_tokenizer()), shards=2), "table",
            read_embz, digests=True, reseal=reseal_embz,
            files=tuple(f"table/{name}" for name in (MANIFEST, shard_name(0, 2), shard_name(1, 2))),
        ),
        Kind("words", words, "words.tsv", _tokenizer, mutators=(edit_lines, edit_json)),
        Kind(
            "bpe", model, "bpe.model", _recorded_model, digests=True, mutators=lines,
            reseal=reseal_model,
        ),
        Kind("bpe-bare", bare, "bpe.model", _bare_model, own=_own_youtokentome, mutators=lines),
    )  # fmt: skip
