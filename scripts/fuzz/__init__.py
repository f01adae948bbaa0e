"""Damages files of every kind, and counts how reading them ends: `python -m scripts.fuzz`."""
