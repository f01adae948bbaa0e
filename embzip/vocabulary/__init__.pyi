# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .lzma2 import compress as compress
from .lzma2 import decompress as decompress
from .token_coding import decode_tokens as decode_tokens
from .token_coding import encode_tokens as encode_tokens
from .token_coding import limit_of as limit_of
from .token_list import TokenList as TokenList
from .tokens import Vocabulary as Vocabulary
from .tokens import most_frequent as most_frequent
