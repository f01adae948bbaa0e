"""The process of `scripts.fuzz` that damages one file and reads it, again and again.

It says on standard output what it begins and how that ended, so that whoever started it knows which
mutant killed it or never ended. Its memory is limited to what it takes after reading the sample,
and some more.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from embzip.errors import EmbzipError
from scripts.fuzz.kind import Kind, Wrong, quiet
from scripts.fuzz.kinds import kinds

MEMORY = 1 << 30  # bytes, beside what the sample takes
RESEALED = 0.4  # of the mutants of a kind that can be resealed
_LONGEST = 2000  # characters of a message

Tell = Callable[[str], None]


def mutant(kind: Kind, folder: Path, seed: int, index: int) -> tuple[Path, bytes, bool]:
    """Return the file that a mutant changes, its content, and whether its digests are right.

    The same seed and index give the same mutant, whatever was made before.
    """
    rng = Random(f"{seed} {kind.name} {index}")
    path = folder / rng.choice(kind.damaged)
    content = path.read_bytes()
    if kind.reseal is not None and rng.random() < RESEALED:
        return path, kind.reseal(content, rng), True
    changed = rng.choice(kind.every)(content, rng)
    if rng.random() < 0.2:
        changed = rng.choice(kind.every)(changed, rng)
    return path, changed, False


def outcome(kind: Kind, entry: Path, expected: Any, *, resealed: bool, tell: Tell) -> str:
    """Read a mutant, and return its class and what there is to say, separated by a space."""
    try:
        found = kind.read(entry)
    except EmbzipError as error:
        message = str(error)
        if "\n" in message or len(message) > _LONGEST or not message:
            return f"other the message has several lines, or too long a one: {message[:200]!r}"
        return "refused"
    except Wrong as error:
        return f"wrong {error}"
    except Exception as error:  # noqa: BLE001 - what is looked for
        last = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in last if "/embzip/" in frame.filename] or last
        at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return f"other {type(error).__name__} at {at}: {str(error)[:200]!r}"
    if resealed:
        return "resealed"
    if kind.digests:
        return "same" if found == expected else "wrong it has digests, and says something else"
    if kind.own is None:
        return "same"
    tell("read")  # what follows is another library's
    try:
        owns = kind.own(entry)
    except Exception:  # noqa: BLE001 - other libraries raise anything
        return "alone"
    return "same" if kind.same(found, owns) else "wrong its own library reads something else"


def restored(kind: Kind, sample: Path, folder: Path) -> None:
    """Put the sample into the folder again: some readers write beside what they read."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sample, folder)


def run(
    kind: Kind,
    sample: Path,
    *,
    seed: int,
    first: int,
    last: int,
    tell: Tell,
    limited: bool = True,
) -> None:
    """Read the mutants from `first` to `last - 1`; the sample is made where there is none.

    With `limited`, the memory of this process stays limited afterwards.
    """
    if not sample.exists():
        making = Path(tempfile.mkdtemp(dir=sample.parent))
        kind.make(making)
        making.rename(sample)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "sample")
        restored(kind, sample, folder)
        expected = kind.read(folder / kind.entry)
        if kind.own is not None and not kind.same(expected, kind.own(folder / kind.entry)):
            raise SystemExit(f"{kind.name}: its own library reads another sample")
        if limited:
            _limit_memory()
        for index in range(first, last):
            path, content, resealed = mutant(kind, folder, seed, index)
            before = path.read_bytes()
            tell(f"begin {index}")
            path.write_bytes(content)
            tell(outcome(kind, folder / kind.entry, expected, resealed=resealed, tell=tell))
            if kind.name == "step":
                restored(kind, sample, folder)
            else:
                path.write_bytes(before)


def _limit_memory() -> None:
    with Path("/proc/self/statm").open() as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read the mutants that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind")
    parser.add_argument("sample", type=Path)
    for name in ("seed", "first", "last"):
        parser.add_argument(name, type=int)
    given = parser.parse_args()
    kind = next(each for each in kinds() if each.name == given.kind)

    quiet()
    told = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints

    def tell(line: str) -> None:
        print(line, file=told, flush=True)

    run(kind, given.sample, seed=given.seed, first=given.first, last=given.last, tell=tell)
    tell("end")


if __name__ == "__main__":
    main()
