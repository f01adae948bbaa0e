"""Graphs made flat, frozen, optimized, rebuilt and written."""
