"""The command that puts several classifiers into one file: kit."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.parameters import Pack, UsageError
from embzip.cli.results import EMBZ, Result
from embzip.errors import InputError
from embzip.files.places import CLASSIFIER, check_places
from embzip.inspection import size_change

if TYPE_CHECKING:
    from embzip.classifier import Classifier


def kit(
    *models: Annotated[Path, Parameter(name="MODEL.embz", required=True)],
    name: list[str] | None = None,
    pack: Pack = False,
    result: Result = Result(),
) -> None:
    """Put several classifiers over one table into one file.

    The table is stored once, and a text is tokenized and looked up once for all of them. They
    must read the same table, byte for byte: train each with `embzip train ... --vectors
    TABLE.embz --frozen`, or put each on it with `embzip rebuild MODEL.embz --embedding
    TABLE.embz`.

    Without -o, NAME.embz becomes NAME.kit.embz in the current folder.

    Parameters
    ----------
    models
        Classifiers that read the same table.
    name
        The classifiers' names, one option each, in the order of the files; by default the files'
        own names without .embz.
    """
    check_places(*((path, CLASSIFIER) for path in models))
    from embzip.classifier import Kit

    names = name or [path.stem for path in models]
    if len(names) != len(models):
        raise UsageError(f"{len(models)} files need as many --name, received {len(names)}")
    with result.writing(models, ".kit.embz", EMBZ) as output, progress("joining"):
        made = Kit.of(_classifiers(names, models))
        made.save(output.path, pack=pack)
    total = sum(path.stat().st_size for path in models)
    record = {
        "classifiers": names,
        "bytes_before": total,
        "bytes_after": output.nbytes,
    }
    output.show(
        record,
        f"{len(names)} classifiers over one table: {', '.join(names)}; {total:,} -> "
        f"{output.nbytes:,} bytes, {size_change(total, output.nbytes)}",
    )


def _classifiers(
    names: Iterable[str], models: Iterable[Path]
) -> "Iterator[tuple[str, Classifier]]":
    """Yield name and classifier, one at a time: their tables are large."""
    from embzip.classifier import Classifier
    from embzip.classifier.loading import read

    for name, path in zip(names, models, strict=True):
        loaded = read(path)
        if not isinstance(loaded, Classifier):
            raise InputError(f"{path}: is a kit already: join the classifiers it was made of")
        yield name, loaded
