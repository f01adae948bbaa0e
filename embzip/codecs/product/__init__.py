"""Quantizers that code several columns together, by codebooks: parts of a row, sums, whole rows."""
