"""Corpus -> tokenizer: counts words, or trains byte-pair pieces, and writes the file.

What the tokenizers do is the business of `words.py` and `bpe.py`; how a BPE model is trained, of
`bpe_training.py`.
"""

import re
import warnings
from collections import Counter
from itertools import chain
from pathlib import Path

from embzip.corpus import Errors, Paths, corpus_name, read_texts
from embzip.engine import count_texts
from embzip.errors import InputError, TokenizerError
from embzip.tokenizers.base import Normalization, UnicodeForm, reported
from embzip.tokenizers.bpe import BpeTokenizer
from embzip.tokenizers.bpe_training import Engine, check_options, train
from embzip.tokenizers.words import WORD, WordTokenizer
from embzip.tokenizers.yttm_model import with_record
from embzip.types import Progress
from embzip.vocabulary import most_frequent


def build_words(
    corpus: Paths,
    output: str | Path | None = None,
    *,
    min_count: int = 2,
    max_vocab: int = 220_000,
    lowercase: bool = True,
    unicode: UnicodeForm = "NFC",
    labelled: bool = False,
    errors: Errors = "strict",
    progress: Progress | None = None,
) -> WordTokenizer:
    """Count the words of a corpus and keep the most frequent.

    The corpus is streamed; memory grows with the number of distinct words only.

    Parameters
    ----------
    corpus
        One text file or several, a text a line; `-` is standard input.
    output
        Where to write the tokenizer; None writes nothing.
    min_count
        Words that stand less often are unknown.
    max_vocab
        At most so many words, not counting the padding and unknown ids. Words of equal count
        are kept in code point order.
    lowercase, unicode
        The normalization, which travels with the tokenizer.
    labelled
        Whether lines are `label<TAB>text`.
    errors
        `strict` refuses invalid UTF-8, `replace` puts U+FFFD in its place and warns.
    progress
        Called with (bytes read, bytes in all).

    Raises
    ------
    InputError
        For a corpus that cannot be read, or holds no word.
    TokenizerError
        For options out of range, or where no word is frequent enough.

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
    normalization = Normalization.from_json(
        {"lowercase": lowercase, "unicode": unicode}, "the options"
    )

    def words_of(texts: list[str]) -> Counter[str]:
        # Lazily: a corpus may be one line, whose words would not fit as a list.
        found = (WORD.finditer(normalization.apply(text)) for text in texts)
        return Counter(map(re.Match.group, chain.from_iterable(found)))

    texts = read_texts(corpus, labelled=labelled, errors=errors)
    counts = count_texts(words_of, reported(texts, corpus, progress))
    if not counts:
        raise InputError(f"{corpus_name(corpus)}: expected text, found no word in it")
    words = most_frequent(counts, min_count=min_count, max_tokens=max_vocab)
    if not words:
        raise TokenizerError(
            f"{corpus_name(corpus)}: no word stands {min_count} times or more: lower min_count"
        )
    words.sort()
    kept = [counts[word] for word in words]
    tokenizer = WordTokenizer(words, normalization, [0, counts.total() - sum(kept), *kept])
    if output is not None:
        tokenizer.save(output)
    return tokenizer


def build_bpe(
    corpus: Paths,
    output: str | Path | None = None,
    *,
    vocab: int = 30_000,
    coverage: float = 1.0,
    threads: int | None = None,
    lowercase: bool = True,
    unicode: UnicodeForm = "NFC",
    engine: Engine = "youtokentome",
    labelled: bool = False,
    errors: Errors = "strict",
    memory: int | None = None,
    progress: Progress | None = None,
) -> BpeTokenizer:
    """Train a BPE model on a corpus, in a child process.

    Parameters
    ----------
    corpus
        One text file or several, a text a line; `-` is standard input.
    output
        Where to write the model; None writes nothing.
    vocab
        The number of pieces, with the alphabet and 4 special ids; at most 2**24. A warning says
        so where the corpus has too few.
    coverage
        The share of the corpus' characters that the alphabet covers; the rarest become unknown.
    threads
        For training, 1 to 256 (youtokentome uses 8 at most); None takes one a core.
    lowercase, unicode
        The normalization, which travels with the model.
    engine
        `youtokentome`, or `tokenizers` where that cannot be built; the file's format is the same.
    labelled
        Whether lines are `label<TAB>text`.
    errors
        `strict` refuses invalid UTF-8, `replace` puts U+FFFD in its place and warns.
    memory
        How many bytes training may use; None takes what is free. Training takes about 50 bytes
        for a byte of text; of a larger corpus a sample of the lines is taken, with a warning.
    progress
        Called with (bytes read, bytes in all) while the text is prepared.

    Returns
    -------
    BpeTokenizer
        Its `reproducible` says whether the same corpus gives the same ids again: youtokentome
        does so only when built with `-DDETERMINISTIC_QUEUE`.

    Raises
    ------
    InputError
        For a corpus that cannot be read, or holds no text.
    TokenizerError
        For options out of range, a vocabulary below the alphabet, or a failed training.
    MissingPackageError
        Where the engine is not installed.
    OutputError
        Where a file cannot be written; an old one is untouched.

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
    normalization = Normalization.from_json(
        {"lowercase": lowercase, "unicode": unicode}, "the options"
    )
    where = corpus_name(corpus)
    texts = reported(read_texts(corpus, labelled=labelled, errors=errors), corpus, progress)
    trained = train(
        map(normalization.apply, texts),
        where,
        vocab=vocab,
        coverage=coverage,
        threads=threads,
        engine=engine,
        memory=memory,
    )
    if trained.sampled < 1:
        warnings.warn(
            f"{where}: training on all of it would exceed the memory: {trained.sampled:.1%} of "
            "its lines, chosen at random with a fixed seed, were used",
            stacklevel=2,
        )
    rows = len(trained.model.pieces())
    if rows < vocab:
        warnings.warn(
            f"{where}: {vocab} pieces were asked for, but the corpus has only {rows} to offer: "
            f"the vocabulary has {rows}",
            stacklevel=2,
        )
    record = {
        **normalization.to_json(),
        "engine": engine,
        "reproducible": trained.reproducible,
        "sampled": trained.sampled,
    }
    content = with_record(trained.model.to_bytes(), record)
    tokenizer = BpeTokenizer(trained.model, normalization, content)
    if output is not None:
        tokenizer.save(output)
    return tokenizer
