"""Every exception embzip raises on purpose.

The command line catches `EmbzipError` and nothing else. Each subclass is also the built-in
exception it resembles, so library users may catch either.

A message states the rule, what was received and where, and what to do.
"""


class EmbzipError(Exception):
    """The one family of errors embzip raises on purpose."""


class InputError(EmbzipError, ValueError):
    """Text, examples or vectors that break a rule; the message names the file and the place."""


class SpecError(EmbzipError, ValueError):
    """A codec specification or another option that does not parse or does not fit the table."""


class TokenizerError(EmbzipError, ValueError):
    """A tokenizer that cannot be trained, or a tokenizer file that is not valid."""


class FileFormatError(EmbzipError, ValueError):
    """A .embz file that is damaged, or was written by a newer embzip."""


class MismatchError(EmbzipError, ValueError):
    """Two parts that do not belong together: a table and a vocabulary, a model and a table."""


class UnsupportedModelError(EmbzipError, ValueError):
    """A Keras model that cannot be rewritten safely."""


class InputTypeError(EmbzipError, TypeError):
    """An argument of the wrong type, such as bytes where text belongs."""


class IdRangeError(EmbzipError, IndexError):
    """A token id outside the table; -1 would silently read the last row."""


class UnknownTokenError(EmbzipError, KeyError):
    """A token that is not in the vocabulary."""

    __str__ = Exception.__str__  # a KeyError would show the message in quotes


class MissingFileError(EmbzipError, FileNotFoundError):
    """An input that does not exist, or is a directory."""


class OutputError(EmbzipError, OSError):
    """An output that cannot be written; what stood there before is untouched."""


class MissingPackageError(EmbzipError, ImportError):
    """An optional package that is not installed; the message holds a command that installs it."""
