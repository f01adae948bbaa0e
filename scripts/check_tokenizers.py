"""Whether tokenizers give the ids of the library that owns them, on real lines and hostile ones.

`python -m scripts.check_tokenizers data/tagmynews/train.tsv.xz data/ru_ok_toxic/train.tsv.xz ...`:
the texts of the files are the real lines, 100,000 of them; vocabularies are trained on 20,000 drawn
from all. A tokenizer is written into the bytes that a .embz file holds, and read from them, before
it is asked. Lone surrogates, which no library takes, are U+FFFD for the library.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import embzip
from embzip.tokenizers import tokenizer_from_bytes
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.bpe import BpeTokenizer
from embzip.tokenizers.hugging_face_form import hugging_face_form

Encode = Callable[[Sequence[str]], list[list[int]]]
_SIZE = 8000  # tokens of a vocabulary


def hostile_lines() -> list[str]:
    """Return texts that are no text of anybody's: all of Unicode, and what breaks readers."""
    rng = random.Random(0)
    every = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x30000))]
    odd = (
        "\x00\x1c\x1f\x85\xa0\u200b\u200c\u200d\u2028\u3000\ufeff\ufffd\u0301\u2581ΣσςßẞİıÅﬁ\ud800"
    )
    lines = [
        "",
        " ",
        "\t\n",
        "<PAD> <UNK> <s> </s> [UNK] [PAD] [CLS] ##a",
        "x" * 100_000,
        "\u2581" * 9,
    ]
    lines += ["".join(every[at : at + 40]) for at in range(0, len(every), 40)]
    for _ in range(5000):
        letters = rng.choices([*odd, *"aB1_.'- "], k=rng.randrange(1, 60))
        lines.append("".join(rng.choice(every) if rng.random() < 0.1 else c for c in letters))
    return lines


def clean(text: str) -> str:
    """Return a text that can be encoded as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def of_library(path: Path | str) -> Encode:
    """Return how the library tokenizers encodes by a tokenizer.json."""
    import tokenizers

    made = tokenizers.Tokenizer.from_file(str(path))
    return lambda texts: [made.encode(each, add_special_tokens=False).ids for each in texts]


def pairs(texts: list[str], folder: Path) -> Iterator[tuple[str, str, Tokenizer, Encode]]:
    """Yield a tokenizer's name, the library that owns it, the tokenizer, and the library's way."""
    corpus = embzip.Texts(texts)
    words = embzip.build_words(corpus, folder / "words.tsv")
    pieces = embzip.build_bpe(corpus, folder / "bpe.model", vocab=_SIZE)
    assert isinstance(pieces, BpeTokenizer)
    yield "YouTokenToMe", "youtokentome", pieces, yttm(folder / "bpe.model", pieces)
    for name, tokenizer in (("words", words), ("YouTokenToMe", pieces)):
        path = folder / "tokenizer.json"
        path.write_bytes(hugging_face_form(tokenizer).content)
        yield f"{name} as tokenizer.json", "tokenizers", tokenizer, of_library(path)
    for kind in ("WordPiece", "BPE", "Unigram"):
        path = folder / f"{kind}.json"
        train_hugging_face(kind, texts, path)
        yield f"{kind} of Hugging Face", "tokenizers", embzip.load_tokenizer(path), of_library(path)
    import sentencepiece

    for kind in ("unigram", "bpe"):
        path = folder / f"{kind}.model"
        with path.open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts), model_writer=file, vocab_size=_SIZE,
                model_type=kind, minloglevel=2, num_threads=1,
                hard_vocab_limit=kind == "bpe",
            )  # fmt: skip
        owner = sentencepiece.SentencePieceProcessor(model_file=str(path))
        encode = lambda each, owner=owner: [owner.encode(text) for text in each]  # noqa: E731
        yield f"sentencepiece, {kind}", "sentencepiece", embzip.load_tokenizer(path), encode
    yield from keras_layers(texts, folder / "layer.keras")


def yttm(path: Path, tokenizer: Tokenizer) -> Encode:
    """Return how youtokentome encodes what our normalization makes of texts."""
    import youtokentome

    model, apply = youtokentome.BPE(str(path), n_threads=1), tokenizer.normalization.apply
    ids = youtokentome.OutputType.ID
    return lambda texts: list(model.encode([apply(text) for text in texts], ids))


def train_hugging_face(kind: str, texts: list[str], path: Path) -> None:
    """Write a tokenizer.json with the parts that are usual for its model."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    special = ["[PAD]", "[UNK]", "[CLS]"]
    made: Any
    if kind == "WordPiece":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer, made.pre_tokenizer = (
            normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(),
        )  # fmt: skip
        trainer: Any = trainers.WordPieceTrainer(vocab_size=_SIZE, special_tokens=special)
    elif kind == "BPE":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=_SIZE, initial_alphabet=alphabet)
    else:
        made = Tokenizer(models.Unigram())
        made.normalizer, made.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=_SIZE, unk_token="[UNK]", special_tokens=special
        )
    trainer.show_progress = False
    made.train_from_iterator(texts, trainer)
    made.save(str(path))


def keras_layers(texts: list[str], path: Path) -> Iterator[tuple[str, str, Tokenizer, Encode]]:
    """Yield TextVectorization layers, saved in a model."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    for told, options in (
        ("", {}), (", 2-grams", {"ngrams": 2, "standardize": "lower"}),
        (", characters", {"split": "character", "standardize": None}),
    ):  # fmt: skip
        layer = keras.layers.TextVectorization(max_tokens=_SIZE, ragged=True, **options)
        layer.adapt([text for text in texts if len(text.splitlines()) < 2])
        keras.Sequential([keras.Input((), dtype="string"), layer]).save(path)
        owner = keras.saving.load_model(path).layers[0]
        encode = lambda each, owner=owner: owner(tf.constant(list(each))).to_list()  # noqa: E731
        yield f"TextVectorization{told}", "keras", embzip.load_tokenizer(path), encode


def differing(tokenizer: Tokenizer, encode: Encode, texts: Sequence[str]) -> int:
    """Return how many texts get other ids from the tokenizer than from its library."""
    wrong = 0
    for first in range(0, len(texts), 5000):
        block = texts[first : first + 5000]
        expected = encode([clean(text) for text in block])
        wrong += sum(a != b for a, b in zip(tokenizer.encode(block), expected, strict=True))
    return wrong


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--lines", type=int, default=100_000)
    given = parser.parse_args()
    every = (each.text for path in given.data for each in embzip.read_examples(path))
    real, hostile = list(islice(every, given.lines)), hostile_lines()
    print("| tokenizer | beside | real lines | other ids | hostile lines | other ids |")
    print("|---|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        drawn = random.Random(0).sample(real, min(20_000, len(real)))
        for name, library, tokenizer, encode in pairs(drawn, Path(folder)):
            kept = tokenizer_from_bytes(
                tokenizer.kind, tokenizer.to_bytes(), len(tokenizer.vocabulary),
                tokenizer.normalization,
            )  # fmt: skip
            counts = [differing(kept, encode, texts) for texts in (real, hostile)]
            told = f"{len(real):,} | {counts[0]:,} | {len(hostile):,} | {counts[1]:,}"
            print(f"| {name} | {library} | {told} |", flush=True)


if __name__ == "__main__":
    main()
