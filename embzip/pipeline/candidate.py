"""A candidate of a recipe: its table of specs, checked and parsed into frozen dataclasses.

What an option means, the function says that takes it. Nothing runs here.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embzip.classifier.specs import ClassifierOptions, parse_classifier, stage_of, values_of
from embzip.classifier.storage import storage
from embzip.codecs import parse_codec
from embzip.errors import SpecError
from embzip.files.records import Fields
from embzip.pipeline.distillation import Distillation, parse_distillation
from embzip.vectors.options import OPTIONS, VectorsOptions

KEYS = (
    "tokenizer", "vectors", "classifier", "codec", "trainable", "fold", "tune", "tune_params",
    "kernels", "pack", "distill",
)  # fmt: skip


@dataclass(frozen=True)
class WordsOptions:
    """`words:min_count=2,max_vocab=220000`: a tokenizer of whole words."""

    min_count: int = 2
    max_vocab: int = 220_000
    lowercase: bool = True
    unicode: str = "NFC"


@dataclass(frozen=True)
class BpeOptions:
    """`bpe:30000,coverage=1.0`: a YouTokenToMe tokenizer of that many pieces."""

    vocab: int = 30_000
    coverage: float = 1.0
    lowercase: bool = True
    unicode: str = "NFC"


TokenizerOptions = WordsOptions | BpeOptions
_TOKENIZERS: Mapping[str, type] = {"words": WordsOptions, "bpe": BpeOptions}
_MANY_ROWS = 1 << 20  # stands for the rows of a table that is not trained yet


@dataclass(frozen=True)
class Candidate:
    """One way to make the model: specs as they were written, and what they were parsed into.

    With `distill`, all but codec and kernels are the teacher's. Where the student's size is named,
    codec and kernels are empty: they are chosen.
    """

    name: str
    tokenizer: str
    tokenizer_options: TokenizerOptions
    vectors_options: VectorsOptions
    classifier_options: ClassifierOptions
    codec: str
    trainable: bool
    fold: bool
    tune: bool
    tune_params: bool = False
    kernels: str = "float32"
    pack: bool = False
    distill: Distillation | None = None

    @property
    def uncompressed(self) -> bool:
        """Whether the table is stored as it was trained."""
        return self.codec == "float32" and self.distill is None


def parse_candidate(table: Mapping[str, Any], where: str) -> Candidate:
    """Return the candidate that a table of a recipe describes.

    Parameters
    ----------
    table
        The candidate's own keys over the recipe's defaults; its name and that all keys are known
        was checked before.
    where
        What error messages begin with.

    Raises
    ------
    InputError
        For a missing key or a value of the wrong type.
    SpecError
        For a spec that does not parse; lists the known names or options.

    Examples
    --------
    >>> parse_candidate({"name": "small", "tokenizer": "bpe:8000"}, "recipe").tokenizer_options
    BpeOptions(vocab=8000, coverage=1.0, lowercase=True, unicode='NFC')
    """

    fields = Fields.of_user(table, where)
    tokenizer = fields.take("tokenizer", str)
    vectors: VectorsOptions = _options(
        fields.take("vectors", str, "ppmi"), OPTIONS, f"{where}, vectors"
    )
    classifier = fields.take("classifier", str, "cnn:128")
    distill = parse_distillation(fields) if "distill" in fields else None
    codec, kernels = _stored(fields, vectors.dim) if distill is None else _of_student(distill)
    return Candidate(
        name=table["name"],
        tokenizer=tokenizer,
        tokenizer_options=_options(tokenizer, _TOKENIZERS, f"{where}, tokenizer"),
        vectors_options=vectors,
        classifier_options=parse_classifier(classifier, f"{where}, classifier"),
        codec=codec,
        trainable=fields.take("trainable", bool, True),
        fold=fields.take("fold", bool, True),
        tune=fields.take("tune", bool, False),
        tune_params=fields.take("tune_params", bool, False),
        kernels=kernels,
        pack=fields.take("pack", bool, False),
        distill=distill,
    )


def _stored(fields: Fields, dim: int) -> tuple[str, str]:
    """Return the codec and the kernels of a candidate whose table has so many columns."""
    try:
        codec = parse_codec(fields.take("codec", str, "float32"))
        if codec.resolved:
            # Refuses a rank above the number of columns before anything is trained.
            codec.layout(_MANY_ROWS, dim)
    except SpecError as error:
        raise SpecError(f"{fields.where}, codec: {error}") from error
    try:
        return codec.spec, storage(fields.take("kernels", str, "float32")).name
    except SpecError as error:
        raise SpecError(f"{fields.where}, kernels: {error}") from error


def _of_student(distill: Distillation) -> tuple[str, str]:
    shape = distill.shape
    return ("", "") if shape is None else (shape.codec, shape.kernels)


def _options(spec: str, kinds: Mapping[str, type], where: str) -> Any:
    """Return the options of a spec of one stage; an argument without a name is the first field."""
    stage = stage_of(spec, kinds, where)
    kind = kinds[stage.name]
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    return kind(**values_of(stage, defaults, where))
