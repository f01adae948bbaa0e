"""Tokenizers: what they are (base), whole words (words), byte-pair pieces (bpe, yttm_model)."""
