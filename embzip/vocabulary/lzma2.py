"""Bytes <-> bytes in raw LZMA2, in bounded memory on both sides; knows nothing of tokens."""

import lzma

from embzip.errors import FileFormatError

# A dictionary of 8 MB bounds the memory of both sides: the preset alone would take 670 MB.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 23}]


def compress(content: bytes) -> bytes:
    """Return bytes in LZMA without a container: digests are kept elsewhere."""
    return lzma.compress(content, lzma.FORMAT_RAW, filters=_FILTERS)


def decompress(content: bytes, limit: int = 1 << 30) -> bytes:
    """Undo `compress`; at most `limit` bytes, so that a small file cannot fill the memory.

    Raises
    ------
    FileFormatError
        For bytes that are no complete LZMA stream, or that expand beyond the limit.
    """
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        plain = decompressor.decompress(content, limit)
    except lzma.LZMAError as error:
        raise FileFormatError(f"the compressed vocabulary is damaged: {error}") from error
    if not decompressor.eof:
        raise FileFormatError("the compressed vocabulary is cut short, or far larger than allowed")
    return plain
