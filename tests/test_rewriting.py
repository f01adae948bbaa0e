"""Files of a size that a user names: `auto:20KB` bounds the file, in commands and in recipes."""

import re
from pathlib import Path

import numpy as np
import pytest

from embzip.classifier import Classifier, CnnConfig, Kit, MeanConfig, head_shapes, load_model
from embzip.compression import compress
from embzip.embz.budgets import file_codec, most_of
from embzip.embz.format import load, save
from embzip.errors import OutputError, SpecError
from embzip.pipeline.candidate import parse_candidate
from embzip.pipeline.making import rebuild_step
from embzip.pipeline.steps import Step
from embzip.rewriting import rebuild_file
from embzip.table_files import compress_file
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from tests.commands import outcome, stdout_of

# Keras' variables do not know NumPy 2's `copy` argument yet; no code of ours is involved.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROWS, DIM = 1500, 24


def table(seed: int = 0) -> Vectors:
    """A table of falling spectrum, with words that take some bytes."""
    rng = np.random.default_rng(seed)
    words = sorted({f"w{number:06d}" for number in rng.integers(0, 10**6, ROWS)})
    tokenizer = WordTokenizer(words, Normalization())
    matrix = rng.normal(size=(len(words) + 2, DIM)) * 0.8 ** np.arange(DIM)
    matrix[0] = 0
    counts = np.arange(len(matrix))
    return Vectors(tokenizer.vocabulary, matrix.astype(np.float32), counts, tokenizer)


def classifier(kind: type = CnnConfig) -> Classifier:
    rng = np.random.default_rng(1)
    config = kind(columns=DIM, max_length=9, **({"filters": 50} if kind is CnnConfig else {}))
    shapes = head_shapes(config, 3)
    arrays = {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}
    return Classifier(compress(table(), "float32"), ("a", "b", "c"), config, arrays)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("kilobytes", "pack"), [(12, False), (20, True), (30, False), (300, False)]
)
def test_a_compressed_file_has_at_most_the_size(kilobytes: int, pack: bool, here: Path) -> None:
    made = compress_file(table(), "t.embz", f"auto:{kilobytes}KB", pack=pack)
    size = Path("t.embz").stat().st_size
    assert size <= 1000 * kilobytes
    plain = compress(table(), "float32")
    save(plain, "float32.embz")
    if 1000 * kilobytes > Path("float32.embz").stat().st_size:
        assert made.codec.spec == "float32", "what loses nothing fits"
    elif not pack:
        assert size > 0.93 * 1000 * kilobytes, "and uses it"


@pytest.mark.parametrize(
    ("kilobytes", "options"),
    [
        (30, {}),
        (45, {"kernels": "int8"}),
        (60, {"fold": False}),
        (30, {"pack": True}),
    ],
)
def test_a_rebuilt_file_has_at_most_the_size(kilobytes: int, options: dict, here: Path) -> None:
    classifier().save("m.embz")
    made = rebuild_file("m.embz", "s.embz", codec=f"auto:{kilobytes}KB", **options)
    assert made.bytes_after == Path("s.embz").stat().st_size <= 1000 * kilobytes
    if "pack" not in options:
        assert made.bytes_after > 900 * kilobytes
    assert np.isfinite(load_model("s.embz").probabilities(["w000001"])).all()


def test_what_cannot_be_met_is_refused_with_the_least_which_can(here: Path) -> None:
    classifier().save("m.embz")
    for command in ("compress m.embz", "rebuild m.embz", "rebuild m.embz --kernels int8"):
        done = outcome(*command.split(), "--codec", "auto:2KB", "-o", "s.embz")
        assert (done.code, done.stdout, Path("s.embz").exists()) == (1, "", False)
        least = int(re.findall(r"the least is (\d+), write auto:\d+B", done.stderr)[0])
        assert "a file of 2000 bytes" in done.stderr
        assert stdout_of(*command.split(), "--codec", f"auto:{least}b", "-o", "s.embz")
        assert Path("s.embz").stat().st_size <= least
        Path("s.embz").unlink()
        done = outcome(*command.split(), "--codec", f"auto:{least - 1}B", "-o", "s.embz")
        assert done.code == 1


def test_folding_is_counted(here: Path) -> None:
    """Kernels of 24 columns do not fit beside the words, kernels of few do."""
    model = classifier()
    model.save("m.embz")
    kernels = sum(array.nbytes for array in model.arrays.values())
    least = 12_000  # of words and header, and some
    with pytest.raises(SpecError, match="the least is"):
        rebuild_file("m.embz", "s.embz", codec=f"auto:{least + kernels // 3}B", fold=False)
    made = rebuild_file("m.embz", "s.embz", codec=f"auto:{least + kernels // 3}B")
    assert made.bytes_after <= least + kernels // 3
    assert made.embedding.dim < DIM


def test_a_kit(here: Path) -> None:
    first = classifier()
    other = classifier(MeanConfig)
    Kit.of(
        {
            "one": first,
            "two": Classifier(first.embedding, other.labels, other.config, dict(other.arrays)),
        }
    ).save("k.embz")
    made = rebuild_file("k.embz", "s.embz", codec="auto:40KB")
    assert 36_000 < made.bytes_after <= 40_000
    assert set(load_model("s.embz").labels) == {"one", "two"}


def test_the_library_bounds_the_table_and_a_size_a_row_does_everywhere(here: Path) -> None:
    assert 19_000 < compress(table(), "auto:20KB").nbytes <= 20_000
    assert most_of("auto:9B/row") is None
    made = compress_file(table(), "t.embz", "auto:9B/row")
    assert made.nbytes <= 9 * made.rows
    assert file_codec("svd:4|int8", table()).codec.spec == "svd:4|int8"


def test_a_table_without_words(here: Path) -> None:
    save(compress(table().matrix, "float32"), "bare.embz")
    compress_file(load("bare.embz"), "t.embz", "auto:20KB")
    assert 19_000 < Path("t.embz").stat().st_size <= 20_000


def test_save_refuses_a_larger_file_and_leaves_the_old_one(here: Path) -> None:
    Path("t.embz").write_text("precious")
    small = compress(table(), "int8")
    with pytest.raises(OutputError, match=r"would have [\d,]+ bytes, and 9,000 are allowed"):
        save(small, "t.embz", most=9000)
    assert Path("t.embz").read_text() == "precious"


def test_a_packed_file_is_never_larger(here: Path) -> None:
    tiny = compress(np.eye(3, 2), "int8")
    for pack in (False, True):
        save(tiny, f"{pack}.embz", pack=pack)
    assert Path("True.embz").stat().st_size <= Path("False.embz").stat().st_size


def test_a_size_in_a_recipe_is_the_files(here: Path) -> None:
    for name in ("train", "vectors", "made"):
        Path(name).mkdir()
    classifier().save("train/model.embz")
    save(classifier().embedding, "vectors/vectors.embz", counts=True)
    candidate = parse_candidate(
        {"name": "a", "tokenizer": "words", "codec": "auto:30KB", "kernels": "int8"}, "recipe"
    )
    parent = Step("train", {}, (), lambda *_: None)
    step = rebuild_step(parent, parent, candidate, 0)
    step.make(Path("made"), [Path("train"), Path("vectors")], lambda *_: None)
    assert 27_000 < Path("made/model.embz").stat().st_size <= 30_000


@pytest.mark.parametrize(("name", "target"), [("model.keras", "s.keras"), ("ref.pb", "s.pb")])
def test_foreign_files(name: str, target: str, here: Path, folder: Path) -> None:
    source = folder / name
    whole = rebuild_file(source, target, codec="float32").bytes_after
    asked = whole - 300  # of 1,200 bytes of table
    made = rebuild_file(source, target, codec=f"auto:{asked}B")
    assert made.bytes_after == Path(target).stat().st_size <= asked
    before = Path(target).read_bytes()
    done = outcome("rebuild", source, "--codec", "auto:300B", "-o", target)
    assert done.code == 1
    assert "the least is" in done.stderr
    assert Path(target).read_bytes() == before
