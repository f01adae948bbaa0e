"""Make a table of RESULTS.md anew.

    python -m scripts.results encoders sparse
    python -m scripts.results encoders -- data/r8/train.tsv.xz --epochs 3

A table stands between `<!-- results:NAME COMMIT COMMAND -->` and `<!-- /results:NAME -->`. The
command is run in the folder it was typed in, with what stands behind `--` in place of its own
arguments, and what it prints goes between the markers. A command that fails changes nothing.
"""

import argparse
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from embzip.files.writing import write_bytes

PAGE = Path(__file__).parent / "RESULTS.md"
BLOCK = re.compile(
    r"^<!-- results:(?P<name>\S+) (?P<commit>\S+) (?P<command>[^\n]+) -->\n"
    r"(?:Made by [^\n]+\n\n)?(?P<printed>.*?)\n<!-- /results:(?P=name) -->$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One table of the page: how it was made, and what was printed."""

    name: str
    commit: str
    command: str
    printed: str

    def __str__(self) -> str:
        return (
            f"<!-- results:{self.name} {self.commit} {self.command} -->\n"
            f"Made by `{self.command}`, commit {self.commit}:\n\n"
            f"{self.printed.strip()}\n<!-- /results:{self.name} -->"
        )


def blocks(page: str) -> dict[str, Block]:
    """Return the blocks of a page by name, in its order.

    >>> blocks(str(Block("one", "abc1234", "python -m scripts.one", "| 1 |")))["one"].printed
    '| 1 |'
    """
    return {found["name"]: Block(**found.groupdict()) for found in BLOCK.finditer(page)}


def refresh(
    path: Path, name: str, arguments: list[str] | None = None, *, commit: str | None = None
) -> Block:
    """Run the command of a block anew, and write what it prints into the page.

    Parameters
    ----------
    path
        The page.
    name
        The block's name.
    arguments
        What the module is called with; by default, what it was called with before.
    commit
        Of the checkout; by default as it is when the command has ended.

    Raises
    ------
    subprocess.CalledProcessError
        Where the command fails; the page is as it was.
    """
    page = path.read_text("utf-8")
    known = blocks(page)
    if name not in known:
        raise SystemExit(f"{path}: no block {name}; there are {', '.join(known)}")
    command = known[name].command
    if arguments is not None:
        command = f"{' '.join(command.split()[:3])} {shlex.join(arguments)}".strip()
    # The shell expands patterns; `python` is the one that runs this.
    ours = f"{shlex.quote(sys.executable)} {command.removeprefix('python ')}"
    done = subprocess.run(ours, shell=True, check=True, stdout=subprocess.PIPE, text=True)
    block = Block(name, commit or _commit(), command, done.stdout)
    page = path.read_text("utf-8")  # others may have been made meanwhile
    made = BLOCK.sub(lambda found: str(block) if found["name"] == name else found[0], page)
    write_bytes(path, made.encode())
    return block


def _commit() -> str:
    """Return the short commit of this checkout, with `-dirty` where files differ from it."""
    command = ["git", "-C", str(PAGE.parent), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main() -> None:
    """Refresh blocks, in their order, and print each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help=", ".join(blocks(PAGE.read_text("utf-8"))))
    parser.add_argument("--page", type=Path, default=PAGE)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:end])
    arguments = words[end + 1 :] if end < len(words) else None
    if arguments is not None and len(given.names) > 1:
        parser.error("arguments behind -- are those of one command: name one block")
    commit = _commit()  # before a block that was written makes it dirty
    for name in given.names:
        print(refresh(given.page, name, arguments, commit=commit), flush=True)


if __name__ == "__main__":
    main()
