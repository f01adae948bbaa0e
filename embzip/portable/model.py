"""A classifier or a kit as neutral arrays, from which sources of any language are written.

What is not supported is refused here, by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from embzip.classifier import Classifier, Kit
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, UnsupportedModelError
from embzip.portable.heads import PortableHead, portable_head
from embzip.portable.tables import PortableTable, portable_table
from embzip.portable.unicode_tables import UnicodeTables, unicode_tables
from embzip.tokenizers import BpeTokenizer, WordTokenizer, YttmModel
from embzip.tokenizers.base import Tokenizer

Model = Classifier | Kit


@dataclass(frozen=True, eq=False)
class PortableModel:
    """What every source file holds.

    Attributes
    ----------
    tokenizer
        Of words, or of pieces.
    heads
        The classifiers; one without a name, or those of a kit.
    """

    tokenizer: WordTokenizer | BpeTokenizer
    table: PortableTable
    heads: tuple[PortableHead, ...]
    kit: bool

    @cached_property
    def words(self) -> Sequence[str]:
        """The words in the order of their ids, the first of which is 2; none of pieces."""
        if isinstance(self.tokenizer, BpeTokenizer):
            return ()
        return list(self.tokenizer.vocabulary)[2:]

    @property
    def pieces(self) -> YttmModel | None:
        """The model of pieces; None of words."""
        return self.tokenizer.model if isinstance(self.tokenizer, BpeTokenizer) else None

    @property
    def stems(self) -> bool:
        """Whether an unknown word reads as its neighbour of the same stem."""
        return isinstance(self.tokenizer, WordTokenizer) and self.tokenizer.stems

    @property
    def lowercase(self) -> bool:
        """Whether texts are lower-cased."""
        return self.tokenizer.normalization.lowercase

    @property
    def special(self) -> int:
        """How many rows no token has."""
        return len(self.tokenizer.vocabulary.special_ids)

    @property
    def sigma(self) -> bool:
        """Whether a token can tell a final sigma from another one."""
        return self.lowercase and bool({"\u03c2", "\u03c3"} & self._alphabet)

    def unicode(self, *, flagged: bool) -> UnicodeTables:
        """Return how texts are normalized and split; see `unicode_tables`."""
        return unicode_tables(
            lowercase=self.lowercase,
            words=self.pieces is None,
            flagged=flagged,
            alphabet=self._alphabet,
        )

    @cached_property
    def _alphabet(self) -> frozenset[str]:
        if self.pieces is not None:
            return frozenset(chr(code) for code, _ in self.pieces.codepoints)
        return frozenset().union(*self.words)

    @property
    def unknown(self) -> int:
        """The id of what is not known."""
        unknown = self.tokenizer.vocabulary.unk_id
        return 1 if unknown is None else unknown


def portable_model(model: Model) -> PortableModel:
    """Return what a source file of a classifier or a kit holds.

    Raises
    ------
    InputError
        For a model without a tokenizer.
    UnsupportedModelError
        For a tokenizer, normalization, codec or encoder that no source file has.
    """
    table: CompressedEmbedding = model.embedding
    if table.tokenizer is None:
        raise InputError(
            "a source file turns texts into ids by itself, and this model has no tokenizer: "
            "compress a table that has one (`embzip train-vectors --tokenizer`)"
        )
    tokenizer = _tokenizer(table.tokenizer)
    named = model.classifiers if isinstance(model, Kit) else {"": model}
    heads = tuple(portable_head(name, each) for name, each in named.items())
    rows = portable_table(table)
    return PortableModel(tokenizer, rows, heads, isinstance(model, Kit))


def _tokenizer(tokenizer: Tokenizer) -> WordTokenizer | BpeTokenizer:
    if not isinstance(tokenizer, WordTokenizer | BpeTokenizer):
        raise UnsupportedModelError(
            "a source file has the tokenizers 'words', 'words+stems' and 'bpe', and this model "
            f"{tokenizer.kind!r}: train it with one of those"
        )
    form = tokenizer.normalization.unicode
    if form != "NFC":
        raise UnsupportedModelError(
            f"a source file normalizes texts to NFC, and this model's are {form!r}: build its "
            "tokenizer with --unicode NFC"
        )
    return tokenizer
