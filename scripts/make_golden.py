"""Write the golden .embz files that are missing into tests/golden: one of every codec stage.

Run by hand for a new stage, never by a test: `python -m scripts.make_golden`. What is there is
never rewritten, because old files must load for ever; version-1, version-2, ectcq-open (by an
embzip whose trellis paths were open) and ectcq-closed were made the same way.
"""

from pathlib import Path

import numpy as np

from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.embz.format import save
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors

SPECS = (
    "float32",
    "float16",
    "int8",
    "int8:scale=column",
    "int4",
    "int2",
    "int1",
    "kmeans:5",
    "sparse:2",
    "rows:5",
    "normalize|int4:scale=column",
    "pq:3,bits=2",
    "rq:2,bits=2",
    "opq:2,bits=2",
    "center|svd:4|float16",
    "topdim:1|int8",
    "svd|mixed:2",
    "svd|tcq:2",
    "svd:5|tcq:3.5,states=8,classes=4",
    "center|svd:4|ectcq:3",
    "svd|tcq:2,states=128",
    "svd:4,components=int8|int8",
)
FOLDER = Path(__file__).parent.parent / "tests" / "golden" / "codecs"


def golden_table(spec: str) -> CompressedEmbedding:
    """Return the table that stands in a golden file."""
    words = WordTokenizer([f"wörd{index:02}" for index in range(40)], Normalization())
    values = np.random.default_rng(0).normal(size=(42, 6)) * 2.0 ** -np.arange(6)
    return compress(Vectors(words.vocabulary, values.astype(np.float32), tokenizer=words), spec)


def path_of(spec: str) -> Path:
    """Return a spec's golden file.

    >>> path_of("svd:5|tcq:2,states=8").name
    'svd-5+tcq-2_states-8.embz'
    """
    name = spec.replace("|", "+").replace(",", "_").replace(":", "-").replace("=", "-")
    return FOLDER / f"{name}.embz"


def main() -> None:
    """Write each missing file, and beside it the rows it decodes to."""
    FOLDER.mkdir(exist_ok=True)
    for spec in SPECS:
        path = path_of(spec)
        if not path.exists():
            table = golden_table(spec)
            save(table, path)
            np.save(path.with_suffix(".npy"), table.decode())


if __name__ == "__main__":
    main()
