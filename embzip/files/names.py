"""What the name of a file says: whether it is a path or a URL, and what the file is called.

URLs are those of fsspec; `file://` is only another way to write a path. No file is opened.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote

_URL = re.compile(r"(?:[a-z][\w.+-]*::)*[a-z][\w.+-]+://", re.I)
_LOCAL = re.compile(r"(?:file|local)://(?:localhost(?=/))?", re.I)


def is_url(name: str | Path) -> bool:
    """Say whether a name is that of a file elsewhere.

    >>> is_url("s3://bucket/corpus.txt"), is_url("file:///tmp/corpus.txt"), is_url("corpus.txt")
    (True, False, False)
    """
    return isinstance(name, str) and bool(_URL.match(name)) and not _LOCAL.match(name)


def located(name: str) -> str | Path:
    """Return what a user typed as a path, or as a URL, of which a path would drop slashes.

    >>> located("s3://bucket//corpus.txt"), located("file:///tmp/a%20b.txt")
    ('s3://bucket//corpus.txt', PosixPath('/tmp/a b.txt'))
    """
    return name if is_url(name) else Path(local_name(name))


def base_name(name: str | Path) -> str:
    """Return what a file is called, without its folder; of a URL, without its query either.

    >>> base_name("https://host/news.csv?key=a/b.c"), base_name("zip://a.txt::s3://b/c.zip")
    ('news.csv', 'a.txt')
    """
    if not is_url(name):
        return Path(name).name
    first = next(part for part in str(name).split("::") if "://" in part)
    protocol, _, place = first.partition("://")
    return Path(re.split("[?#]", place)[0] if protocol.lower().startswith("http") else place).name


def local_name(name: str) -> str:
    """Return a name without `file://`, after which blanks and others may be written as `%20`."""
    path = _LOCAL.sub("", name, count=1)
    return path if path == name or os.path.lexists(path) else unquote(path)
