"""Classifiers as C and JavaScript: the same ids and probabilities as in NumPy, for every codec."""

import json
import platform
import random
import re
import subprocess
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from embzip.artefacts import export
from embzip.classifier import (
    Classifier,
    CnnConfig,
    FnetConfig,
    Kit,
    MeanConfig,
    head_shapes,
    load_classifier,
)
from embzip.classifier.rebuilding import rebuild, rebuild_kit
from embzip.compression import compress
from embzip.errors import InputError, OutputError, SpecError, UnsupportedModelError
from embzip.portable.exporting import export_source
from embzip.tokenizers import BpeTokenizer, WordTokenizer, YttmModel
from embzip.tokenizers.aliases import AliasedWords
from embzip.tokenizers.base import Normalization
from embzip.vectors.base import Vectors
from scripts.anywhere import SANITIZED, Answers, c_answers, compiled, js_answers
from scripts.make_golden import ANYWHERE
from tests.models import tiny_classifier

STEMS = [
    "plant", "reader", "walk", "winter", "election", "market", "football", "singer", "orchestra",
    "naïve", "garçon", "straße", "ведомость", "погода", "λόγος", "हिन्दी", "한국어", "日本", "größe",
]  # fmt: skip
ENDINGS = ["", "s", "er", "ing", "ed", "ы", "ς"]
WORDS = sorted({stem + ending for stem in STEMS for ending in ENDINGS} | {*"!?.,;'", "\u200d", "�"})
TEXTS = [
    "Plants and READERS walked, didn't they?",
    "the winter election market football orchestras played",
    "Naïve Garc\u0327ons STRASSE straße GRÖSSE größen",
    "Погода ПОГОДАХ ведомостью",
    "ΛΌΓΟΣ λόγοσ ΛΌΓΟΣ. λόγοςς",
    "हिन्दी है! 한국어 한국어는 日本 日 本",
    "a\u200db a\u200d \u200d\u200d !\u0301\u0301 👩\u200d🚀",
    "",
    "   \t\u00a0\u3000",
    "nul \0 in the middle, \x1f and \x85 too",
    "walk " * 40,
    "planting" + "g" * 300,
    "İSTANBUL ǅ ﬁ Å Ω K Ⅷ ① _under_score_",
]


@cache
def model_of(
    encoder: str = "cnn", *, stems: bool = True, seed: int = 0, labels: int = 3, filters: int = 5
) -> Classifier:
    tokenizer = WordTokenizer(WORDS, Normalization(), stems=stems)
    return random_classifier(tokenizer, encoder, seed, labels, filters)


def random_classifier(tokenizer, encoder, seed, labels, filters) -> Classifier:
    rng = np.random.default_rng(seed)
    rows = len(tokenizer.vocabulary)
    matrix = rng.normal(size=(rows, 10)) * rng.gamma(1, size=(rows, 1))
    matrix[0] = 0
    counts = rng.integers(1, 50, rows)
    vectors = Vectors(tokenizer.vocabulary, matrix.astype(np.float32), counts, tokenizer)
    config = MeanConfig(10, 12) if encoder == "mean" else CnnConfig(10, 12, filters, (1, 2, 3))
    shapes = head_shapes(config, labels)
    arrays = {name: rng.normal(size=shape).astype(np.float32) / 2 for name, shape in shapes.items()}
    names = tuple(f"label {number}" for number in range(labels))
    return Classifier(compress(vectors, "float32"), names, config, arrays)


def c_of(model, folder: Path, texts: list[bytes], *options: str) -> Answers:
    made = export(model, folder / "small.c", to="c")
    heads = model.classifiers.values() if isinstance(model, Kit) else [model]
    labels = sum(len(head.labels) for head in heads)
    return c_answers(compiled(made.path, *(options or ("-O1",))), texts, labels)


def js_of(model, folder: Path, texts: list[str]) -> Answers:
    return js_answers(export(model, folder / "small.mjs", to="javascript").path, texts)


def check(model, found: Answers, texts: list[str]) -> None:
    encoded = model.embedding.tokenizer.encode(texts)
    for text, ids, expected in zip(texts, found.ids, encoded, strict=True):
        assert ids == expected, text
    answers = model.probabilities(texts)
    expected = np.concatenate(list(answers.values()), 1) if isinstance(answers, dict) else answers
    assert np.abs(found.probabilities - expected).max() < 1e-5


CASES = {
    "float32": ("float32", "float32", {}),
    "float16": ("float16", "float16", {}),
    "int8": ("int8", "int8", {}),
    "int4": ("int4", "int4", {}),
    "int2": ("int2", "int2", {"fold": False}),
    "int1": ("int1", "int4", {}),
    "a scale a column": ("int8:scale=column", "int4", {"fold": False}),
    "kmeans": ("kmeans:5", "float32", {}),
    "parts": ("pq:3,bits=4", "int8", {}),
    "trellis": ("svd|tcq:2", "int4", {}),
    "a trellis of 8 states": ("svd:6|tcq:3,states=8", "int2", {"fold": False}),
    "a trellis of 128 states": ("tcq:1,states=128", "float16", {}),
    "a mean": ("center|svd:7|int8", "int4", {}),
    "a mean, not folded": ("center|int4", "int8", {"fold": False}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_codec_and_form_of_kernels_answers_as_numpy_does(name: str, tmp_path: Path) -> None:
    codec, kernels, options = CASES[name]
    model = rebuild(model_of(), codec=codec, kernels=kernels, **options)
    check(model, js_of(model, tmp_path, TEXTS), TEXTS)
    coded = [text.encode() for text in TEXTS]
    check(model, c_of(model, tmp_path, coded), TEXTS)


@pytest.mark.parametrize("labels", [2, 17])
def test_means(labels: int, tmp_path: Path) -> None:
    model = rebuild(model_of("mean", stems=False, labels=labels), codec="svd|tcq:2", kernels="int4")
    check(model, js_of(model, tmp_path, TEXTS), TEXTS)
    check(model, c_of(model, tmp_path, [text.encode() for text in TEXTS]), TEXTS)


def test_a_kit_answers_for_each_classifier(tmp_path: Path) -> None:
    one, other = model_of(), model_of("mean", seed=1, labels=2)
    third = model_of(filters=8, labels=9)
    heads = {name: replace(each, embedding=one.embedding, kernels=kernels)
             for name, each, kernels in [("to\"pic\\", one, "int4"), ("mood", other, "float32"),
                                         ("style", third, "int8")]}  # fmt: skip
    shorter = replace(heads["mood"].config, max_length=3)
    heads["mood"] = replace(heads["mood"], config=shorter)
    kit = rebuild_kit(Kit.of(heads), codec="svd|tcq:2")
    check(kit, js_of(kit, tmp_path, TEXTS), TEXTS)
    check(kit, c_of(kit, tmp_path, [text.encode() for text in TEXTS], *SANITIZED), TEXTS)


MARKS = [code for code in range(0x110000) if unicodedata.combining(chr(code))]


def hostile_texts() -> list[str]:
    """All code points, marks in any order, and texts that are long in some way."""
    rng = random.Random(0)
    pool = [*MARKS, *range(0x20, 0x250), *range(0x370, 0x530), *range(0x900, 0xD80)]
    pool += [*range(0x1100, 0x1200), *range(0xAC00, 0xAC40), *range(0x1E00, 0x2010)]
    pool += [0x200C, 0x200D, 0x3A3, 0x3A3, 0x130, 0x27, 0x2E] * 40 + [*range(0x1D150, 0x1D1D0)]
    found = ["".join(map(chr, rng.choices(pool, k=rng.randint(1, 30)))) for _ in range(1500)]
    found += [
        "".join(chr(code) for code in range(first, first + 64) if not 0xD800 <= code < 0xE000)
        for first in range(0, 0x110000, 64)
    ]
    found += ["e" + "\u0301\u0316" * 900, "=" + "\u0316" * 90 + "\u0338", "\u200d" * 500]
    return [*found, "A" * 1_000_000, "ё" * 300_000, "a" + "\u200d" * 500, "ΑΣ'Σ ΑΣ. Σ.Α"]


@pytest.fixture(scope="module")
def hostile() -> Classifier:
    return rebuild(model_of(), codec="svd|tcq:2", kernels="int4")


def test_all_code_points_and_hostile_texts_in_javascript(hostile, tmp_path) -> None:
    texts = [*hostile_texts(), "lone \ud800 and \udc00 \udbff\udfff", "\ud83d\ude00 plant"]
    check(hostile, js_of(hostile, tmp_path, texts), texts)


def test_all_code_points_and_hostile_texts_in_c(hostile, tmp_path) -> None:
    rng = random.Random(1)
    lead = [
        0xED,
        0xA0,
        0x80,
        0xE2,
        0x28,
        0xF0,
        0x9F,
        0x98,
        0x41,
        0xC2,
        0xF4,
        0x90,
        0xBF,
        0xC0,
        0xE0,
    ]
    coded = [text.encode() for text in hostile_texts()]
    coded += [bytes(rng.choices(lead, k=rng.randint(1, 12))) for _ in range(2000)]
    coded += [rng.randbytes(rng.randint(1, 40)) for _ in range(1000)]
    texts = [each.decode("utf-8", "replace") for each in coded]
    check(hostile, c_of(hostile, tmp_path, coded, *SANITIZED), texts)


# Where a float counts as a double, as on s390x; an Intel processor's old unit does so too.
WIDE = ("-mfpmath=387",) if platform.machine() == "x86_64" else ("-O3",)


@pytest.mark.parametrize("compiler", [("clang",), ("clang", "-Os"), ("gcc", "-O3", *WIDE)])
def test_compilers_take_it(compiler: tuple[str, ...], hostile, tmp_path) -> None:
    made = export(hostile, tmp_path / "small.c", to="c")
    subprocess.run(
        [*compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-c", made.path,
         "-o", tmp_path / "small.o"], check=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def pieces() -> Classifier:
    corpus = ["\u2581", *"abcdefghiklmnoprstuvwyéж"]
    codes = tuple((ord(char), 4 + index) for index, char in enumerate(corpus))
    number = {char: index for (_, index), char in zip(codes, corpus, strict=True)}
    merges, names = [], dict(number)
    for text in [
        "▁ p",
        "l a",
        "n t",
        "la nt",
        "▁p lant",
        "e r",
        "a a",
        "aa aa",
        "i n",
        "in g",
        "▁ w",
        "a l",
        "al k",
        "▁w alk",
    ]:
        left, right = text.split(" ")
        names[left + right] = 4 + len(corpus) + len(merges)
        merges.append((names[left], names[right], names[left + right]))
    model = YttmModel(codes, tuple(merges))
    tokenizer = BpeTokenizer(model, Normalization(), model.to_bytes())
    return rebuild(random_classifier(tokenizer, "cnn", 0, 3, 8), codec="int4", kernels="int4")


def test_pieces(pieces, tmp_path) -> None:
    texts = [
        *TEXTS[:11], "planting plants\u2581walk  aaaa aaaaa aaaaaaaa", "\x0b\x0cplant", "ЖЖ QQ QaQ",
        "\u00a0plant\u2028walk", *hostile_texts()[:300],
    ]  # fmt: skip
    check(pieces, js_of(pieces, tmp_path, texts), texts)
    check(pieces, c_of(pieces, tmp_path, [t.encode() for t in texts], *SANITIZED), texts)


def test_a_word_too_long_to_cut_is_an_error_in_c_and_read_in_javascript(pieces, tmp_path) -> None:
    texts = ["plant " + "plantal" * 2000, "a" * 254]
    found = c_of(pieces, tmp_path, [text.encode() for text in texts])
    assert found.ids[0] == found.labels[0] == -2
    assert found.ids[1] == pieces.tokenizer.encode(texts)[1]
    check(pieces, js_of(pieces, tmp_path, texts), texts)


HOSTILE_LABELS = ('say "no"', "</script><b>", "a\nb", "back\\slash", "*/ ??/", "Ж\u2028", "\x00")


def test_labels_are_escaped_in_each_language(tmp_path) -> None:
    model = tiny_classifier(labels=HOSTILE_LABELS)
    found = js_of(model, tmp_path, ["lion", "people say"])
    labels = [each.label for each in model.predict(["lion", "people say"])]
    assert [label for (label,) in found.labels] == labels
    facts = {f"<i>{label}": label for label in HOSTILE_LABELS}
    page = export(model, tmp_path / "<!--<script>.html", to="html", facts=facts).path.read_text()
    assert page.count("</script>") == 1
    assert page.count("<script") == 1
    assert "<!--" not in page
    made = export(model, tmp_path / "labels.c", to="c", facts=facts)
    printer = tmp_path / "print.c"
    printer.write_text(
        '#include "labels.h"\n#include <stdio.h>\nint main(void) {\n'
        "for (int i = 0; i < EMBZIP_LABELS; i++) { fputs(embzip_labels[i], stdout); putchar(1); }\n"
        "return 0; }\n"
    )
    subprocess.run(["gcc", "-std=c99", printer, made.path, "-lm", "-o", tmp_path / "p"], check=True)
    printed = subprocess.run([tmp_path / "p"], capture_output=True, check=True).stdout.decode()
    assert printed.split("\x01")[:-1] == [*HOSTILE_LABELS[:-1], ""]  # C's strings end at NUL


def test_what_a_buffer_takes_is_what_the_compiler_says(hostile, tmp_path) -> None:
    made = export(hostile, tmp_path / "small.c", to="c")
    assert f"EMBZIP_BUFFER_BYTES {made.ram_bytes}\n" in made.path.with_suffix(".h").read_text()
    compiled(made.path)  # which checks it
    source = made.path.read_text()
    made.path.write_text(source)
    header = made.path.with_suffix(".h")
    small = f"EMBZIP_BUFFER_BYTES {made.ram_bytes - 16}\n"
    header.write_text(re.sub(r"EMBZIP_BUFFER_BYTES \d+\n", small, header.read_text()))
    with pytest.raises(subprocess.CalledProcessError):
        compiled(made.path)


def test_the_golden_answers(tmp_path) -> None:
    expected = json.loads(ANYWHERE.with_suffix(".json").read_text("utf-8"))
    model, texts = load_classifier(ANYWHERE), [each["text"] for each in expected]
    for found in (
        js_of(model, tmp_path, texts),
        c_of(model, tmp_path, [text.encode() for text in texts]),
    ):
        assert found.ids == [each["ids"] for each in expected]
        rows = [each["probabilities"] for each in expected]
        np.testing.assert_allclose(found.probabilities, rows, atol=1e-5)


def test_damaged_data_is_refused(hostile, tmp_path) -> None:
    module = export(hostile, tmp_path / "small.mjs", to="javascript").path
    source = module.read_text()
    begin, end = source.index('DATA = "') + 8, source.index('";', source.index('DATA = "'))
    middle = (begin + end) // 2
    other = "A" if source[middle] != "A" else "B"
    for changed in (
        source[:middle] + other + source[middle + 1 :],
        source[:middle] + source[end:],
        source[:middle] + "!" + source[middle + 1 :],
    ):
        module.write_text(changed)
        done = subprocess.run(["node", module], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "the model in this file is damaged: export it again" in done.stderr


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: rebuild(model_of(), codec="sparse:2"), "'sparse' of 'sparse"),
        (lambda: rebuild(model_of(), codec="normalize|int8"), "not 'normalize' of"),
        (lambda: tiny_classifier(encoder=FnetConfig), "received fnet"),
    ],
)
def test_what_no_source_computes_is_refused_by_name(model, message, tmp_path) -> None:
    with pytest.raises(UnsupportedModelError, match=re.escape(message)):
        export(model(), tmp_path / "small.c", to="c")
    assert list(tmp_path.iterdir()) == []


def test_tokenizers_and_normalizations_that_are_refused(tmp_path) -> None:
    for tokenizer, message in (
        (AliasedWords(WordTokenizer(WORDS, Normalization()), {"zebra": 2}), "'words+aliases'"),
        (WordTokenizer(WORDS, Normalization(unicode="NFKC")), "this model's are 'NFKC'"),
    ):
        with pytest.raises(UnsupportedModelError, match=re.escape(message)):
            export_source(random_classifier(tokenizer, "mean", 0, 2, 1), tmp_path / "s.mjs")
    bare = replace(model_of(), embedding=replace(model_of().embedding, tokenizer=None))
    with pytest.raises(InputError, match="this model has no tokenizer"):
        export_source(bare, tmp_path / "s.mjs")
    with pytest.raises(SpecError, match="java"):
        export_source(model_of(), tmp_path / "s.mjs", to="java")


def test_places_that_are_refused(tmp_path) -> None:
    (tmp_path / "taken.c").mkdir()
    (tmp_path / "headed.h").mkdir()
    for name in ("taken.c", "headed.c", "small.h"):
        with pytest.raises(OutputError):
            export_source(model_of(), tmp_path / name, to="c")
    with pytest.raises(InputError, match="includes its header by name"):
        export_source(model_of(), tmp_path / "größe.c", to="c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["headed.h", "taken.c"]
