"""Tokens <-> ids (tokens, over token_index), and tokens <-> compact bytes (token_coding, lzma2).

Lists of tokens are packed (token_list).

How text becomes tokens is the business of `embzip.tokenizers`.
"""

from embzip.vocabulary.lzma2 import compress, decompress
from embzip.vocabulary.token_coding import decode_tokens, encode_tokens
from embzip.vocabulary.token_list import TokenList
from embzip.vocabulary.tokens import Vocabulary, most_frequent

__all__ = [
    "TokenList",
    "Vocabulary",
    "compress",
    "decode_tokens",
    "decompress",
    "encode_tokens",
    "most_frequent",
]
