"""Lists of tokens <-> compact bytes: front coding in one stream, then LZMA.

A file holds one leading byte 02, the CRC-32 of what follows, and an LZMA2 stream. Expanded, a
token is a number and a text. The number says what it keeps of the token before: 0 nothing, n all
but the last n - 1 bytes. It is written as bytes below 20 (hexadecimal), 1F for each whole 31 and
the rest, so that it also ends the text before. The text is the UTF-8 that follows; a control
character in it is FF and the character + 40.

Numbers counted from the end of the token before, among the letters they belong to, tell LZMA more
than streams of their own: `scripts/bench_vocabulary.py` has the figures. Files of earlier versions
hold the streams apart and are read too.
"""

import re
import zlib
from collections.abc import Sequence

import numpy as np

from embzip.errors import FileFormatError, InputError
from embzip.vocabulary.lzma2 import compress, decompress

# No stream of the earlier coding begins so: the first chunk of LZMA2 resets the dictionary
# (01, E0 and above) or ends the stream (00).
_ONE_STREAM = b"\x02"
_BASE = 31
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPED = re.compile(rb"\xff([\x40-\x5f])")
_TOKEN = re.compile(rb"(\x1f*[\x00-\x1e])([^\x00-\x1f]*)")
_BEGINNING = re.compile(rb"[\x00-\x1f]|\Z")
_ENDLESS = re.compile(rb"\x1f(?![\x00-\x1f])")
_NO_LAST_DIGIT = bytes(range(_BASE, 256))
# Front coding lets a few bytes stand for many: what is read and what it expands to are bounded.
_LIMIT = 1 << 26
_TOTAL_LIMIT = 1 << 28


def encode_tokens(tokens: Sequence[str]) -> bytes:
    """Return tokens as compact bytes; any order round-trips, sorted tokens become smallest.

    Raises
    ------
    InputError
        For tokens of more than 256 MB in UTF-8, or 64 MB in front coding.

    Examples
    --------
    >>> decode_tokens(encode_tokens(["able", "ably", "zoo"]), 3)
    ['able', 'ably', 'zoo']
    """
    plain = bytearray()
    before = b""
    total = 0
    for token in tokens:
        coded = token.encode("utf-8", "surrogatepass")
        total += len(coded)
        same = 0
        bound = min(len(before), len(coded))
        while same < bound and before[same] == coded[same]:
            same += 1
        number = len(before) - same + 1
        # A long number costs more than a short beginning saves.
        if number > _BASE * same:
            number = same = 0
        plain += b"\x1f" * (number // _BASE)
        plain.append(number % _BASE)
        plain += _CONTROL.sub(lambda found: bytes((0xFF, found[0][0] | 0x40)), coded[same:])
        before = coded
    if total > _TOTAL_LIMIT or len(plain) > _LIMIT:
        raise InputError(
            f"a vocabulary holds at most {_TOTAL_LIMIT >> 20} MB of tokens, {_LIMIT >> 20} MB in "
            f"front coding, received {total:,} bytes ({len(plain):,}): prune it first"
        )
    packed = compress(bytes(plain))
    return _ONE_STREAM + zlib.crc32(packed).to_bytes(4, "little") + packed


def decode_tokens(content: bytes, rows: int) -> list[str]:
    """Return the `rows` tokens that `encode_tokens` made bytes of, in this version or before.

    Raises
    ------
    FileFormatError
        Where the bytes do not hold exactly that many tokens, or are damaged.
    """
    if not content.startswith(_ONE_STREAM):
        return _decode_three_streams(decompress(content, _LIMIT), rows)
    packed = content[5:]
    if zlib.crc32(packed).to_bytes(4, "little") != content[1:5]:
        raise FileFormatError("the compressed vocabulary does not match its CRC-32: it was changed")
    plain = decompress(packed, _LIMIT)
    # One byte below 1F ends each number: tokens are counted before anything is built.
    found = len(plain.translate(None, _NO_LAST_DIGIT))
    if found != rows:
        raise FileFormatError(f"the vocabulary holds {found} tokens, {rows} were expected")
    return _texts(_decode_one_stream(plain))


def _decode_one_stream(plain: bytes) -> list[bytes]:
    # A number that no byte below 1F ends belongs to no token, nor does text before the first.
    if not _BEGINNING.match(plain) or _ENDLESS.search(plain):
        raise FileFormatError("the vocabulary does not begin or end with a whole token")
    escapes = b"\xff" in plain
    encoded: list[bytes] = []
    before = b""
    total = 0
    for digits, text in _TOKEN.findall(plain):
        number = digits[-1]
        if len(digits) > 1:
            number += _BASE * (len(digits) - 1)
        if escapes:
            text = _ESCAPED.sub(lambda found: bytes((found[1][0] & 0x1F,)), text)
        if number > len(before):
            raise FileFormatError(
                f"token {len(encoded)} of the vocabulary drops {number - 1} of the "
                f"{len(before)} bytes before it"
            )
        before = before[: len(before) + 1 - number] + text if number else text
        total += len(before)
        if total > _TOTAL_LIMIT:
            raise FileFormatError(f"the vocabulary holds more than {_TOTAL_LIMIT >> 20} MB")
        encoded.append(before)
    return encoded


def _decode_three_streams(plain: bytes, rows: int) -> list[str]:
    """Read the earlier coding: lengths kept, four planes of text lengths, texts."""
    kept = np.frombuffer(plain, np.uint8, min(rows, len(plain)))
    planes = np.frombuffer(plain, np.uint8, min(4 * rows, len(plain) - len(kept)), len(kept))
    if len(planes) != 4 * rows:
        raise FileFormatError(f"the vocabulary is cut short: {rows} tokens were expected")
    lengths = np.ascontiguousarray(planes.reshape(4, rows).T).view("<u4").ravel()
    at = 5 * rows
    if at + int(lengths.sum(dtype=np.int64)) != len(plain):
        raise FileFormatError("the vocabulary's lengths do not add up to its size")
    encoded: list[bytes] = []
    before = b""
    total = 0
    for same, length in zip(kept.tolist(), lengths.tolist(), strict=True):
        before = before[:same] + plain[at : at + length]
        at += length
        total += len(before)
        if total > _TOTAL_LIMIT:
            raise FileFormatError(f"the vocabulary holds more than {_TOTAL_LIMIT >> 20} MB")
        encoded.append(before)
    return _texts(encoded)


def _texts(encoded: Sequence[bytes]) -> list[str]:
    try:
        return [token.decode() for token in encoded]
    except UnicodeDecodeError:
        pass  # lone surrogates, which take longer, or no UTF-8
    tokens: list[str] = []
    try:
        for token in encoded:
            tokens.append(token.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        raise FileFormatError(f"token {len(tokens)} of the vocabulary is not UTF-8") from error
    return tokens
