"""Our tokenizers as a tokenizer.json of Hugging Face, which gives the same ids.

Words are found by a pattern whose classes of characters are written out, so that the library's own
tables of Unicode do not decide what a letter is. They do decide what is made small, and composed:
a few letters that are younger than Python's tables give other ids. What that form cannot hold is
named, never lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import TokenizerError
from embzip.tokenizers.aliases import AliasedWords
from embzip.tokenizers.base import Normalization, Tokenizer
from embzip.tokenizers.bpe import BpeTokenizer
from embzip.tokenizers.hugging_face import HuggingFaceTokenizer
from embzip.tokenizers.word_pattern import marks, ranges
from embzip.tokenizers.words import WordTokenizer

if TYPE_CHECKING:
    import tokenizers

# Above are ideographs, unassigned characters and those of private use, none of which has a case.
_CASED = (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000))
_LETTERS = (*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xE1000))


@dataclass(frozen=True, eq=False)
class HuggingFaceForm:
    """A tokenizer as Hugging Face's library reads it.

    Attributes
    ----------
    content
        The bytes of tokenizer.json.
    rows
        The row that each of its ids reads, (ids,), which is the id itself but for words that share
        the row of another: these have ids of their own, behind all rows.
    differs
        What it does otherwise than the tokenizer, a phrase each.
    """

    content: bytes
    rows: NDArray[np.int64]
    differs: tuple[str, ...] = ()


def hugging_face_form(tokenizer: Tokenizer) -> HuggingFaceForm:
    """Return the tokenizer.json of a tokenizer of whole words, of byte pairs, or of Hugging Face.

    Raises
    ------
    TokenizerError
        For a tokenizer of another kind.

    Examples
    --------
    >>> import tokenizers
    >>> words = WordTokenizer(["cat", "the"], Normalization())
    >>> theirs = tokenizers.Tokenizer.from_str(hugging_face_form(words).content.decode())
    >>> theirs.encode("The cat sat.").ids, words.encode(["The cat sat."])[0]
    ([3, 2, 1, 1], [3, 2, 1, 1])
    """
    if isinstance(tokenizer, HuggingFaceTokenizer):
        return HuggingFaceForm(tokenizer.content, np.arange(tokenizer.own_rows))
    rows = np.arange(len(tokenizer.vocabulary))
    if isinstance(tokenizer, BpeTokenizer):
        made = tokenizer.model.to_tokenizers()
        return HuggingFaceForm(_content(made, tokenizer.normalization), rows)
    if isinstance(tokenizer, WordTokenizer | AliasedWords):
        aliases = tokenizer.aliases if isinstance(tokenizer, AliasedWords) else {}
        every = [*tokenizer.vocabulary, *aliases]
        rows = np.concatenate([rows, np.fromiter(aliases.values(), np.int64, len(aliases))])
        stems = isinstance(tokenizer, WordTokenizer) and tokenizer.stems
        differs = ("unknown words that embzip reads as a known one of the same stem are unknown",)
        content = _content(_of_words(every), tokenizer.normalization)
        return HuggingFaceForm(content, rows, differs * stems)
    raise TokenizerError(
        f"a tokenizer of the kind {tokenizer.kind!r} has no form as a tokenizer.json of Hugging "
        "Face: those of whole words, of YouTokenToMe and of Hugging Face have one"
    )


def without_padding(content: bytes) -> tuple[bytes, int]:
    """Return a tokenizer.json that neither pads nor cuts texts, and how many tokens it has."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(content.decode())
    made.no_padding()
    made.no_truncation()
    return made.to_str().encode(), made.get_vocab_size()


def _of_words(tokens: list[str]) -> "tokenizers.Tokenizer":
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    by_token = {token: index for index, token in enumerate(tokens)}
    made = Tokenizer(models.WordLevel(by_token, unk_token=tokens[1]))
    # What is left between the matches is removed: white space.
    made.pre_tokenizer = pre_tokenizers.Split(Regex(_words()), "removed", invert=True)
    return made


def _content(made: "tokenizers.Tokenizer", normalization: Normalization) -> bytes:
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    if normalization.unicode != "none":
        steps.append(getattr(normalizers, normalization.unicode)())
    if normalization.lowercase:
        # Python ends a word in another small sigma than it has within; the library does not.
        steps += [normalizers.Replace(Regex(_final_sigma()), "ς"), normalizers.Lowercase()]
        steps += steps[:1] * (normalization.unicode != "none")
    if steps:
        made.normalizer = normalizers.Sequence(steps)
    return made.to_str().encode()


@cache
def _words() -> str:
    """Return the pattern of `word_pattern`, with all classes written out."""
    letters = [code for code in _LETTERS if chr(code).isalnum() or chr(code) == "_"]
    blanks = ranges(code for code in range(0x3001) if chr(code).isspace())
    word, mark = f"[{ranges(letters)}]", f"[{ranges(marks())}]"
    inside = f"[{ranges(sorted({*letters, *marks()}))}]"
    # Where the first two do not match, no letter and no mark stands.
    return rf"{word}(?:{inside}+|[\u200c\u200d]+(?={inside}))*|{mark}+|[^{blanks}]"


@cache
def _final_sigma() -> str:
    """Return the pattern of a capital sigma that `str.lower` makes a final one."""

    def is_cased(code: int) -> bool:
        return (chr(code) + "Σ").lower().endswith("ς")

    def is_passed_by(code: int) -> bool:
        return ("a" + chr(code) + "Σ").lower().endswith("ς") and not is_cased(code)

    cased, passed = _class(filter(is_cased, _CASED)), _class(filter(is_passed_by, _CASED))
    return rf"{cased}{passed}*\KΣ(?!{passed}*{cased})"


def _class(codes: Iterable[int]) -> str:
    return f"[{ranges(codes)}]"
