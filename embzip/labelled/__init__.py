"""Labelled texts: what a row is in each kind of file; which kind a file is, `rows` tells."""
