"""Debian package descriptions, labelled with their section, from apt's package lists.

Source: `apt-cache dumpavail` on a Debian machine after `apt-get update`. Descriptions carry the
licence of the source package they stand in, mostly free ones (/usr/share/doc/PACKAGE/copyright);
this module copies none. What it writes depends on the release and its mirror's state, so there is
no fixed sha256: the one of the list that was read is printed.

A text is a description's first line, together with the lines below it where apt has them. Packages
are split by a fixed hash of their SOURCE package, so that sister packages, whose descriptions are
nearly the same, never stand on both sides. Sections that name a form instead of a topic (libs,
doc, ...) and sections with few packages are left out; so are repeated texts.

    python corpora/debian.py DIR     writes DIR/train.tsv, DIR/dev.tsv, DIR/test.tsv
"""

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from embzip.errors import EmbzipError, InputError, MissingPackageError
from embzip.files.writing import write_bytes

SIDES = ("test", "dev", "train")
FORMS = frozenset(
    (
        *("debug", "devel", "doc", "embedded", "introspection", "libdevel", "libs"),
        *("localization", "metapackages", "misc", "oldlibs", "otherosfs", "tasks"),
        *("translations", "utils"),
    )
)


def build(directory: str | Path, *, smallest_section: int = 200) -> dict[str, Path]:
    """Write the three splits and return their paths by name.

    Parameters
    ----------
    directory
        Where `train.tsv`, `dev.tsv` and `test.tsv` go; made where it is missing.
    smallest_section
        Sections with fewer texts are left out.

    Raises
    ------
    MissingPackageError
        Where there is no apt-cache.
    InputError
        Where apt knows no packages.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    rows = list(texts(_dump().splitlines()))
    sizes = Counter(section for section, _, _ in rows)
    lines: dict[str, list[str]] = {side: [] for side in SIDES}
    for section, origin, text in rows:
        if sizes[section] >= smallest_section:
            lines[side_of(origin)].append(f"{section}\t{text}\n")
    if not lines["train"]:
        raise InputError("apt knows no packages: run `apt-get update` first")
    paths = {side: directory / f"{side}.tsv" for side in SIDES}
    for side, path in paths.items():
        write_bytes(path, "".join(lines[side]).encode())
    return paths


def texts(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (section, source package, text) of the records of a package list.

    >>> list(texts(["Package: joe", "Section: editors", "Description: an editor", " for you", ""]))
    [('editors', 'joe', 'an editor for you')]
    """
    seen: set[str] = set()
    for record in _records(lines):
        # 'Source: name (version)' is left out where it equals the package's name.
        origin = (record.get("Source") or record["Package"]).split()[0]
        section = record.get("Section", "").rpartition("/")[2]
        text = " ".join(word for word in record.get("Description", "").split() if word != ".")
        if section and section not in FORMS and text and text not in seen:
            seen.add(text)
            yield section, origin, text


def side_of(origin: str) -> str:
    """Return `train` (8 of 10 source packages), `dev` (1 of 10) or `test` (1 of 10).

    >>> side_of("bash")
    'train'
    """
    bucket = hashlib.sha256(origin.encode()).digest()[0] * 10 // 256
    return SIDES[min(bucket, 2)]


def _records(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield the fields of every record; a line that starts with a blank continues a field."""
    record: dict[str, str] = {}
    field = ""
    for line in [*lines, ""]:
        if not line.strip():
            if "Package" in record:
                yield record
            record, field = {}, ""
        elif line[0].isspace():
            record[field] = f"{record.get(field, '')} {line.strip()}"
        else:
            field, _, value = line.partition(":")
            if field.startswith("Description-") and field != "Description-md5":
                field = "Description"  # Description-en, where apt merged a translation
            record[field] = value.strip()


def _dump() -> str:
    try:
        done = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True)
    except FileNotFoundError as error:
        raise MissingPackageError(
            "the Debian corpus needs apt-cache, which is on Debian and its derivatives: "
            "run `apt-get install apt`"
        ) from error
    except subprocess.CalledProcessError as error:
        raise InputError(f"apt-cache dumpavail failed: {error.stderr.decode().strip()}") from error
    print(f"sha256 {hashlib.sha256(done.stdout).hexdigest()}", file=sys.stderr)
    return done.stdout.decode("utf-8", "replace")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python corpora/debian.py DIR")
    try:
        for name, written in build(sys.argv[1]).items():
            print(f"{name}\t{written}")
    except EmbzipError as error:
        sys.exit(str(error))
