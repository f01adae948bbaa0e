"""Quantizers that code a number by itself: floats, integers, shared numbers, the largest few."""
