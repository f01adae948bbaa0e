"""Classifiers as source of other languages: C99, an ES module, a page; see README.md."""
