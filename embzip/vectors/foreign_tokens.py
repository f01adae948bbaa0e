"""What the tokens of a foreign table tell of it: the case of its words, the order of its rows."""

import itertools
import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"<.*\w.*>|\[.*\w.*\]|\{.*\w.*\}|__.+__")
_CAPITALS = 0.1  # of the words; tables of cased text have a third or more, others hardly any


def looks_special(token: str) -> bool:
    """Say whether a token looks like the name of a special one, and not like a word.

    >>> list(map(looks_special, ["<UNK>", "[PAD]", "</s>", "__eou__", "[", "sea"]))
    [True, True, True, True, False, False]
    """
    return _SPECIAL.fullmatch(token) is not None


def is_lowercase(tokens: Sequence[str]) -> bool:
    """Say whether a table is of lower-cased text: at most a tenth of its words have a capital.

    Words are the tokens that have letters in two cases, and do not look special.

    >>> is_lowercase(["<UNK>", "the", "sea", "42", "海"]), is_lowercase(["the", "Sea"])
    (True, False)
    """
    words = [token for token in tokens if not looks_special(token)]
    capitals = sum(word != word.lower() for word in words)
    return capitals <= _CAPITALS * sum(word.lower() != word.upper() for word in words)


def is_alphabetical(tokens: Sequence[str]) -> bool:
    """Say whether words stand in the order of a dictionary, which tells nothing of frequency.

    Capitals may count as small letters, and special tokens may stand anywhere.

    >>> is_alphabetical(["</s>", "a", "sea", "ship"]), is_alphabetical(["the", "a", "sea"])
    (True, False)
    """
    words = [token for token in tokens if not looks_special(token)]
    return len(words) > 1 and any(
        all(before <= after for before, after in itertools.pairwise(keys))
        for keys in (words, [word.casefold() for word in words])
    )
