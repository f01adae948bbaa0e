"""What is damaged: a small file of each kind, how embzip reads it, and how its own library does.

A reader returns plain values that can be compared, and raises `Wrong` for values that no file may
give, such as a probability that is no number. Files of TensorFlow are in `fuzz_frameworks`, and
what puts right digests on damage in `fuzz_reseal`.
"""

import json
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fuzz_mutators import PLAIN, Mutator, edit_json, edit_lines
from scripts.fuzz_reseal import reseal_embz, reseal_model

Reader = Callable[[Path], Any]
WORDS = ["able", "ably", "about", "café", "lion", "people", "say", "tiger", "zoo"]
TEXTS = ["able lion zoo", "", "people say café"]
RECIPE = """seed = 0
[corpus]
train = "train.tsv"
test = "train.tsv"
[defaults]
vectors = "word2vec:8,epochs=1"
classifier = "cnn:4,windows=1-2,max_length=9"
[[candidate]]
name = "words"
tokenizer = "words:min_count=1"
codec = "float32"
[[candidate]]
name = "bpe"
tokenizer = "bpe:60"
codec = "svd:4|int8"
tune = true
[choice]
drop = 0.01
[report]
controls = false
"""


class Wrong(Exception):
    """A value that no file may give."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    name
        As `--kinds` takes it.
    make
        Writes the sample into an empty folder.
    entry
        What is read, within that folder.
    read
        How embzip reads it.
    files
        What is damaged, where that is not the entry.
    digests
        Whether the file has digests: it is refused, or reads as it was written.
    own
        How its own library reads it; where there is none, any values will do.
    same
        Says whether what embzip read is what its own library reads.
    mutators
        What damages it, beside those of all kinds.
    reseal
        Damages it and makes its digests right again.
    share
        How many of the mutants it gets, 1 for most: some readers take longer.
    """

    name: str
    make: Callable[[Path], None]
    entry: str
    read: Reader
    files: tuple[str, ...] = ()
    digests: bool = False
    own: Reader | None = None
    same: Callable[[Any, Any], bool] = operator.eq
    mutators: tuple[Mutator, ...] = field(default=())
    reseal: Mutator | None = None
    share: float = 1.0

    @property
    def damaged(self) -> tuple[str, ...]:
        """The files that are damaged, within the folder."""
        return self.files or (self.entry,)

    @property
    def every(self) -> tuple[Mutator, ...]:
        """Everything that damages it; what knows its form as often as what does not."""
        often = max(1, len(PLAIN) // max(1, len(self.mutators)))
        return PLAIN + self.mutators * often


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
    return Classifier(table, ("sport", "politics"), config, arrays, kernels=kernels)


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
    kinds = ("cnn", "mean", "attention", "fnet")
    return Kit.of({kind: classifier_of(table, kind=kind) for kind in kinds})


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


def _own_youtokentome(path: Path) -> Any:
    import youtokentome

    model = youtokentome.BPE(model=str(path), n_threads=1)
    # Without a record, texts are encoded as they are.
    return model.vocab(), model.encode(TEXTS)


def _bare_model(path: Path) -> Any:
    vocabulary, encoded, _ = _tokenizer(path)
    return vocabulary, encoded


def _rows(path: Path, **options: Any) -> Any:
    from embzip.vectors.base import read_vectors

    found = read_vectors(path, **options)
    return list(found.vocabulary), found.matrix.astype("<f4").tobytes(), found.matrix.shape


def _own_gensim(path: Path, **options: Any) -> Any:
    from gensim.models import KeyedVectors

    found = KeyedVectors.load_word2vec_format(str(path), datatype=np.float32, **options)
    return list(found.index_to_key), found.vectors.astype("<f4").tobytes(), found.vectors.shape


def _own_npy(path: Path) -> Any:
    matrix = np.load(path, allow_pickle=False)
    words = path.with_name("words.txt").read_text().split()
    return words, matrix.astype("<f4").tobytes(), matrix.shape


def _vectors(folder: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    rows = list(zip(WORDS, matrix, strict=True))
    lines = [f"{word} {' '.join(map(repr, row.tolist()))}\n" for word, row in rows]
    binary = b"".join(word.encode() + b" " + row.tobytes() + b"\n" for word, row in rows)
    (folder / "v.vec").write_text("9 4\n" + "".join(lines))
    (folder / "glove.txt").write_text("".join(lines))
    (folder / "v.bin").write_bytes(b"9 4\n" + binary)
    np.save(folder / "v.npy", matrix)
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")


def _report(path: Path) -> Any:
    from embzip.report.files import read_record
    from embzip.report.markdown import to_markdown
    from embzip.report.terminal import render_terminal

    record = read_record(path)
    render_terminal(record)
    return to_markdown(record)


def _page(path: Path) -> Any:
    from embzip.report.files import read_record
    from embzip.report.html import to_html

    return to_html(read_record(path))


def _write_report(folder: Path) -> None:
    from embzip.report.record import environment

    figures = {
        "tokenizer": "words", "codec": "int8", "rows": 9, "dim": 4, "compression_ratio": 3.0,
        "accuracy": 0.8, "macro_f1": 0.7, "unknown_rate": 0.1, "difference": -0.01,
        "difference_ci95": [-0.02, 0.01], "mcnemar_p": 0.3, "latency_ms": {"p50": 1.0, "p99": 2.0},
        "bytes": {"vocabulary": 9, "embedding": 70, "classifier": 20, "header": 1, "total": 100},
        "epoch_seconds": 2.5, "agreement": 0.9, "kl": 0.01, "snr_db": 20.0, "notes": ["a note"],
    }  # fmt: skip
    record = {
        "baseline": "words",
        "candidates": [{"name": "words", **figures}, {"name": "small", **figures, "chosen": True}],
        "controls": [{"name": "words, again", **figures}],
        "corpus": {"name": "bbc", "train_rows": 100},
        "environment": environment(),
        "choice": "the smallest",
        "seed": 0,
    }
    (folder / "report.json").write_text(json.dumps(record, indent=1))


def _recipe(path: Path) -> Any:
    from embzip.pipeline.plan import make_plan
    from embzip.pipeline.recipe import read_recipe

    return [step.key for _, step in make_plan(read_recipe(path)).steps()]


def _write_recipe(folder: Path) -> None:
    (folder / "recipe.toml").write_text(RECIPE)
    _write_texts(folder)


def _write_texts(folder: Path) -> None:
    labels = ("politics", "sport", "sport")
    lines = [f"{labels[n % 3]}\t{' '.join(WORDS[n % 9 :])} {n}" for n in range(30)]
    (folder / "train.tsv").write_text("\n".join(lines) + "\n")


def _examples(path: Path) -> Any:
    from embzip.corpus import read_examples

    return [(each.label, each.text) for each in read_examples(path)]


def _step(path: Path) -> Any:
    from embzip.pipeline.steps import Step, Steps, write_json

    def make(folder: Path, parents: Any, progress: Any) -> None:
        write_json(folder / "out.json", {"accuracy": 0.25, "labels": ["a", "b"]})

    return Steps(path).record(Step("measure", {"seed": 1}, (), make), "out.json")


def _write_step(folder: Path) -> None:
    _step(folder)


def _write_outline(folder: Path) -> None:
    words_tokenizer().save(folder / "words.tsv")
    (folder / "like.toml").write_text(
        'tokenizer = "words.tsv"\nlabels = ["one", "two"]\nclassifier = "cnn:5,windows=1-2"\n'
        'max_length = 9\ndim = 6\n[variables]\n"conv.0.kernel" = "first/kernel"\n'
    )


def _outline(path: Path) -> Any:
    from embzip.classifier.outlines import read_outline

    return repr(read_outline(path).classifier)


def _step_files() -> tuple[str, ...]:
    from embzip.pipeline.steps import Step

    folder = f"steps/measure-{Step('measure', {'seed': 1}, (), lambda *_: None).key}"
    return f"{folder}/step.json", f"{folder}/out.json"


def kinds() -> tuple[Kind, ...]:
    """Return every kind, those of frameworks last."""
    from scripts.fuzz_frameworks import frameworks

    def embz(name: str, made: Callable[[], Any], **options: Any) -> Kind:
        make = _save("a.embz", made, **options)
        return Kind(name, make, "a.embz", read_embz, digests=True, reseal=reseal_embz)

    def model(folder: Path) -> None:
        bpe_tokenizer().save(folder / "bpe.model")

    def bare(folder: Path) -> None:
        (folder / "bpe.model").write_bytes(bpe_tokenizer().model.to_bytes())

    def words(folder: Path) -> None:
        words_tokenizer().save(folder / "words.tsv")

    text, json_text = (edit_lines,), (edit_json,)
    return (
        embz("embz-words", lambda: table_of(words_tokenizer(), "svd:3|int8"), counts=True),
        embz("embz-aliases", _aliases),
        embz("embz-bpe", lambda: table_of(bpe_tokenizer())),
        embz("embz-foreign", _foreign),
        embz("embz-packed", _packed_table, pack=True),
        embz("embz-classifier", lambda: classifier_of(table_of(words_tokenizer()), kernels="int8")),
        embz("embz-kit", _kit),
        embz("embz-packed-kit", _kit, pack=True),
        Kind("words", words, "words.tsv", _tokenizer, mutators=(*text, edit_json)),
        Kind(
            "bpe", model, "bpe.model", _tokenizer, digests=True, mutators=text, reseal=reseal_model
        ),
        Kind("bpe-bare", bare, "bpe.model", _bare_model, own=_own_youtokentome, mutators=text),
        Kind("word2vec-text", _vectors, "v.vec", _rows, own=_own_gensim, mutators=text),
        Kind(
            "word2vec-binary", _vectors, "v.bin", _rows,
            own=lambda path: _own_gensim(path, binary=True),
        ),
        Kind(
            "glove", _vectors, "glove.txt", _rows, mutators=text,
            own=lambda path: _own_gensim(path, no_header=True),
        ),
        Kind(
            "npy", _vectors, "v.npy", lambda path: _rows(path, words=path.with_name("words.txt")),
            own=_own_npy,
        ),
        Kind("report", _write_report, "report.json", _report, mutators=json_text),
        Kind("report-page", _write_report, "report.json", _page, mutators=json_text, share=0.1),
        Kind("recipe", _write_recipe, "recipe.toml", _recipe, mutators=text),
        Kind("outline", _write_outline, "like.toml", _outline, mutators=text),
        Kind("texts", _write_texts, "train.tsv", _examples, mutators=text),
        Kind(
            "step", _write_step, ".", _step, files=_step_files(), digests=True,
            mutators=(edit_json,),
        ),
        *frameworks(),
    )  # fmt: skip


def quiet() -> None:
    """Let no warning of a damaged file reach the log: only what is raised counts."""
    warnings.simplefilter("ignore")
