"""Float32 rows with a vocabulary: read, written, trained by gensim, pruned, transferred."""
