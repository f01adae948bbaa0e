"""Vectors, texts, compressed texts, reports, recipes, outlines and cached steps."""

import bz2
import codecs
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fuzz.embz_files import words_tokenizer
from scripts.fuzz.kind import WORDS, Kind
from scripts.fuzz.mutators import edit_json, edit_lines

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


def _rows(path: Path, **options: Any) -> Any:
    from embzip.vectors.base import read_vectors

    found = read_vectors(path, **options)
    return list(found.vocabulary), found.matrix.astype("<f4").tobytes(), found.matrix.shape


def _own_gensim(path: Path, **options: Any) -> Any:
    from gensim.models import KeyedVectors

    found = KeyedVectors.load_word2vec_format(str(path), datatype=np.float32, **options)
    tokens = list(found.index_to_key)
    if path.read_bytes().startswith(codecs.BOM_UTF8):  # embzip drops it, and says so
        tokens[0] = tokens[0].removeprefix("\ufeff")
    return tokens, found.vectors.astype("<f4").tobytes(), found.vectors.shape


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
        "accuracy": 0.8, "macro_f1": 0.7, "log_loss": 0.5, "calibration_error": 0.03,
        "unknown_rate": 0.1, "difference": -0.01,
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


def _zstd(content: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def _unzstd(content: bytes) -> bytes:
    import zstandard

    reader = zstandard.ZstdDecompressor().decompressobj()
    plain = reader.decompress(content)
    if not reader.eof:
        raise ValueError("it is cut short")
    return plain


def _lines(path: Path) -> Any:
    from embzip.corpus import read_texts

    return list(read_texts(path))


def _compressed(name: str, write: Callable[[bytes], bytes], read: Callable[[bytes], bytes]) -> Kind:
    def make(folder: Path) -> None:
        (folder / "texts").write_bytes(write("\n".join(WORDS * 20).encode() + b"\n"))

    def own(path: Path) -> Any:
        text = read(path.read_bytes()).decode()
        return text.removesuffix("\n").split("\n") if text else []

    return Kind(name, make, "texts", _lines, own=own, share=0.3)


def text_kinds() -> tuple[Kind, ...]:
    """Return these kinds."""
    lines, json_text = (edit_lines,), (edit_json,)
    return (
        Kind("word2vec-text", _vectors, "v.vec", _rows, own=_own_gensim, mutators=lines),
        Kind(
            "word2vec-binary", _vectors, "v.bin", _rows,
            own=lambda path: _own_gensim(path, binary=True),
        ),
        Kind(
            "glove", _vectors, "glove.txt", _rows, mutators=lines,
            own=lambda path: _own_gensim(path, no_header=True),
        ),
        Kind(
            "npy", _vectors, "v.npy", lambda path: _rows(path, words=path.with_name("words.txt")),
            own=_own_npy,
        ),
        Kind("texts", _write_texts, "train.tsv", _examples, mutators=lines),
        _compressed("texts-gzip", gzip.compress, gzip.decompress),
        _compressed("texts-bzip2", bz2.compress, bz2.decompress),
        _compressed("texts-xz", lzma.compress, lzma.decompress),
        _compressed("texts-zstd", _zstd, _unzstd),
        Kind("report", _write_report, "report.json", _report, mutators=json_text),
        Kind("report-page", _write_report, "report.json", _page, mutators=json_text, share=0.1),
        Kind("recipe", _write_recipe, "recipe.toml", _recipe, mutators=lines),
        Kind("outline", _write_outline, "like.toml", _outline, mutators=lines),
        Kind(
            "step", _write_step, ".", _step, files=_step_files(), digests=True,
            mutators=json_text, share=0.2,
        ),
    )  # fmt: skip
