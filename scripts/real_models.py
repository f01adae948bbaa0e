"""The models of `check_real_models`: where packages have them, and inputs like those they are for.

Names, words and source code are real: where no one label is likely, any rounding moves labels.
"""

import csv
import lzma
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Inputs = Mapping[str, NDArray[Any]]

_SOURCES = (".py", ".c", ".mjs", ".md", ".toml")
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Model:
    """A model of a package.

    Attributes
    ----------
    path
        Within the unpacked package.
    inputs
        Makes inputs, by their names, from the folder of packages and a generator of random numbers.
    options
        What `embzip.rebuild_file` is told beside the codec.
    end
        Of the file that is written: ".keras", ".pb", or "" for a SavedModel.
    architecture
        Makes the model that a file of variables belongs to.
    """

    name: str
    path: str
    inputs: Callable[[Path, np.random.Generator], Inputs]
    end: str = ".keras"
    options: Mapping[str, Any] = field(default_factory=dict)
    architecture: Callable[[], Any] | None = None


def ids(rows: int, texts: int, length: int) -> Callable[[Path, np.random.Generator], Inputs]:
    """Return ids, those at the end of each text 0, as padding is."""

    def made(folder: Path, rng: np.random.Generator) -> Inputs:
        del folder
        drawn = rng.integers(1, rows, (texts, length))
        lengths = rng.integers(length // 3, length + 1, (texts, 1))
        return {"ids": np.where(np.arange(length) < lengths, drawn, 0).astype(np.int32)}

    return made


def pairs_of_letters(vocabulary: str) -> Callable[[Path, np.random.Generator], Inputs]:
    """Return ids of the pairs of letters in 2,048 names of Wikipedia, 0 before them.

    They are made as ethnicolr makes them.
    """

    def made(folder: Path, rng: np.random.Generator) -> Inputs:
        package = folder / "ethnicolr" / "ethnicolr"
        with (package / "models" / vocabulary).open(encoding="utf-8", newline="") as file:
            known = {row[0]: index for index, row in enumerate(list(csv.reader(file))[1:])}
        with (package / "data/wiki/wiki_name_race.csv").open(encoding="utf-8") as file:
            people = list(csv.DictReader(file))
        found = np.zeros((2048, 25), np.int32)
        for row, person in zip(found, rng.permutation(len(people)), strict=False):
            name = f"{people[person]['name_last']} {people[person]['name_first']}".title()
            pairs = [known.get(name[at : at + 2], 0) for at in range(len(name) - 1)][-25:]
            row[len(row) - len(pairs) :] = pairs
        return {"ids": found}

    return made


def names_of_people(folder: Path, rng: np.random.Generator) -> Inputs:
    """Return characters of names of two words, and the lengths of both."""
    del folder
    count, words, letters = 256, 2, 9
    return {
        "inputs/X": rng.integers(1, 137, (count, words, letters)).astype(np.int32),
        "inputs/word_lens": np.full(count, words, np.int32),
        "inputs/char_lens": rng.integers(3, letters + 1, count * words).astype(np.int32),
        "inputs/is_train": np.array(False),
    }


def stressed_words(folder: Path, rng: np.random.Generator) -> Inputs:
    """Return 2,048 words of Russian ads behind the end of the word before, letters as rows.

    The alphabet is russtress' own: three marks, of which the last parts words, and letters.
    """
    del folder
    letters = "'-_" + "".join(map(chr, range(ord("а"), ord("я") + 1))) + "ё"
    with lzma.open(_ROOT / "data/ru_avito/train.tsv.xz", "rt", encoding="utf-8") as file:
        pairs = re.findall(r"([а-яё]{2,}) ([а-яё]{3,20})\b", file.read().lower())
    several = sorted({p for p in pairs if len(re.findall("[аеиоуэюяыё]", p[1])) > 1})
    found = np.zeros((2048, 40, len(letters)), np.float32)
    for word, chosen in zip(found, rng.permutation(len(several)), strict=False):
        before, own = several[chosen]
        text = [letters.index(letter) for letter in f"{before[-3:]}_{own}"]
        word[np.arange(40 - len(text), 40), text] = 1
    return {"letters": found}


def characters(folder: Path, rng: np.random.Generator) -> Inputs:
    """Return characters around a place, and their types."""
    del folder
    return {
        "input_1": rng.integers(0, 178, (1024, 21)).astype(np.float32),
        "input_2": rng.integers(0, 12, (1024, 21)).astype(np.float32),
    }


def source_code(folder: Path, rng: np.random.Generator) -> Inputs:
    """Return pieces of this repository's own files, in several languages."""
    del folder
    folders = (_ROOT / name for name in ("corpora", "embzip", "scripts", "tests"))
    files = sorted(p for own in folders for p in own.rglob("*") if p.suffix in _SOURCES)
    texts = []
    for file in (files[i] for i in rng.permutation(len(files))[:200]):
        lines = file.read_text("utf-8").splitlines()
        texts.append("\n".join(lines[rng.integers(0, 1 + len(lines) // 2) :][:40]))
    return {"inputs": np.array(texts, object)}


def segmenter() -> Any:
    """Return the model of deepcut's variables: twelve convolutions over the characters of Thai."""
    import keras
    from keras import layers

    first, second = (keras.Input((21,), name=f"input_{n}") for n in (1, 2))
    rows = layers.Embedding(178, 32, name="embedding_1")(first)
    rows = layers.BatchNormalization(name="batch_normalization_1")(rows)
    found = []
    for width in range(1, 13):
        filters = 200 if width < 9 else 150 if width < 12 else 100
        seen = layers.Conv1D(filters, width, activation="relu", name=f"conv1d_{width}")(rows)
        few = layers.TimeDistributed(layers.Dense(5), name=f"time_distributed_{width}")(seen)
        found.append(layers.ZeroPadding1D((0, width - 1))(few))
    types = layers.Embedding(12, 12, name="embedding_2")(second)
    joined = layers.Concatenate()([rows, layers.Maximum()(found), types])
    flat = layers.Flatten()(layers.BatchNormalization(name="batch_normalization_2")(joined))
    hidden = layers.Dense(100, activation="relu", name="dense_13")(flat)
    end = layers.Dense(1, activation="sigmoid", name="dense_14")(hidden)
    return keras.Model([first, second], end)


MODELS = (
    Model("chicksexer", "chicksexer/chicksexer/models", names_of_people, ".pb",
          {"outputs": ["softmax_layer/Sigmoid"]}),
    Model("guesslang", "guesslang/guesslang/data/model", source_code, ""),
    Model("shakkala, second", "shakkala/shakkala/model/second_model6.h5", ids(149, 24, 315)),
    Model("shakkala, middle", "shakkala/shakkala/model/middle_model.h5", ids(149, 24, 315)),
    Model("shakkala, simple", "shakkala/shakkala/model/simple_model.h5", ids(149, 24, 495)),
    Model("russtress", "russtress/russtress/weights.96.hdf5", stressed_words),
    Model("deepcut", "deepcut/deepcut/weight/cnn_without_ne_ab.h5", characters,
          architecture=segmenter),
    Model("ethnicolr, voters",
          "ethnicolr/ethnicolr/models/nc_voter_reg/lstm/nc_voter_name_race_lstm_oversample.h5",
          pairs_of_letters("nc_voter_reg/lstm/nc_voter_name_race_vocab_oversample.csv")),
    Model("ethnicolr, wiki", "ethnicolr/ethnicolr/models/wiki/lstm/wiki_name_lstm.h5",
          pairs_of_letters("wiki/lstm/wiki_name_vocab.csv")),
)  # fmt: skip
