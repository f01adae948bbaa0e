"""Tokens <-> ids (tokens, over token_index), and tokens <-> compact bytes (token_coding, lzma2).

Lists of tokens are packed (token_list).

How text becomes tokens is the business of `embzip.tokenizers`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
