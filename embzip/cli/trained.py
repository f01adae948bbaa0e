"""Classifiers that `embzip train` made: several after each other, and what is said of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from embzip.cli.bars import Bar
from embzip.cli.results import Output

if TYPE_CHECKING:
    from embzip.tf.training import TrainResult
    from embzip.tokenizers.reach import Reach
    from embzip.types import TrainingState


@dataclass(frozen=True)
class Trained:
    """A classifier that was trained and written.

    Attributes
    ----------
    result
        What the training gave.
    name
        Its file's name.
    nbytes
        Its file's size.
    interrupted
        Whether Ctrl-C was pressed while it was trained or written.
    """

    result: "TrainResult"
    name: str
    nbytes: int
    interrupted: bool = False

    @property
    def accuracy(self) -> float:
        """Dev accuracy of the epoch that was kept; before pruning ended, one may be better."""
        return self.result.dev_accuracy[self.result.run.best_epoch - 1]

    def to_json(self) -> dict[str, object]:
        """Return what `--json` prints of it."""
        result, run, reach = self.result, self.result.run, self.result.reach
        return {
            "seed": run.seed,
            "encoder": result.classifier.config.kind,
            "labels": list(result.classifier.labels),
            "max_length": result.classifier.config.max_length,
            "cut_share": result.cut_share,
            "lowercase": result.classifier.tokenizer.normalization.lowercase,
            "unknown_rate": reach.unknown_rate,
            "unreachable": None if reach.unreachable is None else len(reach.unreachable),
            "optimizer": run.optimizer,
            "interrupted": run.interrupted,
            "dev_accuracy": list(result.dev_accuracy),
            "best_epoch": run.best_epoch,
            "epoch_seconds": list(result.epoch_seconds),
            "file_bytes": self.nbytes,
            "pruning": None if result.pruning is None else result.pruning.to_json(),
        }

    def lines(self) -> list[str]:
        """Return what is said of it."""
        result = self.result
        told = []
        if result.pruning is not None:
            told = [
                f"  {found.layer}.{found.weight:<12} {found.sparsity:.4f} of {found.numbers:,} are "
                "zero"
                for found in result.pruning.layers
            ]
            before, after = result.pruning.zipped_before, result.pruning.zipped_after
            told.append(f"weights in a zip: {before:,} -> {after:,} bytes")
        return [*told, self.reading(), self.epochs_told(), self.size()]

    def epochs_told(self) -> str:
        """Return how long it was trained, and what came of it."""
        result, run = self.result, self.result.run
        return (
            f"{'interrupted after' if run.interrupted else 'trained for'} "
            f"{len(result.dev_accuracy)} of {run.epochs} epochs in "
            f"{sum(result.epoch_seconds):.1f} s with {run.optimizer}; kept epoch "
            f"{run.best_epoch}: dev accuracy {self.accuracy:.4f}"
        )

    def size(self) -> str:
        """Return how many labels it has and how many tokens and bytes."""
        classifier = self.result.classifier
        return (
            f"{len(classifier.labels)} labels, {self.result.cut_share:.4f} of the texts cut at "
            f"{classifier.config.max_length} tokens, {self.nbytes:,} bytes"
        )

    def reading(self) -> str:
        """Return how its texts are read."""
        return _reach_told(
            self.result.reach, self.result.classifier.tokenizer.normalization.lowercase
        )


def train_several(
    one: Callable[[int, Path, Bar | None], Trained],
    seeds: Sequence[int],
    folder: Path,
    bar: Bar | None,
) -> list[Trained]:
    """Train the classifiers of several seeds; Ctrl-C ends it, and keeps those that were written."""
    made: list[Trained] = []
    for seed in seeds:
        try:
            made.append(one(seed, folder / f"model-{seed}.embz", _part(bar, len(made), len(seeds))))
        except KeyboardInterrupt:
            if not made:
                raise
            break
        if made[-1].interrupted:
            break
    return made


def show_trained(output: Output, made: Sequence[Trained], seeds: Sequence[int]) -> None:
    """Print what is said of one classifier, or of those of several seeds.

    Raises
    ------
    KeyboardInterrupt
        After that, where Ctrl-C ended the training.
    """
    if seeds:
        lines = [made[0].reading()]
        for each in made:
            lines += [f"{each.name}: {each.epochs_told()}", f"{each.name}: {each.size()}"]
        kept = [each.accuracy for each in made]
        lines.append(
            f"{len(made)} of {len(seeds)} classifiers, dev accuracy {fmean(kept):.4f} on the mean, "
            f"from {min(kept):.4f} to {max(kept):.4f}"
        )
        output.show({"classifiers": [{"name": x.name, **x.to_json()} for x in made]}, *lines)
    else:
        output.show(made[0].to_json(), *made[0].lines())
    if made[-1].interrupted or len(made) < len(seeds):
        raise KeyboardInterrupt


def _part(bar: Bar | None, number: int, parts: int) -> Bar | None:
    """Return the callback that moves the bar within one of several equal parts."""
    if bar is None:
        return None

    def move(done: int, total: int, state: "TrainingState | None" = None, /) -> None:
        bar(number * total + done, parts * total, state)

    return move


def _reach_told(reach: "Reach", lowercase: bool) -> str:
    """Say how the tokenizer fits the training texts and a foreign table."""
    from embzip.tokenizers.reach import named

    case = "lower-cased" if lowercase else "not lower-cased"
    told = f"texts {case}, {reach.unknown_rate:.4f} of their tokens unknown"
    if reach.unreachable is not None:
        such = f", such as {named(reach.unreachable)}" if reach.unreachable else ""
        lost = f"{len(reach.unreachable):,} of the table's {reach.tokens:,} tokens"
        told += f"; {lost} are never read{such}"
    return told
