"""Classifiers as files that other runtimes load: one module a target.

`export` is what users call; nothing is converted here.
"""

from embzip.tf.export.targets import TARGETS, export

__all__ = ["TARGETS", "export"]
