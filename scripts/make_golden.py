"""Write the golden .embz files into tests/golden: one of every codec stage, some packed ones, two
classifiers, and beside each what it held when it was written.

Run by hand, never by a test: `python -m scripts.make_golden` writes the files that are missing. A
file that is there stays as it is, so that a change of the format or of a codec shows itself. Where
the change is meant, delete the files and make them anew: there is one version of the format, and
nothing was released in it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from embzip.classifier import Classifier, CnnConfig
from embzip.classifier.model import head_shapes
from embzip.classifier.text_digests import TextDigest
from embzip.classifier.training_record import TrainingRecord, TrainingRun
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
    "svd|coarse:4|tcq:2",
    "normalize|coarse:4|int4",
)
# In packed files of more rows than a block holds; rows of 12 columns have closed paths in `ectcq`.
PACKED = ("kmeans:5", "svd:8|ectcq:2", "svd:12|ectcq:2")
GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
FOLDER, PACKS = GOLDEN / "codecs", GOLDEN / "packed"
CLASSIFIER = GOLDEN / "classifier.embz"
ANYWHERE = GOLDEN / "anywhere.embz"  # what readers in other languages are compared with
TEXTS = ("wörd01 wörd07 unheard", "wörd11")
_OPTIONS: dict[str, Any] = {
    "training": TextDigest.of(TEXTS),
    "dev": TextDigest.of(["wörd39"]),
    "held_out": True,
    "epochs": 10,
    "best_epoch": 4,
    "batch_size": 64,
    "learning_rate": 0.001,
    "optimizer": "adam",
    "seed": 0,
}


def golden_words() -> WordTokenizer:
    """Return the tokenizer that stands in golden files."""
    return WordTokenizer([f"wörd{index:02}" for index in range(40)], Normalization())


def golden_table(spec: str) -> CompressedEmbedding:
    """Return the table that stands in a golden file."""
    words = golden_words()
    values = np.random.default_rng(0).normal(size=(42, 6)) * 2.0 ** -np.arange(6)
    return compress(Vectors(words.vocabulary, values.astype(np.float32), tokenizer=words), spec)


def packed_table(spec: str) -> CompressedEmbedding:
    """Return the table that stands in a packed golden file."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(0, 0.4, (600, 1)))
    return compress((rng.normal(size=(600, 12)) * lengths).astype(np.float32), spec)


def golden_classifier() -> Classifier:
    """Return the classifier that stands in a golden file."""
    rng = np.random.default_rng(0)
    config = CnnConfig(columns=6, max_length=8, filters=3, windows=(1, 2))
    arrays = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in head_shapes(config, 2).items()
    }
    table = golden_table("svd:4|int8")
    training = TrainingRecord((TrainingRun(**_OPTIONS, kind="train", patience=2, trainable=True),))
    training = training.then(TrainingRun(**_OPTIONS, kind="tune", params=True))
    return Classifier(
        table, ("animals", "people"), config, arrays, kernels="int8", training=training
    )


def golden_student() -> Classifier:
    """Return a classifier as distillation makes them: stems, `tcq`, kernels of four bits."""
    rng = np.random.default_rng(0)
    stems = [
        "plant",
        "reader",
        "walk",
        "winter",
        "election",
        "naïve",
        "ведомость",
        "λόγος",
        "हिन्दी",
        "한국어",
        "straße",
    ]
    words = sorted({stem + ending for stem in stems for ending in ("", "s", "er", "ς")} | {*"!?,"})
    tokenizer = WordTokenizer(words, Normalization(), stems=True)
    matrix = rng.normal(size=(len(words) + 2, 8)) * rng.gamma(1, size=(len(words) + 2, 1))
    matrix[0] = 0
    vectors = Vectors(tokenizer.vocabulary, matrix.astype(np.float32), tokenizer=tokenizer)
    config = CnnConfig(columns=8, max_length=9, filters=5, windows=(1, 2, 3))
    arrays = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in head_shapes(config, 3).items()
    }
    return Classifier(compress(vectors, "tcq:3"), ("a", "b", "c"), config, arrays, kernels="int4")


def answers_of(model: Classifier) -> list[dict[str, Any]]:
    """Return the ids and probabilities of texts that show each rule."""
    texts = [
        "Plants walk, readers!",
        "planting elections of WINTERS",
        "NAI\u0308VE Stra\u00dfe",
        "ВЕДОМОСТИ ведомостью",
        "ΛΌΓΟΣ λόγοσ ΛΌΓΟΣ?",
        "हिन्दी 한국어 \u1112\u1161\u11ab국어",
        "a\u200dwalk walk\u200d !\u0301",
        "",
        "walk " * 12 + "plant",
        "broken \ufffd and nul \x00",
    ]
    return [
        {"text": text, "ids": ids, "probabilities": [round(float(each), 6) for each in row]}
        for text, ids, row in zip(
            texts, model.tokenizer.encode(texts), model.probabilities(texts), strict=True
        )
    ]


def path_of(spec: str, folder: Path = FOLDER) -> Path:
    """Return a spec's golden file.

    >>> path_of("svd:5|tcq:2,states=8").name
    'svd-5+tcq-2_states-8.embz'
    """
    name = spec.replace("|", "+").replace(",", "_").replace(":", "-").replace("=", "-")
    return folder / f"{name}.embz"


def main() -> None:
    """Write each missing file, and beside it the rows it decodes to, or the probabilities."""
    for made, specs, folder in ((golden_table, SPECS, FOLDER), (packed_table, PACKED, PACKS)):
        folder.mkdir(exist_ok=True)
        for spec in specs:
            path = path_of(spec, folder)
            if not path.exists():
                table = made(spec)
                save(table, path, pack=folder == PACKS)
                np.save(path.with_suffix(".npy"), table.decode())
    if not CLASSIFIER.exists():
        model = golden_classifier()
        model.save(CLASSIFIER)
        np.save(CLASSIFIER.with_suffix(".npy"), model.probabilities(TEXTS))
    if not ANYWHERE.exists():
        model = golden_student()
        model.save(ANYWHERE)
        answers = json.dumps(answers_of(model), ensure_ascii=False, indent=1)
        ANYWHERE.with_suffix(".json").write_text(answers + "\n", "utf-8")


if __name__ == "__main__":
    main()
