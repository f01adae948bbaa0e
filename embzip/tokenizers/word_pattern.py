"""What a word of a text is.

A word is a letter, digit or `_` (`\\w`), with all of these and all combining marks that follow it;
U+200C and U+200D belong to it if they stand between them. Any other character but white space is a
token of its own, and so are marks that follow no word, such as an emoji's.
"""

import re
import unicodedata
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
    # Below are no marks, in planes 2 and 3 are ideographs only. Categories are those of this
    # Python, as those of `\w` are.
    codes = (*range(0x300, 0x20000), *range(0xE0000, 0xE1000))
    marks = [code for code in codes if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]
    ranges = ""
    for _, run in groupby(enumerate(marks), lambda pair: pair[1] - pair[0]):
        found = [code for _, code in run]
        ranges += f"{chr(found[0])}-{chr(found[-1])}"
    # The look ahead is for speed: it passes by most characters without looking at the ranges.
    marked = rf"(?=[\u0300-\U000fffff])[{ranges}]+"
    joined = rf"[\u200c\u200d]+(?=\w|{marked})"
    return re.compile(rf"\w+(?:(?:{marked}|{joined})\w*)*|{marked}|[^\w\s]")
