"""word2vec by gensim: from a tokenizer's ids to rows, and from a table to gensim's own.

The corpus is tokenized once, as a stream, into a temporary file, which gensim's fast path reads in
every epoch. Foreign vectors are read by `reading`, never by gensim, whose own format is a pickle.
"""

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, MissingPackageError, OutputError
from embzip.files.writing import temporary_folder
from embzip.tokenizers.base import Tokenizer
from embzip.types import Progress
from embzip.vectors.base import Table, vectors_of
from embzip.vectors.id_file import GROUP, IdFile, write_ids
from embzip.vectors.options import Word2vecOptions
from embzip.vectors.rows import TrainedRows, check_known
from embzip.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


def word2vec_rows(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    options: Word2vecOptions,
    *,
    where: str,
    workers: int,
    seed: int,
    progress: Progress | None = None,
) -> TrainedRows:
    """Train the rows of the ids that occur in texts, by negative sampling.

    What the options mean and what is raised, `embzip.train_vectors` says.

    Parameters
    ----------
    where
        The name of the corpus in messages.
    workers
        Threads at most; fewer where the texts are few.
    """
    gensim_package()
    with temporary_folder() as folder:
        tokenized = folder / "ids.txt"
        try:
            with tokenized.open("wb") as file:
                ids = IdFile(file, len(tokenizer.vocabulary))
                counts = write_ids(texts, tokenizer, ids)
                threads = ids.finish(workers)
        except OSError as error:
            if error.errno is None or error.filename is not None:
                raise
            raise OutputError(
                f"{tokenized}: writing the tokenized corpus failed ({error.strerror}): free some "
                "space, or set TMPDIR to a folder on another disk"
            ) from error
        check_known(counts, tokenizer.vocabulary, where)
        _check_beside(counts, ids.longest, tokenizer.vocabulary, where)
        keyed = _train(tokenized, counts, ids, options, threads, seed, progress)
    met = np.flatnonzero(counts)
    matrix = np.zeros((len(counts), options.dim), np.float32)
    matrix[met] = keyed.vectors[[keyed.key_to_index[str(index)] for index in met.tolist()]]
    return TrainedRows(matrix, counts > 0, counts)


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
    >>> from embzip.vectors.base import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> keyed = to_gensim(Vectors(Vocabulary(["sea", "ship"]), np.eye(2)))
    >>> keyed["ship"].tolist()
    [0.0, 1.0]
    """
    gensim = gensim_package()
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


def gensim_package() -> Any:  # gensim carries no types
    """Return gensim, or raise `MissingPackageError`."""
    try:
        import gensim
    except ImportError as error:
        raise MissingPackageError(
            "word2vec needs gensim, which is not installed: `pip install 'gensim>=4.4'`, or "
            "`uv sync --extra train` in a checkout"
        ) from error
    return gensim


def _check_beside(
    counts: NDArray[np.int64], longest: int, vocabulary: Vocabulary, where: str
) -> None:
    """Refuse a corpus without a token beside another."""
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
    options: Word2vecOptions,
    threads: int,
    seed: int,
    progress: Progress | None,
) -> Any:  # gensim's KeyedVectors, its keys the ids as text
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    epochs = options.passes(int(counts.sum()))
    if progress is not None:
        progress(0, epochs)

    class Reporter(CallbackAny2Vec):  # type: ignore[misc]  # untyped base
        done = 0

        def on_epoch_end(self, model: object) -> None:
            self.done += 1
            if progress is not None:
                progress(self.done, epochs)

    model = Word2Vec(
        vector_size=options.dim,
        epochs=epochs,
        window=options.window,
        sg=int(options.sg),
        negative=options.negative,
        sample=options.sample,
        min_count=1,
        hashfxn=_hash_token,
        workers=threads,
        seed=seed,
    )
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
