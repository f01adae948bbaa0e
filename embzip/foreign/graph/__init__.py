"""Flattens, freezes, optimizes, rebuilds and writes graphs."""
