"""A recipe: what to compare, from a TOML file to frozen dataclasses.

A mistake in a recipe is found here, before the first step runs, and its message names the file, the
table and the key. A mistake in a corpus is found when that is read.

    seed = 0
    [corpus]                # train, test, optionally dev and text: files relative to the recipe,
                            # patterns, URLs
    name = "bbc"            # or the name of a module of corpora/
    [defaults]              # any key of a candidate but its name
    vectors = "ppmi:300"
    [[candidate]]           # the first is the baseline
    name = "words"
    tokenizer = "words:min_count=1"
    codec = "float32"
    [choice]                # the winner is the smallest file whose accuracy on dev is
    drop = 0.01             # at most so much (of 1) below that of
    against = "best float32"    # or "best of all", or the name of a candidate
    [report]
    controls = true         # also train the first candidate without pretrained vectors
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embzip.errors import InputError
from embzip.files.locations import files_at
from embzip.files.names import is_url
from embzip.files.places import RECIPE
from embzip.files.reading import existing_file
from embzip.files.records import Fields
from embzip.files.remote import nbytes_of
from embzip.labelled.columns import Columns
from embzip.pipeline.candidate import KEYS, Candidate, parse_candidate
from embzip.pipeline.choosing import BEST, BEST_FLOAT32, Choice

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


_COLUMNS = ("label_column", "text_column")
Files = tuple[str | Path, ...]


@dataclass(frozen=True)
class CorpusRecipe:
    """Where the texts come from: a module of `corpora/` by name, or files here and elsewhere."""

    name: str | None = None
    train: Files = ()
    dev: Files = ()
    test: Files = ()
    text: Files = ()
    columns: Columns | None = None


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; the first candidate is the baseline."""

    path: Path
    seed: int
    corpus: CorpusRecipe
    candidates: tuple[Candidate, ...]
    choice: Choice
    controls: bool

    @property
    def inputs(self) -> list[str | Path]:
        """All files that are read: the recipe and its texts."""
        corpus = self.corpus
        return [self.path, *corpus.train, *corpus.dev, *corpus.test, *corpus.text]


def read_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    MissingFileError
        For a recipe, or a file of its corpus, that is not there.
    InputError
        For anything that is not valid TOML, a missing or unknown key, or a wrong value; names the
        table and the key, and lists the known ones.
    SpecError
        For a tokenizer, vectors, classifier or codec that does not parse.
    """
    path = Path(path)
    RECIPE.kind_of(path)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a recipe in TOML: {error}") from error
    tables = ("corpus", "defaults", "candidate", "choice", "report")
    fields = Fields.of_user(document, f"{path}")
    fields.only(("seed", *tables))
    seed = fields.take("seed", int, 0)
    if not 0 <= seed < 2**32:
        raise InputError(f"{path}: seed must lie in 0..2**32-1, received {seed}")
    report = _table(fields, "report", {})
    report.only(("controls",))
    candidates = _candidates(fields, path)
    corpus = _corpus(_table(fields, "corpus"), path)
    _check_texts(candidates, corpus, path)
    return Recipe(
        path=path,
        seed=seed,
        corpus=corpus,
        candidates=candidates,
        choice=_choice(_table(fields, "choice", {}), candidates),
        controls=report.take("controls", bool, True),
    )


def _table(document: Fields, key: str, default: dict[str, Any] | None = None) -> Fields:
    return Fields.of_user(document.take(key, dict, default), f"{document.where}, [{key}]")


def _corpus(table: Fields, recipe: Path) -> CorpusRecipe:
    where = table.where
    table.only(("name", "train", "dev", "test", "text", *_COLUMNS))
    text = table.take("text", list, [])
    if not all(isinstance(item, str) for item in text):
        raise InputError(f"{where}: text must be a list of file names, received {text!r}")
    if "name" in table:
        files = sorted(set(table.values) & {"train", "dev", "test"})
        if files:
            raise InputError(
                f"{where}: a corpus has a name or files, received name and {files[0]}: remove one"
            )
        name = table.take("name", str)
        if not name.isidentifier():
            raise InputError(
                f"{where}: name must be that of a module of corpora/, such as 'bbc', "
                f"received {name!r}"
            )
        return CorpusRecipe(name=name, text=_files(text, recipe))
    return CorpusRecipe(
        train=_files([table.take("train", str)], recipe),
        dev=_files([table.take("dev", str)] if "dev" in table else [], recipe),
        test=_files([table.take("test", str)], recipe),
        text=_files(text, recipe),
        columns=_columns(table),
    )


def _columns(table: Fields) -> Columns | None:
    """Return the columns of label and text, names or numbers; None if neither is given."""
    given = {key.removesuffix("_column"): table.values[key] for key in _COLUMNS if key in table}
    for key, value in given.items():
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise table.wrong(f"{key}_column", "a name, or a number from 1", value)
    return Columns(**given) if given else None


def _files(names: Sequence[str], recipe: Path) -> Files:
    """Return files that are there: those of names, patterns and URLs."""
    files = [file for name in names for file in files_at(name, recipe.parent)]
    for file in files:
        if is_url(file):
            nbytes_of(file)
    return tuple(file if is_url(file) else existing_file(file) for file in files)


def _candidates(document: Fields, path: Path) -> tuple[Candidate, ...]:
    defaults = _table(document, "defaults", {})
    defaults.only(KEYS)
    tables = document.take("candidate", list, [])
    if not tables or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{path}: expected at least one [[candidate]], found none")
    candidates: list[Candidate] = []
    for number, table in enumerate(tables, start=1):
        where = f"{path}, [[candidate]] {number}"
        name = Fields.of_user(table, where).take("name", str)
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{where}: a name begins with a letter or digit and goes on with letters, digits, "
                f"'.', '_' and '-', received {name!r}"
            )
        if name in {candidate.name for candidate in candidates}:
            raise InputError(
                f"{where}: each candidate has a name of its own, received {name!r} again"
            )
        Fields.of_user(table, f"{where} ({name!r})").only(("name", *KEYS))
        candidates.append(parse_candidate({**defaults.values, **table}, f"{where} ({name!r})"))
    return tuple(candidates)


def _check_texts(candidates: Sequence[Candidate], corpus: CorpusRecipe, path: Path) -> None:
    for candidate in candidates:
        if candidate.distill is not None and candidate.distill.texts and not corpus.text:
            raise InputError(
                f"{path}, {candidate.name!r}: distill learns from unlabelled texts (texts=true), "
                "and [corpus] names none as `text`: name their files there"
            )


def _choice(table: Fields, candidates: Sequence[Candidate]) -> Choice:
    where = table.where
    table.only(("drop", "against"))
    references = [BEST, *(candidate.name for candidate in candidates)]
    if any(candidate.uncompressed for candidate in candidates):
        references.insert(0, BEST_FLOAT32)
    choice = Choice(
        drop=table.take("drop", float, Choice.drop),
        against=table.take("against", str, references[0]),
    )
    if not 0 <= choice.drop <= 1:
        raise InputError(f"{where}: drop must lie in 0..1, received {choice.drop:g}")
    if choice.against not in references:
        raise InputError(
            f"{where}: against must be one of {', '.join(map(repr, references))}, "
            f"received {choice.against!r}"
        )
    return choice
