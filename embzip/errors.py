"""The exceptions that embzip raises on purpose.

The command line catches `EmbzipError` and nothing else. Each subclass also derives from the
built-in exception it resembles, so users of the library may catch either.

A message states the rule, what was found and where, and what to do.
"""


class EmbzipError(Exception):
    """The base class of all errors that embzip raises on purpose."""


class InputError(EmbzipError, ValueError):
    """Text, examples or vectors that break a rule; the message names the file and the place."""


class DuplicateError(InputError):
    """A token that stands in two rows."""


class SpecError(EmbzipError, ValueError):
    """A codec specification or another option that does not parse or does not fit the table."""


class TokenizerError(EmbzipError, ValueError):
    """A tokenizer that cannot be trained, or a tokenizer file that is invalid."""


class FileFormatError(EmbzipError, ValueError):
    """A file of embzip (.embz, .tflite) that is damaged or was written by a newer embzip."""


class MismatchError(EmbzipError, ValueError):
    """Parts that do not belong together, such as a table and a vocabulary of another size."""


class UnsupportedModelError(EmbzipError, ValueError):
    """A model that cannot be rebuilt or exported safely."""


class NotFiniteError(EmbzipError, ArithmeticError):
    """A model whose answer to a text is not a number: its weights overflow, or are damaged."""


class InputTypeError(EmbzipError, TypeError):
    """An argument of the wrong type, such as bytes where text belongs."""


class IdRangeError(EmbzipError, IndexError):
    """A token id outside the table; -1 would silently read the last row."""


class UnknownTokenError(EmbzipError, KeyError):
    """A token that is not in the vocabulary."""

    __str__ = Exception.__str__  # a KeyError would show the message in quotes


class ClusterError(EmbzipError, RuntimeError):
    """Processes of a cluster that are lost, or do not fit together."""


class MissingFileError(EmbzipError, FileNotFoundError):
    """An input file that does not exist, cannot be read, or is a directory."""


class OutputError(EmbzipError, OSError):
    """An output that cannot be written; an existing file is left unchanged."""


class MissingPackageError(EmbzipError, ImportError):
    """An optional package that is not installed; the message gives the command to install it."""
