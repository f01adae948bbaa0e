"""Word2vec by gensim, which nothing else imports: training, and vectors as KeyedVectors."""

from embzip.word2vec.training import to_gensim, train_vectors

__all__ = ["to_gensim", "train_vectors"]
