"""Builds tokenizers from a corpus: counts words, or trains byte pairs, and writes the file.

The tokenizers themselves are in `words.py` and `bpe.py`, BPE training is in `bpe_training.py`.
"""

import re
import warnings
from collections import Counter
from itertools import chain
from pathlib import Path

from embzip.corpus import read_texts
from embzip.engine import count_texts
from embzip.errors import InputError, TokenizerError
from embzip.files.lines import Errors
from embzip.labelled.columns import Columns
from embzip.sources import Corpus, Labelled, corpus_name
from embzip.tokenizers.base import Normalization, UnicodeForm
from embzip.tokenizers.bpe import BpeTokenizer
from embzip.tokenizers.bpe_training import Engine, check_options, train
from embzip.tokenizers.reporting import reported
from embzip.tokenizers.word_pattern import word_pattern
from embzip.tokenizers.words import WordTokenizer
from embzip.tokenizers.yttm_model import with_record
from embzip.types import Progress
from embzip.vocabulary import most_frequent


def build_words(
    corpus: Corpus,
    output: str | Path | None = None,
    *,
    min_count: int = 2,
    max_vocab: int = 220_000,
    lowercase: bool = True,
    unicode: UnicodeForm = "NFC",
    labelled: Labelled = False,
    columns: Columns | None = None,
    errors: Errors = "strict",
    progress: Progress | None = None,
) -> WordTokenizer:
    """Count the words of a corpus and keep the most frequent ones.

    The corpus is streamed; different words that would take more than a quarter of the free memory
    are counted on disk, with the same result.

    Parameters
    ----------
    corpus
        One text file or several, one text per line; `-` is standard input. Or `Texts`.
    output
        Where to write the tokenizer; None writes nothing.
    min_count
        Words that occur less often become unknown.
    max_vocab
        The largest number of words, without the padding and unknown ids. Of equally frequent
        words, the first in code point order are kept.
    lowercase, unicode
        The normalization, which is stored with the tokenizer.
    labelled
        Which files are labelled, of which the text is read: all (True), none, or those of the
        corpus that are named here.
    columns
        Where label and text stand in labelled files; see `read_examples`.
    errors
        `strict` refuses invalid UTF-8, `replace` puts U+FFFD in its place and warns.
    progress
        Called with (bytes read, total bytes).

    Raises
    ------
    InputError
        For a corpus that cannot be read, or contains no word.
    TokenizerError
        For options out of range, or if no word is frequent enough.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "corpus.txt")
    >>> _ = path.write_text("a cat and a dog\\nthe cat\\n")
    >>> tokenizer = build_words(path, min_count=2)
    >>> list(tokenizer.vocabulary), tokenizer.counts.tolist()
    (['<PAD>', '<UNK>', 'a', 'cat'], [0, 3, 2, 2])
    """
    if min_count < 1:
        raise TokenizerError(f"min_count must be at least 1, received {min_count}")
    if max_vocab < 1:
        raise TokenizerError(f"max_vocab must be at least 1, received {max_vocab}")
    normalization = Normalization.of(lowercase, unicode)

    def words_of(texts: list[str]) -> Counter[str]:
        # A corpus may be a single line, whose words would not fit into memory as a list.
        applied = map(normalization.apply, texts)
        found = (word_pattern(text).finditer(text) for text in applied)
        return Counter(map(re.Match.group, chain.from_iterable(found)))

    texts = read_texts(corpus, labelled=labelled, errors=errors, columns=columns)
    with count_texts(words_of, reported(texts, progress)) as counts:
        if not counts.total:
            raise InputError(f"{corpus_name(corpus)}: expected text, found no words")
        kept = most_frequent(counts.items(), min_count=min_count, max_tokens=max_vocab)
    if not kept:
        raise TokenizerError(
            f"{corpus_name(corpus)}: no word occurs {min_count} times or more: lower min_count"
        )
    words = sorted(kept)
    unknown = counts.total - sum(kept.values())
    occurs = [0, unknown, *(kept[word] for word in words)]
    tokenizer = WordTokenizer(words, normalization, occurs)
    if output is not None:
        tokenizer.save(output)
    return tokenizer


def build_bpe(
    corpus: Corpus,
    output: str | Path | None = None,
    *,
    vocab: int = 30_000,
    coverage: float = 1.0,
    threads: int | None = None,
    lowercase: bool = True,
    unicode: UnicodeForm = "NFC",
    engine: Engine = "youtokentome",
    labelled: Labelled = False,
    columns: Columns | None = None,
    errors: Errors = "strict",
    memory: int | None = None,
    progress: Progress | None = None,
) -> BpeTokenizer:
    """Train a BPE model on a corpus, in a child process.

    Parameters
    ----------
    corpus
        One text file or several, one text per line; `-` is standard input. Or `Texts`.
    output
        Where to write the model; None writes nothing.
    vocab
        The number of pieces, including the alphabet and 4 special ids; at most 2**24. If the
        corpus yields fewer, a warning says so.
    coverage
        The share of the corpus' characters that the alphabet covers; the rarest become unknown.
    threads
        Threads for training, 1 to 256 (youtokentome uses at most 8); None uses one per core.
    lowercase, unicode
        The normalization, which is stored with the model.
    engine
        `youtokentome`, or `tokenizers` if that cannot be installed; the file format is the same.
    labelled
        Which files are labelled, of which the text is read: all (True), none, or those of the
        corpus that are named here.
    columns
        Where label and text stand in labelled files; see `read_examples`.
    errors
        `strict` refuses invalid UTF-8, `replace` puts U+FFFD in its place and warns.
    memory
        How many bytes training may use; None uses what is free. Training takes about 50 bytes
        per byte of text. If the corpus is too large, its words are counted, and training reads
        each in proportion to its count; so it does on a cluster, which counts.
    progress
        Called with (bytes read, total bytes) while the text is prepared.

    Returns
    -------
    BpeTokenizer
        Its `reproducible` says whether the same corpus gives the same ids again: youtokentome
        does so only when built with `-DDETERMINISTIC_QUEUE`.

    Raises
    ------
    InputError
        For a corpus that cannot be read, or contains no text.
    TokenizerError
        For options out of range, a vocabulary smaller than the alphabet, or if training fails.
    MissingPackageError
        If the engine is not installed.
    OutputError
        If a file cannot be written; an existing file is left unchanged.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "corpus.txt")
    >>> _ = path.write_text("low lower lowest\\nnew newer newest\\n" * 3)
    >>> tokenizer = build_bpe(path, vocab=20)
    >>> len(tokenizer.vocabulary), tokenizer.decode(tokenizer.encode(["Newer low"])[0])
    (20, 'newer low')
    """
    check_options(vocab, coverage, threads, engine)
    normalization = Normalization.of(lowercase, unicode)
    where = corpus_name(corpus)
    read = read_texts(corpus, labelled=labelled, errors=errors, columns=columns)
    texts = reported(read, progress)
    trained = train(
        texts,
        where,
        normalization=normalization,
        vocab=vocab,
        coverage=coverage,
        threads=threads,
        engine=engine,
        memory=memory,
    )
    rows = len(trained.model.pieces())
    if rows < vocab:
        warnings.warn(
            f"{where}: {vocab} pieces were asked for, but the corpus yields only {rows}: the "
            f"vocabulary has {rows}",
            stacklevel=2,
        )
    record = {
        **normalization.to_json(),
        "engine": engine,
        "reproducible": trained.reproducible,
        "scaled": trained.scaled,
        "left_out": trained.left_out,
    }
    content = with_record(trained.model.to_bytes(), record)
    tokenizer = BpeTokenizer(trained.model, normalization, content)
    if output is not None:
        tokenizer.save(output)
    return tokenizer
