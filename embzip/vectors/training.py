"""Trains vectors on a corpus, one for each id of a tokenizer: by word2vec, or from counts (PPMI).

What the methods share is here: the corpus, the options, the rows of ids that were not met.
"""

from pathlib import Path

from embzip.corpus import read_texts
from embzip.files.lines import Errors
from embzip.labelled.columns import Columns
from embzip.seeds import check_seed
from embzip.sources import Corpus, Labelled, corpus_name
from embzip.tokenizers import load_tokenizer
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.reach import warn_unknown
from embzip.types import Progress
from embzip.vectors.base import Vectors
from embzip.vectors.options import Method, PpmiOptions, check_whole, options_of
from embzip.vectors.ppmi import ppmi_rows
from embzip.vectors.word2vec import word2vec_rows


def train_vectors(
    corpus: Corpus,
    tokenizer: Tokenizer | str | Path,
    *,
    method: Method = "ppmi",
    dim: int = 300,
    window: int = 5,
    epochs: int | None = None,
    sg: bool | None = None,
    negative: int | None = None,
    sample: float | None = None,
    smoothing: float | None = None,
    shift: int | None = None,
    exponent: float | None = None,
    workers: int = 1,
    seed: int = 0,
    labelled: Labelled = False,
    columns: Columns | None = None,
    errors: Errors = "strict",
    progress: Progress | None = None,
) -> Vectors:
    """Train vectors on texts; one row for each id of the tokenizer.

    `ppmi` counts once what stands near what, and factorizes the counts' positive pointwise mutual
    information. `word2vec` approaches that step by step, going through the corpus again and again
    (by gensim, negative sampling). Seven sets of texts showed no difference between classifiers of
    either, and ppmi takes seconds.

    A text of 10,000 tokens or more is split into several parts for word2vec, all of which are
    trained. Rare tokens are not dropped: the tokenizer has already chosen the vocabulary.

    Parameters
    ----------
    corpus
        One text file or several, one text per line; `-` is standard input. Or `Texts`.
    tokenizer
        A tokenizer, or the path of a tokenizer file.
    method
        `ppmi` or `word2vec`; an option of the other one is refused.
    dim
        Columns of the table. For ppmi at most as many as there are tokens that it learns of.
    window
        The largest number of context tokens on each side of a token.
    epochs
        Of word2vec: passes over the corpus; by default, and with 0, so many that ten million tokens
        are read, at least 5 and at most 30.
    sg
        Of word2vec: whether to train skip-gram, as by default; otherwise continuous bag of words
        (CBOW), which is faster.
    negative
        Of word2vec: tokens drawn at random for each token, which the model learns to tell from it;
        by default 5.
    sample
        Of word2vec: the share of the corpus above which occurrences of a token are left out at
        random; by default 0.001, and 0 leaves none out.
    smoothing
        Of ppmi: the power, 0 to 1, that the counts of contexts are raised to; by default 0.75.
        Less makes rare contexts weigh less.
    shift
        Of ppmi: its logarithm is subtracted from the mutual information; by default 1, nothing. It
        is word2vec's number of negative samples.
    exponent
        Of ppmi: the power, 0 to 1, that singular values are raised to; by default 0.5. With 0 all
        columns are equally long; with 1 the first are by far the longest.
    workers
        Threads of word2vec. With one, equal input gives equal bytes on one machine; several write
        to the table without locks, so that results differ from run to run. ppmi uses one, and
        whatever this is, its result is the same.
    seed
        From 0 to 2**32 - 1.
    labelled
        Which files are labelled, of which the text is read: all (True), none, or those of the
        corpus that are named here.
    columns
        Where label and text stand in labelled files; see `read_examples`.
    errors
        `strict` refuses invalid UTF-8, `replace` puts U+FFFD in its place and warns.
    progress
        Called with (steps done, steps), epochs of word2vec or iterations of ppmi; first with 0,
        once the corpus is tokenized.

    Returns
    -------
    Vectors
        With the tokenizer and the counts of its ids in this corpus. If the unknown id occurs in
        the corpus, it is trained like a token; otherwise its row is the mean of the trained rows.
        A token that does not occur in the corpus, or of which ppmi learns nothing since it stands
        beside none more often than by chance, gets the row of the unknown id. The rows of other
        special ids, such as padding, are zero.

    Warns
    -----
    UserWarning
        Where more than a fifth of the corpus' tokens are unknown to the tokenizer.

    Raises
    ------
    SpecError
        For an option out of range, or of the other method; for ppmi, more columns than tokens.
    InputError
        For a corpus that cannot be read, contains no token that the tokenizer knows, or has no
        token beside another: only one distinct token, or no text of two. For ppmi, where none
        stands beside another more often than by chance, or the pairs of tokens need more memory
        than there is.
    MissingPackageError
        Without gensim (word2vec) or threadpoolctl (ppmi).

    References
    ----------
    Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and
    their Compositionality. NeurIPS 2013.
    Levy, Goldberg: Neural Word Embedding as Implicit Matrix Factorization. NeurIPS 2014.
    Levy, Goldberg, Dagan: Improving Distributional Similarity with Lessons Learned from Word
    Embeddings. TACL 2015.

    Examples
    --------
    >>> import tempfile
    >>> from embzip.tokenizers.building import build_words
    >>> path = Path(tempfile.mkdtemp(), "corpus.txt")
    >>> _ = path.write_text("a cat and a dog\\n" * 50)
    >>> vectors = train_vectors(path, build_words(path), dim=4)
    >>> list(vectors.vocabulary), vectors.matrix.shape, vectors.counts.tolist()
    (['<PAD>', '<UNK>', 'a', 'and', 'cat', 'dog'], (6, 4), [0, 0, 100, 50, 50, 50])
    >>> train_vectors(path, build_words(path), method="word2vec", dim=4).dim
    4
    """
    options = options_of(
        method,
        {
            "dim": dim, "window": window, "epochs": epochs, "sg": sg, "negative": negative,
            "sample": sample, "smoothing": smoothing, "shift": shift, "exponent": exponent,
        },
    )  # fmt: skip
    check_whole("workers", workers)
    check_seed(seed)
    known: Tokenizer = load_tokenizer(tokenizer) if isinstance(tokenizer, str | Path) else tokenizer
    texts = read_texts(corpus, labelled=labelled, errors=errors, columns=columns)
    where = corpus_name(corpus)
    if isinstance(options, PpmiOptions):
        rows = ppmi_rows(texts, known, options, where=where, seed=seed, progress=progress)
    else:
        rows = word2vec_rows(
            texts, known, options, where=where, workers=workers, seed=seed, progress=progress
        )
    vectors = Vectors(known.vocabulary, rows.completed(known.vocabulary), rows.counts, known)
    warn_unknown(
        vectors.unknown_rate or 0.0,
        where,
        "build a tokenizer on this corpus, with a lower --min-count or a larger --max-vocab",
    )
    return vectors
