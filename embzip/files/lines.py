"""Reads the lines of text files: streamed, with UTF-8 checked.

Lines end at LF or CR LF and nowhere else: NEL, U+2028 and NUL are ordinary characters of the text.
A byte-order mark at the start of a file is dropped. Files are opened, and decompressed, in
`streams`. What a line means is not known here.
"""

import os
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from embzip.errors import InputError
from embzip.files.names import is_url
from embzip.files.places import TEXTS
from embzip.files.streams import opened

Errors = Literal["strict", "replace"]

LONGEST = 1 << 28  # bytes of a line; what has none that end is no text


def lines_of(path: str | Path, errors: Errors) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for each line of one file."""
    offset = replaced = 0
    first = ""
    if is_url(path) or (str(path) != "-" and os.path.isfile(path)):
        TEXTS.kind_of(path)
    with opened(path) as file:
        for number, raw in enumerate(iter(partial(file.readline, LONGEST), b""), start=1):
            line = raw
            if number == 1:
                _refuse_utf16(path, line)
                line = line.removeprefix(b"\xef\xbb\xbf")
            if len(raw) == LONGEST and not raw.endswith(b"\n"):
                raise InputError(
                    f"{path}, line {number}, offset {offset}: a text must end within "
                    f"{LONGEST >> 20} MB: break the line"
                )
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                at = offset + len(raw) - len(line) + error.start
                place = f"line {number}, offset {at}"
                if errors == "strict":
                    raise InputError(
                        f"{path}, {place}: expected UTF-8, found byte "
                        f"0x{line[error.start]:02x} ({error.reason}): convert the file, or "
                        "pass --errors replace"
                    ) from error
                text = line.decode("utf-8", "replace")
                # The text itself may contain U+FFFD; ignoring errors leaves only those.
                replaced += text.count("\ufffd")
                replaced -= line.decode("utf-8", "ignore").count("\ufffd")
                first = first or place
            offset += len(raw)
            yield number, text.removesuffix("\n").removesuffix("\r")
    if replaced:
        warnings.warn(
            f"{path}: {replaced} invalid UTF-8 sequences were replaced by U+FFFD, the first in "
            f"{first}",
            stacklevel=3,
        )


def _refuse_utf16(path: str | Path, head: bytes) -> None:
    # UTF-16 without a byte-order mark has NUL in every other byte of Latin text. A NUL elsewhere
    # is allowed.
    even, odd = head[0:200:2], head[1:200:2]
    shares = sorted(side.count(0) / max(1, len(side)) for side in (even, odd))
    alternating = len(head) >= 8 and shares[0] < 0.1 and shares[1] > 0.7
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or alternating:
        raise InputError(
            f"{path}, line 1, offset 0: expected UTF-8, but this looks like UTF-16: "
            "convert it with `iconv -f UTF-16 -t UTF-8`"
        )
