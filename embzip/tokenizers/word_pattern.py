"""What a word of a text is.

A word is a letter, digit or `_` (`\\w`), with all of these and all combining marks that follow it;
U+200C and U+200D belong to it if they stand between them. Any other character but white space is a
token of its own, and so are marks that follow no word, such as an emoji's.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import groupby

_ASCII_WORD = re.compile(r"\w+|[^\w\s]")


def word_pattern(text: str) -> re.Pattern[str]:
    """Return the pattern whose matches are the words of a text; it is simpler for ASCII.

    >>> word_pattern("हिन्दी है!").findall("हिन्दी है!")
    ['हिन्दी', 'है', '!']
    """
    return _ASCII_WORD if text.isascii() else _word()


@cache  # made when it is needed first: going through Unicode takes a while
def _word() -> re.Pattern[str]:
    # The look ahead is for speed: it passes by most characters without looking at the ranges.
    marked = rf"(?=[\u0300-\U000fffff])[{ranges(marks())}]+"
    joined = rf"[\u200c\u200d]+(?=\w|{marked})"
    return re.compile(rf"\w+(?:(?:{marked}|{joined})\w*)*|{marked}|[^\w\s]")


def marks() -> list[int]:
    """Return the code points of all combining marks, of this Python's Unicode, as `\\w` is."""
    # Below are no marks, in planes 2 and 3 are ideographs only.
    codes = (*range(0x300, 0x20000), *range(0xE0000, 0xE1000))
    return [code for code in codes if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]


def ranges(codes: Iterable[int]) -> str:
    """Return what stands in the brackets of a class of characters, whose codes rise.

    >>> ranges(map(ord, "abcx]"[:4])), ranges([9, 10, 45, 93])
    ('a-cx-x', '\\\\x09-\\\\x0a\\\\x2d-\\\\x2d\\\\x5d-\\\\x5d')
    """
    made = ""
    for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        found = [code for _, code in run]
        made += f"{_shown(found[0])}-{_shown(found[-1])}"
    return made


def _shown(code: int) -> str:
    plain = code > 127 or chr(code).isalnum()
    return chr(code) if plain else f"\\x{code:02x}"
