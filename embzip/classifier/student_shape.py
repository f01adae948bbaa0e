"""The shape of a student: how many rows, columns and filters, and how each is stored."""

from dataclasses import dataclass

from embzip.classifier.cnn import CnnConfig
from embzip.classifier.mean import MeanConfig
from embzip.classifier.storage import storage
from embzip.codecs import parse_codec
from embzip.embz.budgets import most_of
from embzip.errors import InputError, SpecError
from embzip.files.limits import check_size

ENCODERS = (CnnConfig.kind, MeanConfig.kind)
_ROWS_UNKNOWN = 1_000_000  # more than any codec asks for: columns alone bound it here


@dataclass(frozen=True)
class StudentShape:
    """How many numbers a student has, and how its file stores them.

    Attributes
    ----------
    rows
        Words with a row of their own, beside the special rows; 0 for all of the tokenizer's. None
        for the 8,000 that matter most, or all of fewer; of pieces always all.
    dim
        Columns of the table.
    filters
        Filters of each window of a CNN.
    encoder
        `cnn` or `mean`.
    codec
        The codec of the table.
    kernels
        How kernels are stored, as in `Classifier`.
    stems
        Whether a word that has no row reads as its neighbour of the same stem, if there is one (see
        `WordTokenizer`); nothing is stored for it. Pieces have no stems.

    Raises
    ------
    InputError, SpecError
        For what is out of range or unknown. A codec that names a size is refused: a shape says what
        is stored, and `size` of `embzip.tf.distill` how much.

    Examples
    --------
    >>> shape = StudentShape(rows=5000, dim=8)
    >>> shape.filters, shape.codec, shape.kernels
    (64, 'svd|tcq:2', 'int4')
    """

    rows: int | None = None
    dim: int = 16
    filters: int = 64
    encoder: str = CnnConfig.kind
    codec: str = "svd|tcq:2"
    kernels: str = "int4"
    stems: bool = True

    def __post_init__(self) -> None:
        if self.rows is not None:
            check_size("rows", self.rows, least=0)
        check_size("dim", self.dim)
        check_size("filters", self.filters)
        if self.encoder not in ENCODERS:
            raise InputError(
                f"a student's encoder is one of {', '.join(ENCODERS)}, received {self.encoder!r}"
            )
        object.__setattr__(self, "kernels", storage(self.kernels).name)
        if most_of(self.codec) is not None:
            raise SpecError(
                f"a student's size is named by itself (size, --size), and not by its codec; "
                f"received {self.codec!r}"
            )
        codec = parse_codec(self.codec)
        if codec.resolved:
            codec.layout(self.rows or _ROWS_UNKNOWN, self.dim)
