"""What is said of a student: of its plan, and when it is made."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from embzip.files.names import is_url

if TYPE_CHECKING:
    from embzip.classifier.student_shape import StudentShape
    from embzip.cli.teaching import Teachers
    from embzip.tf.distilled import DistillResult
    from embzip.tf.student_plans import StudentPlan
    from embzip.tokenizers.base import Tokenizer


def planned(plan: "StudentPlan") -> tuple[dict[str, object], list[str]]:
    """Return what `--json` prints of a plan, and what is said of it."""
    record = {
        "shape": asdict(plan.shape),
        "most_bytes": plan.nbytes,
        "rows": plan.table.rows,
        "seen": plan.seen,
    }
    return record, [
        f"{_shape_told(plan.shape, plan.table.tokenizer)}: at most {plan.nbytes:,} bytes; nothing "
        "was trained"
    ]


def distilled(
    made: "DistillResult", nbytes: int, teachers: Sequence[str | Path], taught: "Teachers"
) -> tuple[dict[str, object], list[str]]:
    """Return what `--json` prints of a student, and what is said of it.

    Parameters
    ----------
    nbytes
        Of the student's file.
    teachers
        The teachers' files.
    taught
        Who taught it.
    """
    teacher, student = made.teacher, made.student
    before = _bytes_of(teachers)
    record: dict[str, object] = {
        "shape": asdict(made.shape),
        "file_bytes": nbytes,
        "teacher_bytes": before,
        "teacher": teacher.to_json(),
        "student": student.to_json(),
        "float_accuracy": list(made.float_accuracy),
        "rounded_accuracy": list(made.rounded_accuracy),
        "tuned_accuracy": list(made.tuned_accuracy),
        "temperature": made.temperature,
        "interrupted": made.interrupted,
        "seen": made.seen,
    }
    ended = "interrupted after" if made.interrupted else "distilled for"
    return record, [
        f"{ended} {len(made.float_accuracy)} epochs in float32, "
        f"{len(made.rounded_accuracy)} rounded",
        f"{_shape_told(made.shape, made.classifier.tokenizer)}, {nbytes:,} bytes"
        + (f", {before / nbytes:.0f} times fewer than the {before:,} that teach" if before else ""),
        f"dev, {student.rows:,} texts: accuracy {teacher.accuracy:.4f} -> {student.accuracy:.4f} "
        f"({student.difference:+.4f}), agreement {student.agreement:.4f}, KL {student.kl:.4f} nats",
        f"log loss {teacher.log_loss:.4f} -> {student.log_loss:.4f}, calibration error "
        f"{teacher.calibration_error:.4f} -> {student.calibration_error:.4f}",
        *_knowing(made.seen, taught),
    ]


def _knowing(seen: bool, taught: "Teachers") -> list[str]:
    """Return whether a teacher knows the texts; of what another model said, that does not count."""
    if taught.targets is not None:
        return []
    if taught.folds:
        return ["each text was also answered by a teacher that has not seen it"]
    if seen:
        return [
            "the teacher was trained on these texts, and says little more of them than their "
            "labels: --folds 4 asks others as well, that have not seen them"
        ]
    return [
        "whether the teacher has seen these texts, its file does not say; --folds 4 asks others as "
        "well, that have not"
    ]


def _bytes_of(teachers: Sequence[str | Path]) -> int | None:
    """Return the bytes of all files; None where one is elsewhere, or there is none."""
    from embzip.classifier.loading import served_files

    files = [file for path in teachers for file in served_files(path)]
    local = bool(files) and not any(map(is_url, files))
    return sum(Path(file).stat().st_size for file in files) if local else None


def _shape_told(shape: "StudentShape", tokenizer: "Tokenizer | None") -> str:
    filters = f", {shape.filters} filters" if shape.encoder == "cnn" else ""
    what = "pieces" if tokenizer is not None and tokenizer.kind == "bpe" else "words"
    return (
        f"{shape.rows:,} {what} of {shape.dim} numbers{filters}, {shape.codec}, kernels "
        f"{shape.kernels}"
    )
