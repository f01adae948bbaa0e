"""The corpus of a recipe: files, or a module of the checkout's `corpora/`, as one cached step.

Later steps read the texts only from its files train.tsv, dev.tsv, test.tsv and texts.txt. The last
is what tokenizer and vectors learn from: the texts of train.tsv, and the recipe's `text`.
"""

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from embzip.corpus import Example, read_examples, read_texts
from embzip.errors import InputError, MissingFileError
from embzip.files.reading import digest_of_file
from embzip.files.seen import SeenFiles
from embzip.labelled.splits import check_training_labels, split_examples
from embzip.labelled.writing import write_examples, write_lines
from embzip.pipeline.recipe import CorpusRecipe, Files
from embzip.pipeline.steps import Step, write_json
from embzip.sources import in_short
from embzip.types import Progress


def corpus_step(corpus: CorpusRecipe) -> Step:
    """Return the step that makes the corpus.

    Raises
    ------
    MissingFileError
        For a name that `corpora/` does not have, or where embzip is installed without a checkout;
        for a file that is not there.
    InputError, MissingPackageError
        For a URL that cannot be read.
    """
    module = None if corpus.name is None else _module(corpus.name)
    train, dev, test, text = (
        SeenFiles.of(files) for files in (corpus.train, corpus.dev, corpus.test, corpus.text)
    )

    def make(folder: Path, _: Sequence[Path], progress: Progress) -> None:
        with train.unchanged(), dev.unchanged(), test.unchanged(), text.unchanged():
            _make(folder, corpus, module)

    key = {
        "name": corpus.name,
        "module": None if module is None else digest_of_file(module),
        "train": train.digests,
        "dev": dev.digests,
        "test": test.digests,
        "text": text.digests,
        "columns": str(corpus.columns),
    }
    return Step("corpus", key, (), make)


def _make(folder: Path, corpus: CorpusRecipe, module: Path | None) -> None:
    train, dev, test = _files(corpus, module, folder)
    training = read_examples(train, columns=corpus.columns)
    if dev:
        held_out = read_examples(dev, columns=corpus.columns)
    else:
        training, held_out = split_examples(training)
        if not training or not held_out:
            raise InputError(
                f"{in_short(train)}: without a dev file a tenth of these examples becomes dev; "
                "they are too few for that: add examples, or name a file as `dev`"
            )
    tested = read_examples(test, columns=corpus.columns)
    labels = check_training_labels(training, in_short(train))
    write_examples(folder / "train.tsv", training)
    write_examples(folder / "dev.tsv", held_out)
    write_examples(folder / "test.tsv", tested)
    write_lines(folder / "texts.txt", _texts(training, corpus.text))
    record = {"train": len(training), "dev": len(held_out), "test": len(tested)}
    write_json(folder / "corpus.json", {**record, "labels": list(labels)})


def build_corpus(name: str, directory: str | Path) -> dict[str, Path]:
    """Write a corpus of `corpora/` into a folder; return its files `train`, `test`, maybe `dev`.

    Raises
    ------
    MissingFileError
        As in `corpus_step`.
    MissingPackageError
        Where the package is not installed that holds the texts.
    """
    files: dict[str, Path] = _module_of(_module(name)).build(directory)
    return files


def corpora_folder() -> Path:
    """Return `corpora/` of the checkout this package was imported from.

    Raises
    ------
    MissingFileError
        Where embzip is installed without its checkout.
    """
    folder = Path(__file__).resolve().parents[2] / "corpora"
    if not (folder / "bbc.toml").is_file():
        raise MissingFileError(
            f"{folder}: named corpora and the demo need a checkout of embzip: clone it, run "
            "`uv sync --extra all` there, and use that environment"
        )
    return folder


def _module(name: str) -> Path:
    module = corpora_folder() / f"{name}.py"
    if not module.is_file():
        known = ", ".join(sorted(path.stem for path in module.parent.glob("*.py")))
        raise MissingFileError(f"there is no corpus named {name!r}: the known ones are {known}")
    return module


def _files(corpus: CorpusRecipe, module: Path | None, folder: Path) -> tuple[Files, Files, Files]:
    """Return the files of train, dev (maybe none) and test; a module builds them first."""
    if module is not None:
        built = _module_of(module).build(folder)
        dev = (built["dev"],) if "dev" in built else ()
        return (built["train"],), dev, (built["test"],)
    if not corpus.train or not corpus.test:
        raise InputError("a corpus needs a name, or files as train and test: received neither")
    return corpus.train, corpus.dev, corpus.test


def _texts(training: Iterable[Example], more: Files) -> Iterator[str]:
    for example in training:
        yield example.text
    yield from read_texts(more)


def _module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"corpora_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise MissingFileError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
