"""Trains a BPE model: normalized texts -> a YTTM model.

YouTokenToMe aborts the whole process on bad input and cannot be interrupted. So training runs in
a child process, which imports nothing but the trainer, on text that was checked here. The model is
written to its final file in `building.py`, and used in `bpe.py`.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from embzip.choices import unknown
from embzip.engine.clusters import active
from embzip.errors import (
    EmbzipError,
    InputError,
    MissingPackageError,
    OutputError,
    TokenizerError,
)
from embzip.files.writing import temporary_folder
from embzip.memory import available_memory
from embzip.tokenizers.base import Normalization
from embzip.tokenizers.word_counts import Scaled, scaled, word_counts
from embzip.tokenizers.yttm_model import MAX_PIECES, SEPARATORS, SPACE_MARK, YttmModel

Engine = Literal["youtokentome", "tokenizers"]
SPECIAL_IDS = 4
MAX_THREADS = 256
# Measured: 35 to 50 times the text, less for large corpora.
MEMORY_PER_BYTE = 50
# Long lines are broken at white space. The result of training is the same, and a text of one line
# can be sampled. A longer word is cut, which bounds the length of pieces.
_LINE = 10_000


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes
    ----------
    model
        Its pieces and merges.
    reproducible
        Whether the trainer gives the same model for the same text every time: False if two
        trainings on a small sample differed.
    scaled
        How often a word was given to the trainer for each time it was counted; 1.0 unless the text
        would not fit into memory.
    left_out
        The share of the running words that the trainer was not given: of the rarest.
    """

    model: YttmModel
    reproducible: bool
    scaled: float = 1.0
    left_out: float = 0.0


def check_options(vocab: int, coverage: float, threads: int | None, engine: str) -> None:
    """Raise `TokenizerError` for an option out of range, `MissingPackageError` for no engine."""
    if not SPECIAL_IDS < vocab <= MAX_PIECES:
        raise TokenizerError(
            f"vocab must lie in {SPECIAL_IDS + 1}..{MAX_PIECES}, received {vocab}: a usual value "
            "is 30000"
        )
    if not 0 < coverage <= 1:
        raise TokenizerError(
            "coverage, the share of the text's characters that the alphabet keeps, must be above 0 "
            f"and at most 1, received {coverage}"
        )
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise TokenizerError(f"threads must lie in 1..{MAX_THREADS}, received {threads}")
    if engine not in get_args(Engine):
        raise TokenizerError(unknown(engine, get_args(Engine), "engine"))
    if find_spec(engine) is None:
        raise MissingPackageError(
            "youtokentome is not installed: run `pip install cython setuptools wheel` and then "
            "`pip install --no-build-isolation youtokentome`, or pass --engine tokenizers"
        )


def train(
    texts: Iterable[str],
    where: str,
    *,
    normalization: Normalization,
    vocab: int,
    coverage: float,
    threads: int | None,
    engine: Engine,
    memory: int | None = None,
) -> Trained:
    """Train on texts in a child process.

    Parameters
    ----------
    texts
        Without lone surrogates; normalized, and streamed into a temporary file.
    where
        The name of the corpus in messages.
    vocab, coverage, threads, engine
        As in `build_bpe`, already checked.
    memory
        How many bytes training may use; None asks the system. If the text needs more, its words
        are counted, and given to the trainer less often, in proportion, the rarest not at all; see
        `word_counts.scaled`. On a cluster they are counted in any case.

    Raises
    ------
    InputError
        For a corpus without text.
    TokenizerError
        For a vocabulary smaller than the alphabet, or if training fails.
    OutputError
        If the temporary files, or the model, do not fit on the disk.
    """
    with temporary_folder() as folder:
        text_path = folder / "text.txt"
        model_path = folder / "model"
        allowed = available_memory() if memory is None else memory
        given: Scaled | None = None
        try:
            if active() is not None:
                with word_counts(texts, normalization) as counts:
                    given = scaled(counts, allowed)
            else:
                size, characters = _write(text_path, map(normalization.apply, texts))
                if size * MEMORY_PER_BYTE > allowed:
                    with (
                        text_path.open(encoding="utf-8", newline="\n") as lines,
                        word_counts(lines) as counts,
                    ):
                        given = scaled(counts, allowed)
            if given is not None:
                _, characters = _write(text_path, given.lines())
        except EmbzipError:
            raise  # it is about the corpus, and may be an OSError too
        except OSError as error:
            raise OutputError(
                f"{folder}: the temporary text for training cannot be written "
                f"({error.strerror}): free some space, or set TMPDIR to a folder on another disk"
            ) from error
        alphabet = covered_alphabet(characters, coverage)
        if not alphabet:
            blank = sum(characters[separator] for separator in SEPARATORS)
            if blank == characters.total():
                raise InputError(f"{where}: expected text, found only white space")
            blank_share = blank / characters.total()
            raise TokenizerError(
                f"{where}: a coverage of {coverage} leaves no character in the alphabet, since "
                f"white space alone covers {blank_share:.4f} of the text: raise --coverage above "
                "that, such as to 0.9995"
            )
        least = SPECIAL_IDS + 1 + len(alphabet)
        if vocab < least:
            raise TokenizerError(
                f"{where}: vocab must be at least {least}, for {len(alphabet)} distinct "
                f"characters, the word mark and {SPECIAL_IDS} special ids, received {vocab}: "
                "raise --vocab, or leave out rare characters with --coverage 0.9995"
            )
        count = min(8, os.cpu_count() or 1) if threads is None else threads
        reproducible = _run_child(engine, text_path, model_path, vocab, coverage, count, alphabet)
        try:
            model = YttmModel.parse(model_path.read_bytes(), f"training on {where}")
        except (TokenizerError, FileNotFoundError) as error:
            raise OutputError(
                f"training left no valid model ({error}): is the disk of {folder} full?"
            ) from error
    # YTTM writes its alphabet in hash table order, which varies.
    ordered = tuple(sorted(model.codepoints, key=lambda row: row[1]))
    trained = Trained(replace(model, codepoints=ordered), reproducible)
    if given is None:
        return trained
    return replace(trained, scaled=given.share, left_out=given.left_out)


def covered_alphabet(characters: Counter[str], coverage: float) -> list[str]:
    """Return the characters that YTTM keeps, the most frequent first.

    YTTM drops the rarest characters as long as the others make up more than `coverage` of the
    text. White space counts as text, but is never in the alphabet.

    >>> covered_alphabet(Counter("aaaa bbb c"), 0.8)
    ['a', 'b']
    """
    total = left = characters.total()
    rising = sorted((count, char) for char, count in characters.items() if char not in SEPARATORS)
    dropped = 0
    for count, _ in rising:
        if not left - count > total * coverage:
            break
        left -= count
        dropped += 1
    return [char for _, char in reversed(rising[dropped:])]


def _write(path: Path, texts: Iterable[str]) -> tuple[int, Counter[str]]:
    """Write one text per line, and return the bytes and the characters written."""
    counts = np.zeros(sys.maxunicode + 1, np.int64)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for block in _blocks(texts):
            file.write(block)
            codepoints = np.frombuffer(block.encode("utf-32-le"), "<u4")
            counts += np.bincount(codepoints, minlength=len(counts))
    characters = {chr(code): int(counts[code]) for code in np.flatnonzero(counts)}
    return path.stat().st_size, Counter(characters)


def _blocks(texts: Iterable[str]) -> Iterator[str]:
    """Yield the lines in blocks of about a megabyte."""
    lines: list[str] = []
    size = 0
    for text in texts:
        for line in _short_lines(text):
            lines.append(line)
            size += len(line) + 1
            if size > 1 << 20:
                yield "\n".join([*lines, ""])
                lines, size = [], 0
    yield "\n".join([*lines, ""])


def _short_lines(text: str) -> Iterator[str]:
    """Break a text at white space so that no line is too long; cut a word that is."""
    start = 0
    while len(text) - start > _LINE:
        end = start + _LINE
        space = max(text.rfind(separator, start + 1, end) for separator in SEPARATORS)
        end = end if space < 0 else space
        yield text[start:end]
        start = end
    yield text[start:]


def _run_child(
    engine: Engine,
    text: Path,
    model: Path,
    vocab: int,
    coverage: float,
    threads: int,
    alphabet: list[str],
) -> bool:
    request = {
        "text": str(text),
        "model": str(model),
        "vocab": vocab,
        "coverage": coverage,
        "threads": threads,
        "alphabet": alphabet,
        "space": SPACE_MARK,
        "separators": SEPARATORS,
    }
    source = Path(__file__).with_name(f"train_{engine}.py").read_text()
    # Passed by -c, not as a path: a script's own folder would come first on the import path.
    finished = subprocess.run(  # noqa: S603 (our own source; the text goes in a file)
        [sys.executable, "-c", source],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
        check=False,
    )
    if finished.returncode < 0:
        name = signal.Signals(-finished.returncode).name
        raise TokenizerError(
            f"the child process that trained with {engine} was ended by {name}"
            + (": is there too little memory for the corpus?" if name == "SIGKILL" else "")
        )
    if finished.returncode:
        last = finished.stderr.strip().splitlines()[-1:] or ["no message"]
        if last[0].startswith("OSError"):
            raise OutputError(
                f"training with {engine} cannot write ({last[0]}): is the disk of {text.parent} "
                "full?"
            )
        raise TokenizerError(f"training with {engine} failed: {last[0]}")
    return finished.stdout.split()[-1:] == ["reproducible"]
