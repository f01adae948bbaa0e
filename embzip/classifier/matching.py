"""Finds a classifier's tokens in another table: the same rows, or fewer."""

from dataclasses import replace

import numpy as np

from embzip.embedding import CompressedEmbedding
from embzip.errors import MismatchError
from embzip.tokenizers import AliasedWords, WordTokenizer
from embzip.tokenizers.base import Tokenizer


def matched(old: CompressedEmbedding, new: CompressedEmbedding) -> CompressedEmbedding:
    """Return `new` with a tokenizer that the classifier can use."""
    tokenizer = old.tokenizer
    if tokenizer is None or new.vocabulary is None or old.vocabulary is None:
        raise MismatchError(
            "rows are matched by token, and one of the tables has no vocabulary or tokenizer: "
            "compress the classifier's own table instead (codec=)"
        )
    if new.dim != old.dim:
        raise MismatchError(
            f"the classifier reads {old.dim} columns, but the table has {new.dim}: "
            "compress this classifier's own table, or train on the new one (`embzip train`)"
        )
    if new.tokenizer is not None and (_family(new.tokenizer), new.tokenizer.normalization) != (
        _family(tokenizer),
        tokenizer.normalization,
    ):
        raise MismatchError(
            f"the classifier was trained on {_name(tokenizer)}, the table on "
            f"{_name(new.tokenizer)}: train a classifier on the new table (`embzip train`)"
        )
    if new.vocabulary == old.vocabulary:
        return replace(new, tokenizer=tokenizer)
    special = set(new.vocabulary.special_ids)
    tokens = {token: i for i, token in enumerate(new.vocabulary) if i not in special}
    foreign = [token for token in tokens if token not in old.vocabulary]
    if foreign or _family(tokenizer) != "words":
        unknown = f" ({len(foreign)} tokens such as {foreign[0]!r} are unknown)" if foreign else ""
        raise MismatchError(
            f"the table's tokens must be in the classifier's {tokenizer.kind} vocabulary{unknown}: "
            "train a classifier on the new table (`embzip train`)"
        )
    if isinstance(new.tokenizer, AliasedWords):
        return new  # its aliases say which rows the dropped words read
    words = sorted(tokens)
    stems = isinstance(tokenizer, WordTokenizer) and tokenizer.stems
    smaller = WordTokenizer(words, tokenizer.normalization, stems=stems)
    # Padding is masked, so without a padding row any row will do. Without an unknown row, the row
    # nearest to the classifier's unknown row is used.
    pad = 0 if new.pad_id is None else new.pad_id
    unk = new.unk_id
    if unk is None:
        unk = int(np.square(new.decode() - old[[old.unk_id or 0]]).sum(axis=1).argmin())
    rows = np.array([pad, unk, *(tokens[word] for word in words)], np.int64)
    return new.take_rows(rows, smaller)


def _family(tokenizer: Tokenizer) -> str:
    return tokenizer.kind.partition("+")[0]  # aliases use the rows of words


def _name(tokenizer: Tokenizer) -> str:
    case = "lowercase" if tokenizer.normalization.lowercase else "cased"
    return f"{tokenizer.kind} ({case}, {tokenizer.normalization.unicode})"
