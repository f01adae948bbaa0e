"""What a recipe says of a student: `distill = "rows=8000,dim=16,folds=4"`, or by its size.

Its codec is the candidate's. Only names, types and what excludes what are checked here; what an
option means, and what it is by default, `embzip.tf.distill` says. Nothing runs here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from embzip.classifier.specs import values_of
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.student_sizes import bytes_of
from embzip.classifier.training_options import check_training_options
from embzip.codecs.spec import one_stage
from embzip.errors import InputError, SpecError
from embzip.files.limits import check_size
from embzip.files.records import Fields

# An option's value is of the type that stands here; one that is a whole number may be 0 where 0
# stands.
_SHAPE: Mapping[str, object] = {
    each.name: each.default for each in fields(StudentShape) if each.name != "codec"
} | {"rows": 0}
_LESSONS: Mapping[str, object] = {
    "fold_share": 0.5,
    "labels": 0.0,
    "copies": 0,
    "balance": False,
    "epochs": 1,
    "rounded_epochs": 0,
    "patience": 1,
    "batch_size": 1,
    "learning_rate": 1e-3,
}
_OPTIONS = {"size": "", **_SHAPE, "folds": 0, "texts": False, **_LESSONS}


@dataclass(frozen=True)
class Distillation:
    """How a candidate's student is made of its trained classifier.

    Attributes
    ----------
    spec
        As it was written.
    shape
        The student's shape, or None where its size is named instead.
    size
        Of its file, such as '64KB'.
    folds
        So many further teachers, each trained on all texts but a part; 0 for none.
    texts
        Whether the recipe's unlabelled texts are learned from too.
    lessons
        Further arguments of `embzip.tf.distill`, those that were given.
    """

    spec: str
    shape: StudentShape | None
    size: str | None = None
    folds: int = 0
    texts: bool = False
    lessons: Mapping[str, Any] = field(default_factory=dict)


def parse_distillation(table: Fields) -> Distillation:
    """Return what a candidate's `distill`, `codec` and `kernels` say of its student.

    Raises
    ------
    InputError
        For keys that do not go together, or a value of the wrong type.
    SpecError
        For an option that is unknown, out of range, or given twice.

    Examples
    --------
    >>> keys = {"distill": "rows=3000,dim=8,folds=4", "codec": "svd|int4"}
    >>> found = parse_distillation(Fields.of_user(keys, "recipe"))
    >>> found.shape == StudentShape(rows=3000, dim=8, codec="svd|int4")
    True
    >>> found.folds, found.lessons
    (4, {})
    """
    where, spec = table.where, table.take("distill", str)
    _check_keys(table)
    values = _values(spec, f"{where}, distill")
    shape: dict[str, Any] = {name: values.pop(name) for name in _SHAPE if name in values}
    if "kernels" in shape and "kernels" in table:
        raise InputError(
            f"{where}: kernels stands in distill and as a key of the candidate or of [defaults]: "
            "remove one of them"
        )
    shape |= {key: table.take(key, str) for key in ("codec", "kernels") if key in table}
    size, folds, texts = (
        values.pop("size", None),
        values.pop("folds", 0),
        values.pop("texts", False),
    )
    if size is not None and shape:
        raise InputError(
            f"{where}: distill by size chooses the student's shape, and {next(iter(shape))} is "
            "given too: remove one of them, from the candidate and from [defaults]"
        )
    try:
        if folds:
            check_size("folds", folds, least=2)
        elif "fold_share" in values:
            raise InputError("fold_share is for folds=N")
        if values.get("fold_share") == 0:
            raise InputError("with fold_share=0 nobody asks the fold teachers: leave out folds")
        rates = ("epochs", "patience", "batch_size", "learning_rate")
        check_training_options(**{name: values[name] for name in rates if name in values})
        if size is None:
            return Distillation(spec, StudentShape(**shape), None, folds, texts, values)
        bytes_of(size)
    except (InputError, SpecError) as error:
        raise SpecError(f"{where}, distill: {error}") from error
    return Distillation(spec, None, size, folds, texts, values)


def _check_keys(table: Fields) -> None:
    """Refuse what is for candidates that are compressed: a student is tuned and folded anyway."""
    for key, usual in (("tune", False), ("tune_params", False), ("fold", True)):
        if table.take(key, bool, usual) is not usual:
            raise InputError(
                f"{table.where}: {key} does not go with distill, which folds its student and tunes "
                f"it over its codes: remove {key}, or set it to {str(usual).lower()}"
            )


def _values(spec: str, where: str) -> dict[str, Any]:
    """Return the options of a spec, each as its type."""
    if "codec=" in spec.lower():
        raise SpecError(
            f"{where}: a student's codec is the candidate's: write `codec` beside distill"
        )
    example = "write for example 'rows=8000,dim=16' or 'size=64KB'"
    try:
        stage = one_stage(f"distill:{spec}")
    except SpecError as error:
        raise SpecError(f"{where}: {example}: {error}") from error
    if stage.arguments:
        raise SpecError(
            f"{where}: each option has a name, received {stage.arguments[0]!r}: {example}"
        )
    return values_of(stage, _OPTIONS, where)
