"""Exports classifiers as files that other runtimes load: one module per target.

`export` is the public function; nothing is converted here.
"""

from embzip.tf.export.targets import TARGETS, export

__all__ = ["TARGETS", "export"]
