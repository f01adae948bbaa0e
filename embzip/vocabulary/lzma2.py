"""Bytes <-> bytes in raw LZMA2, in bounded memory on both sides; knows nothing of tokens."""

import lzma

from embzip.errors import FileFormatError

# A dictionary of 8 MB bounds the memory of both sides: the preset alone would take 670 MB. One that
# is no larger than the content finds the same, and saves the time in which empty tables are filled.
_DICTIONARY = 1 << 23


def compress(content: bytes) -> bytes:
    """Return bytes in LZMA without a container: digests are kept elsewhere."""
    preset = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}
    filters = [{**preset, "dict_size": _dictionary(len(content))}]
    return lzma.compress(content, lzma.FORMAT_RAW, filters=filters)


def decompress(content: bytes | memoryview, limit: int) -> bytes:
    """Undo `compress`; at most `limit` bytes, so that a small file cannot fill the memory.

    Raises
    ------
    FileFormatError
        For an LZMA stream that is damaged or cut short, or, before anything is allocated, for one
        that expands beyond the limit.
    """
    announced = _announced(content)
    if announced > limit:
        raise FileFormatError(
            f"the compressed vocabulary expands to {announced:,} bytes, and so many tokens take at "
            f"most {limit:,}: far larger than allowed"
        )
    # No larger than what comes out: once 8 MB were returned, the C library keeps as much of what
    # is freed after, and a process that serves a small model would stay that much larger.
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": _dictionary(announced)}]
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    try:
        plain = decompressor.decompress(content, limit)
    except lzma.LZMAError as error:
        raise FileFormatError(f"the compressed vocabulary is damaged: {error}") from error
    if not decompressor.eof:
        raise FileFormatError("the compressed vocabulary is cut short")
    return plain


def _announced(content: bytes | memoryview) -> int:
    """Return the size to which a stream expands, as the headers of its chunks say.

    >>> _announced(compress(b"a" * 5000))
    5000
    """

    def number(at: int) -> int:
        return int.from_bytes(content[at : at + 2], "big") + 1

    at = total = 0
    while at < len(content) and (control := content[at]):
        if control < 0x80:  # as it is
            total += number(at + 1)
            at += 3 + number(at + 1)
        else:
            total += ((control & 0x1F) << 16) + number(at + 1)
            at += 5 + (control >= 0xC0) + number(at + 3)
    return total


def _dictionary(nbytes: int) -> int:
    return min(max(nbytes, 4096), _DICTIONARY)
