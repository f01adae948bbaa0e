"""Writes a classifier or a kit as source of another language: C99, an ES module, a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embzip.choices import chosen
from embzip.classifier import Classifier
from embzip.embz.meta import meta_of
from embzip.errors import InputError, OutputError
from embzip.files.writing import check_writable_place, write_bytes
from embzip.portable.c_source import c_source
from embzip.portable.javascript import js_source
from embzip.portable.model import Model, PortableModel, portable_model
from embzip.portable.page import page_source

SOURCES = ("javascript", "html", "c")


@dataclass(frozen=True)
class SourceExport:
    """What was written.

    Attributes
    ----------
    path
        The file; of C, the header stands beside it and ends in `.h`.
    nbytes
        Of the file, and of C's header.
    flash_bytes, ram_bytes
        Of C: the constants, and the buffer that a caller gives; else 0.
    """

    path: Path
    nbytes: int
    flash_bytes: int = 0
    ram_bytes: int = 0


def export_source(
    model: Model,
    path: str | Path,
    *,
    to: str = "javascript",
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> SourceExport:
    """Write a classifier or a kit as source, complete with its tokenizer and tables of Unicode.

    Parameters
    ----------
    model
        The encoders are `cnn` and `mean`, the tokenizers words, words with stems, and pieces.
    path
        The file; C's header is written beside it.
    to
        `javascript` (an ES module), `html` (a page with a text field) or `c` (C99).
    title
        Of the page; by default the file's name without its suffix.
    facts
        What else is said of the model, by name, before or instead of what it says itself; see
        `facts_of`.

    Raises
    ------
    SpecError
        For an unknown target.
    InputError
        For a model without a tokenizer, and a name that C cannot include.
    UnsupportedModelError
        For what no source computes; the message names it, and what one does.
    OutputError
        Where a file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from embzip.classifier import Classifier, MeanConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "int8")
    >>> arrays = {"dense.kernel": np.eye(4, 2, -2), "dense.bias": np.zeros(2)}
    >>> classifier = Classifier(table, ("sport", "politics"), MeanConfig(4, 9), arrays)
    >>> made = export_source(classifier, pathlib.Path(tempfile.mkdtemp(), "small.c"), to="c")
    >>> made.path.with_suffix(".h").is_file(), made.ram_bytes
    (True, 144)
    """
    to, path = chosen(to, SOURCES, "target"), Path(path)
    found = portable_model(model)
    given = facts or {}
    told = {**given, **_facts(found, model), **given}
    what = ", ".join(f"{name} {value}" for name, value in told.items())
    if to == "c":
        return _write_c(found, path, what)
    source = js_source(found, path.stem, what, {"facts": list(told.items())})
    if to == "html":
        source = page_source(source, path.stem if title is None else title)
    content = source.encode()
    write_bytes(path, content)
    return SourceExport(path, len(content))


def facts_of(path: str | Path) -> dict[str, str]:
    """Return what a .embz file is to its readers: its size, and what its user wrote into it."""
    return {"size": f"{Path(path).stat().st_size:,} bytes", **meta_of(path)}


def _write_c(model: PortableModel, path: Path, what: str) -> SourceExport:
    if not path.stem.isascii() or not path.stem.isprintable() or set(path.stem) & set('"\\<>'):
        raise InputError(
            f"{path}: C includes its header by name, which must be ASCII without quotes, "
            "backslashes and angle brackets: choose another name"
        )
    header = path.with_suffix(".h")
    if header == path:
        raise OutputError(f"{path}: is the name of the header: end the source's name in .c")
    for target in (path, header):
        check_writable_place(target)
    made = c_source(model, path.stem, what)
    contents = {header: made.header.encode(), path: made.source.encode()}
    for target, content in contents.items():
        write_bytes(target, content)
    nbytes = sum(map(len, contents.values()))
    return SourceExport(path, nbytes, made.flash_bytes, made.buffer_bytes)


def _facts(found: PortableModel, model: Model) -> dict[str, str]:
    """Return what is known of a model, to be read by people."""
    table = model.embedding
    classifiers = [model] if isinstance(model, Classifier) else list(model.classifiers.values())
    facts = {
        "pieces" if found.pieces else "words": f"{table.rows - found.special:,}",
        "labels": f"{sum(len(head.labels) for head in found.heads):,}",
        "table": f"{table.codec.spec}, {table.rows:,} rows of {table.dim}",
    }
    for head, classifier in zip(found.heads, classifiers, strict=True):
        of = f"{head.name}: " if found.kit else ""
        for run in classifier.training.runs[-1:]:
            facts[f"{of}learned from"] = f"{run.training.count:,} texts"
            if run.dev_accuracy is not None:
                by = f"{run.dev.count:,} dev texts, which chose its epoch"
                texts = "the same texts" if run.dev == run.training else by
                facts[f"{of}accuracy"] = f"{run.dev_accuracy:.4f} on {texts}"
    return facts
