"""Trains word2vec vectors on a corpus, one for each id of a tokenizer.

The corpus is tokenized once, as a stream, into a temporary file, which gensim's fast path reads in
every epoch. Foreign vectors are read by `reading`, never by gensim, whose own format is a pickle.
"""

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.corpus import Labelled, Paths, corpus_name, read_texts
from embzip.errors import InputError, MissingPackageError, OutputError, SpecError
from embzip.files.lines import Errors
from embzip.files.writing import temporary_folder
from embzip.seeds import check_seed
from embzip.tokenizers import load_tokenizer
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.reach import warn_unknown
from embzip.types import Matrix, Progress
from embzip.vectors.base import Table, Vectors, vectors_of
from embzip.vectors.id_file import GROUP, IdFile, write_ids
from embzip.vectors.matrix import mean_row
from embzip.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


def train_vectors(
    corpus: Paths,
    tokenizer: Tokenizer | str | Path,
    *,
    dim: int = 300,
    epochs: int = 5,
    window: int = 5,
    sg: bool = False,
    negative: int = 5,
    sample: float = 1e-3,
    workers: int | None = None,
    seed: int = 0,
    deterministic: bool = False,
    labelled: Labelled = False,
    errors: Errors = "strict",
    progress: Progress | None = None,
) -> Vectors:
    """Train word2vec with negative sampling; one row for each id of the tokenizer.

    A text of 10,000 tokens or more is split into several parts, all of which are trained. Rare
    tokens are not dropped: the tokenizer has already chosen the vocabulary.

    Parameters
    ----------
    corpus
        One text file or several, one text per line; `-` is standard input.
    tokenizer
        A tokenizer, or the path of a tokenizer file.
    dim
        Columns of the table.
    epochs
        Passes over the corpus.
    window
        The largest number of context tokens on each side of a token.
    sg
        Whether to train skip-gram; otherwise continuous bag of words (CBOW), which is faster.
    negative
        Tokens drawn at random for each token, which the model learns to tell from it.
    sample
        The share of the corpus above which occurrences of a token are left out at random; 0 leaves
        none out.
    workers
        Threads; by default one for each available core.
    seed
        From 0 to 2**32 - 1.
    deterministic
        Whether to train in one thread, so that equal input gives equal bytes on one machine.
        Several threads write to the table without locks: results differ from run to run.
    labelled
        Which files hold `label<TAB>text` lines, of which the text is read: all (True), none, or
        those of the corpus that are named here.
    errors
        `strict` refuses invalid UTF-8, `replace` puts U+FFFD in its place and warns.
    progress
        Called with (epochs done, epochs); first with 0, once the corpus is tokenized.

    Returns
    -------
    Vectors
        With the tokenizer and the counts of its ids in this corpus. If the unknown id occurs in
        the corpus, it is trained like a token; otherwise its row is the mean of the trained rows.
        A token that does not occur in the corpus gets the row of the unknown id, since nothing
        else is known about it. The rows of other special ids, such as padding, are zero.

    Warns
    -----
    UserWarning
        Where more than a fifth of the corpus' tokens are unknown to the tokenizer.

    Raises
    ------
    SpecError
        For an option out of range.
    InputError
        For a corpus that cannot be read, contains no token that the tokenizer knows, or has no
        token beside another: only one distinct token, or no text of two.
    MissingPackageError
        Without gensim.

    References
    ----------
    Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and
    their Compositionality. NeurIPS 2013.

    Examples
    --------
    >>> import tempfile
    >>> from embzip.tokenizers.building import build_words
    >>> path = Path(tempfile.mkdtemp(), "corpus.txt")
    >>> _ = path.write_text("a cat and a dog\\n" * 50)
    >>> vectors = train_vectors(path, build_words(path), dim=8, deterministic=True)
    >>> list(vectors.vocabulary), vectors.matrix.shape, vectors.counts.tolist()
    (['<PAD>', '<UNK>', 'a', 'and', 'cat', 'dog'], (6, 8), [0, 0, 100, 50, 50, 50])
    """
    counts_given = {"dim": dim, "epochs": epochs, "window": window, "negative": negative}
    for name, option in counts_given.items():
        _check_whole(name, option, 1, 65_536 if name == "dim" else 2**31 - 1)
    if not 0 <= sample <= 1:
        raise SpecError(f"sample must lie in 0..1, received {sample}")
    check_seed(seed)
    if workers is not None:
        _check_whole("workers", workers, 1, 1024)
    if deterministic and workers not in (None, 1):
        raise SpecError(
            f"deterministic training uses one thread, received workers={workers}: leave out one "
            "of the two options"
        )
    _gensim()
    chosen: Tokenizer = (
        load_tokenizer(tokenizer) if isinstance(tokenizer, str | Path) else tokenizer
    )
    texts = read_texts(corpus, labelled=labelled, errors=errors)
    if progress is not None:
        progress(0, epochs)
    with temporary_folder() as folder:
        tokenized = folder / "ids.txt"
        try:
            with tokenized.open("wb") as file:
                ids = IdFile(file, len(chosen.vocabulary))
                counts = write_ids(texts, chosen, ids)
                threads = ids.finish(1 if deterministic else workers or _cores())
        except OSError as error:
            if error.errno is None or error.filename is not None:
                raise
            raise OutputError(
                f"{tokenized}: writing the tokenized corpus failed ({error.strerror}): free some "
                "space, or set TMPDIR to a folder on another disk"
            ) from error
        _check_learnable(counts, ids.longest, chosen.vocabulary, corpus_name(corpus))
        options = {
            "vector_size": dim, "epochs": epochs, "window": window, "sg": int(sg), "seed": seed,
            "workers": threads, "negative": negative, "sample": sample,
        }  # fmt: skip
        trained = _train(tokenized, counts, ids, options, progress)
    matrix = _all_rows(trained, counts, chosen.vocabulary)
    vectors = Vectors(chosen.vocabulary, matrix, counts, chosen)
    warn_unknown(
        vectors.unknown_rate or 0.0,
        corpus_name(corpus),
        "build a tokenizer on this corpus, with a lower --min-count or a larger --max-vocab",
    )
    return vectors


def to_gensim(vectors: Table) -> "KeyedVectors":
    """Return the rows that are not special as gensim's KeyedVectors.

    With counts, if they are known, and then the most frequent first, as gensim expects.

    Raises
    ------
    MissingPackageError
        Without gensim.
    InputError
        If every row is special.

    Examples
    --------
    >>> from embzip.vocabulary import Vocabulary
    >>> keyed = to_gensim(Vectors(Vocabulary(["sea", "ship"]), np.eye(2)))
    >>> keyed["ship"].tolist()
    [0.0, 1.0]
    """
    gensim = _gensim()
    vectors = vectors_of(vectors)
    ids = vectors.by_falling_count()
    if not len(ids):
        raise InputError(
            "special rows are not passed to gensim, and every row of this table is special"
        )
    keyed = gensim.models.KeyedVectors(vector_size=vectors.dim)
    tokens = [vectors.vocabulary.token(i) for i in ids.tolist()]
    keyed.add_vectors(tokens, vectors.matrix[ids])
    if vectors.counts is not None:
        for token, count in zip(tokens, vectors.counts[ids].tolist(), strict=True):
            keyed.set_vecattr(token, "count", count)
    return keyed


def _gensim() -> Any:  # gensim carries no types
    try:
        import gensim
    except ImportError as error:
        raise MissingPackageError(
            "word2vec needs gensim, which is not installed: `pip install 'gensim>=4.4'`, or "
            "`uv sync --extra train` in a checkout"
        ) from error
    return gensim


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_whole(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SpecError(f"{name} must be a whole number in {least}..{most}, received {value!r}")


def _check_learnable(
    counts: NDArray[np.int64], longest: int, vocabulary: Vocabulary, where: str
) -> None:
    """Refuse a corpus from which no row is learned."""
    unk_id = vocabulary.unk_id
    if counts.sum() == (0 if unk_id is None else counts[unk_id]):
        raise InputError(
            f"{where}: expected text with tokens that the tokenizer knows, found "
            + (f"{counts.sum()} tokens, all unknown" if counts.any() else "no tokens")
            + ": does the tokenizer belong to this corpus?"
        )
    met = np.flatnonzero(counts)
    if len(met) == 1 or longest == 1:
        only = f"only {vocabulary.token(int(met[0]))!r}" if len(met) == 1 else "texts of one token"
        raise InputError(
            f"{where}: a row is learned from the other tokens of its texts, which need at least "
            f"two different ones, found {only}: add texts"
        )


def _hash_token(token: str) -> int:
    """Return a hash that is the same in every process, unlike the built-in one."""
    return zlib.crc32(token.encode())


def _train(
    tokenized: Path,
    counts: NDArray[np.int64],
    ids: IdFile,
    options: dict[str, Any],
    progress: Progress | None,
) -> Any:  # gensim's KeyedVectors, its keys the ids as text
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    epochs = options["epochs"]

    class Reporter(CallbackAny2Vec):  # type: ignore[misc]  # untyped base
        done = 0

        def on_epoch_end(self, model: object) -> None:
            self.done += 1
            if progress is not None:
                progress(self.done, epochs)

    model = Word2Vec(min_count=1, hashfxn=_hash_token, **options)
    # By falling count, then by id: the order decides the initial values.
    order = np.argsort(-counts, kind="stable")
    frequencies = {str(index): int(counts[index]) for index in order.tolist() if counts[index]}
    model.build_vocab_from_freq(frequencies, corpus_count=ids.lines)
    model.train(
        corpus_file=str(tokenized),
        total_examples=ids.lines,
        # A thread stops once it has read more than its share; 1 less ends it at its last line.
        total_words=ids.groups * GROUP - 1,
        epochs=epochs,
        callbacks=[Reporter()],
    )
    return model.wv


def _all_rows(trained: Any, counts: NDArray[np.int64], vocabulary: Vocabulary) -> Matrix:
    """Return the rows in id order, including those of ids that were not trained."""
    seen = np.flatnonzero(counts)
    matrix = np.zeros((len(vocabulary), trained.vector_size), np.float32)
    matrix[seen] = trained.vectors[[trained.key_to_index[str(index)] for index in seen.tolist()]]
    unk_id = vocabulary.unk_id
    trained_unk = unk_id is not None and counts[unk_id] > 0
    unknown = matrix[unk_id] if trained_unk else mean_row(matrix, seen)
    unseen = counts == 0
    unseen[[index for index in vocabulary.special_ids if index != unk_id]] = False
    matrix[unseen] = unknown
    return matrix
