"""word2vec in rounds: gensim on shards of a corpus from common weights, which are then averaged.

Shards are trained one after another here, as they would be on machines of their own. It is not in
the library, since one process that learns as fast is as good in the same time: RESULTS.md, rounds.
"""

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.files.writing import temporary_folder
from embzip.types import Matrix
from embzip.vectors.id_file import GROUP

FIRST_RATE, LAST_RATE = 0.025, 0.0001  # gensim's own
Taken = list[list[float]]


@contextmanager
def training_by(train: Callable[..., Any]) -> Iterator[None]:
    """Let `train(plain, model, **options)` take the place of gensim's `model.train(**options)`."""
    from gensim.models import Word2Vec

    plain = Word2Vec.train
    Word2Vec.train = lambda model, **options: train(plain, model, **options)
    try:
        yield
    finally:
        Word2Vec.train = plain


def in_rounds(shards: int, seed: int, taken: Taken) -> Callable[..., None]:
    """Return what trains a model in rounds, one an epoch, and notes what each shard took.

    In a round each shard trains a copy of the model on its own tokens, ten thousand of every
    `shards` times as many. Then each row becomes the mean of its copies, weighted by how often the
    shards saw it: a token's own row by its occurrences, its output also by those where it is
    expected to be drawn as a negative sample. A mean of `shards` copies moves a row by so many
    times less than one after another would, so the learning rate is so many times gensim's.

    Parameters
    ----------
    taken
        Gets the CPU seconds of each shard, a list a round.

    References
    ----------
    McMahan, Moore, Ramage, Hampson, Agüera y Arcas: Communication-Efficient Learning of Deep
    Networks from Decentralized Data. AISTATS 2017.
    Ji, Satish, Li, Dubey: Parallelizing Word2Vec in Shared and Distributed Memory. 2016:
    the learning rate grows with the number of shards.
    """

    def train(
        plain: Any, model: Any, *, corpus_file: str, total_words: int, epochs: int, **_: Any
    ) -> None:
        tokens = Path(corpus_file).read_bytes()
        size = len(tokens) * GROUP // (total_words + 1)
        groups = [tokens[start : start + size] for start in range(0, len(tokens), size)]
        count = min(shards, len(groups))
        rates = np.linspace(count * FIRST_RATE, LAST_RATE, epochs + 1).tolist()
        for done in range(epochs):
            seconds, moves = [], []
            for index in range(count):
                start = time.process_time()
                draws = np.random.SeedSequence([seed, done, index]).generate_state(1)
                moves.append(
                    _shard(plain, model, groups[index::count], draws, rates[done : done + 2])
                )
                seconds.append(time.process_time() - start)
            rows, outputs = zip(*moves, strict=True)
            model.wv.vectors = _moved(model.wv.vectors, rows)
            model.syn1neg = _moved(model.syn1neg, outputs)
            taken.append(seconds)

    return train


Moves = tuple[Matrix, NDArray[np.float32]]  # (rows, dim), times the weights, (rows,)


def _shard(
    plain: Any, common: Any, groups: list[bytes], draws: NDArray[Any], rates: list[float]
) -> tuple[Moves, Moves]:
    """Train a copy on some groups; return how far rows and outputs moved, and their weights."""
    model = copy.copy(common)
    model.wv = copy.copy(model.wv)
    model.wv.vectors, model.syn1neg = model.wv.vectors.copy(), model.syn1neg.copy()
    model.random = np.random.RandomState(draws)
    model.min_alpha_yet_reached = rates[0]  # else gensim warns of rates that rise
    tokens = b"".join(groups)
    with temporary_folder() as folder:
        path = folder / "ids.txt"
        path.write_bytes(tokens)
        plain(
            model,
            corpus_file=str(path),
            total_examples=tokens.count(b"\n"),
            total_words=len(groups) * GROUP - 1,
            epochs=1,
            start_alpha=rates[0],
            end_alpha=rates[1],
        )
    rows, outputs = _seen(model, tokens)
    return (
        ((model.wv.vectors - common.wv.vectors) * rows[:, None], rows),
        ((model.syn1neg - common.syn1neg) * outputs[:, None], outputs),
    )


def _seen(model: Any, tokens: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how often each row, and each output, is expected to be trained on tokens."""
    rows = np.zeros(len(model.wv))
    for token, count in Counter(tokens.split()).items():
        row = model.wv.key_to_index.get(token.decode())
        if row is not None:  # else a filler
            rows[row] = count
    kept, drawn = model.wv.expandos["sample_int"] / 2**32, np.diff(model.cum_table, prepend=0)
    rows *= kept
    outputs = rows + model.negative * rows.sum() * drawn / model.cum_table[-1]
    return rows.astype(np.float32), outputs.astype(np.float32)


def _moved(common: Matrix, moves: tuple[Moves, ...]) -> Matrix:
    """Return common rows, each moved by the weighted mean; those that no shard saw as they are."""
    by = np.sum([moved for moved, _ in moves], axis=0)
    weights = np.sum([each for _, each in moves], axis=0)
    moved: Matrix = common + by / np.where(weights > 0, weights, 1).astype(np.float32)[:, None]
    return moved
