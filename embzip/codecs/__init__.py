"""Codecs: how a float32 table becomes few bytes, and rows come back."""

from embzip.codecs.base import Quantizer, Transform
from embzip.codecs.chain import Codec
from embzip.codecs.registry import parse_codec

__all__ = ["Codec", "Quantizer", "Transform", "parse_codec"]
