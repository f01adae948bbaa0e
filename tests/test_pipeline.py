"""The pipeline on a small real corpus: its record, its cache, a killed run, and wrong recipes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import embzip
from embzip.classifier import load_classifier, load_model
from embzip.codecs import parse_codec
from embzip.corpus import read_texts
from embzip.errors import (
    EmbzipError,
    InputError,
    MissingFileError,
    MissingPackageError,
    OutputError,
    SpecError,
)
from embzip.pipeline import report, run
from embzip.pipeline.candidate import WordsOptions, parse_candidate
from embzip.pipeline.choosing import Choice, Tried, choose
from embzip.pipeline.corpora import corpora_folder, corpus_step
from embzip.pipeline.making import examples_of_side, tokenizer_step, train_step, vectors_step
from embzip.pipeline.plan import make_plan
from embzip.pipeline.recipe import CorpusRecipe, read_recipe
from embzip.pipeline.steps import Step, Steps, write_json
from embzip.types import Progress
from embzip.vectors.options import PpmiOptions

ROOT = Path(embzip.__file__).resolve().parent.parent
RECIPE = """\
seed = 0
[corpus]
train = "train.tsv"
test = "test.tsv"
text = ["more.txt"]
[defaults]
vectors = "word2vec:16,epochs=1"
classifier = "cnn:8,windows=1-2,dropout=0.1,epochs=6,batch_size=8,max_length=20"
[[candidate]]
name = "words"
tokenizer = "words:min_count=1"
codec = "float32"
[[candidate]]
name = "words-int8"
tokenizer = "words:min_count=1"
codec = "svd:4|int8"
[[candidate]]
name = "bpe"
tokenizer = "bpe:300"
codec = "svd:8|int8"
tune = true
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe beside 400 paragraphs of two classes of BBC news."""
    from embzip.pipeline.corpora import _module_of

    folder = tmp_path_factory.mktemp("recipe")
    paths = _module_of(ROOT / "corpora" / "bbc.py").build(folder / "bbc")
    for side, rows in (("train", 150), ("test", 50)):
        lines = paths[side].read_text("utf-8").splitlines(keepends=True)
        chosen = [
            line
            for label in ("sports", "business")
            for line in [line for line in lines if line.startswith(label)][:rows]
        ]
        (folder / f"{side}.tsv").write_text("".join(chosen), "utf-8")
    (folder / "more.txt").write_text("zyzzyva stands only in the unlabelled text\n")
    path = folder / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a finished run."""
    directory = tmp_path_factory.mktemp("out") / "run"
    run(recipe, directory)
    return directory


def step_names(directory: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (directory / "steps").iterdir())


def made(log: Sequence[str]) -> list[str]:
    return [line.partition(", done in ")[0] for line in log if ", done in " in line]


def test_odd_labels_are_warned_of_where_the_users_file_is_read_and_nowhere_else(
    recipe: Path, tmp_path: Path
) -> None:
    train = (recipe.parent / "train.tsv").read_text("utf-8")
    (tmp_path / "train.tsv").write_text(f"label\ttext\n{train}", "utf-8")
    corpus = CorpusRecipe(train=(tmp_path / "train.tsv",), test=(recipe.parent / "test.tsv",))
    step = corpus_step(corpus)
    with pytest.warns(UserWarning, match="train.tsv: the first row's label") as caught:
        made = Steps(tmp_path / "out").folder(step)
    assert len(caught) == 1
    assert sum(len(examples_of_side(made, side)) for side in ("train", "dev")) == 301
    words = tokenizer_step(step, WordsOptions(min_count=1))
    Steps(tmp_path / "out").folder(words)  # warns of nothing


def test_vectors_of_a_recipe_are_those_of_the_library(recipe: Path, tmp_path: Path) -> None:
    corpus = CorpusRecipe(train=(recipe.parent / "train.tsv",), test=(recipe.parent / "test.tsv",))
    texts = corpus_step(corpus)
    words = tokenizer_step(texts, WordsOptions())
    table = {"name": "a", "tokenizer": "words"}
    assert parse_candidate(table, "recipe").vectors_options == PpmiOptions()
    steps = Steps(tmp_path / "out")
    # Of a small corpus a search takes fewer columns.
    rows = len(embzip.load_tokenizer(steps.folder(words) / "tokenizer").vocabulary)
    few = steps.folder(vectors_step(texts, words, PpmiOptions(dim=2 * rows), 7, fewer=True))
    assert embzip.load(few / "vectors.embz").dim == rows // 2
    for spec, options in (
        ("ppmi:12,window=3,shift=2", {"method": "ppmi", "window": 3, "shift": 2}),
        ("word2vec:12,sg=false", {"method": "word2vec", "sg": False}),
    ):
        candidate = parse_candidate({**table, "vectors": spec}, "recipe")
        made = steps.folder(vectors_step(texts, words, candidate.vectors_options, 7))
        expected = embzip.compress(
            embzip.train_vectors(
                steps.folder(texts) / "texts.txt",
                steps.folder(words) / "tokenizer",
                dim=12,
                seed=7,
                **options,
            ),
            "float32",
        )
        found = embzip.load(made / "vectors.embz")
        for token in ("the", "said"):
            assert found.vector(token).tolist() == expected.vector(token).tolist()


# The record


def test_the_record_has_what_the_report_promises(finished: Path) -> None:
    record = json.loads((finished / "report.json").read_text("utf-8"))
    assert record["baseline"] == "words"
    assert [candidate["name"] for candidate in record["candidates"]] == [
        "words",
        "words-int8",
        "bpe",
    ]
    assert record["seed"] == 0
    assert {"corpus", "environment"} <= record.keys()
    baseline = record["candidates"][0]
    for candidate in record["candidates"]:
        parts = dict(candidate["bytes"])
        total = parts.pop("total")
        assert sum(parts.values()) == total
        assert total == (finished / f"{candidate['name']}.embz").stat().st_size
        assert candidate["compression_ratio"] == baseline["bytes"]["total"] / total
        assert 0.5 < candidate["accuracy"] <= 1
        assert 0 <= candidate["unknown_rate"] <= 1
        assert candidate["load_seconds"] > 0
        assert candidate["rss_mb"] > 10
        assert 0 < candidate["latency_ms"]["p50"] <= candidate["latency_ms"]["p99"]
        assert candidate["epoch_ratio"] == candidate["epoch_seconds"] / baseline["epoch_seconds"]
    assert baseline["difference"] is baseline["difference_ci95"] is baseline["mcnemar_p"] is None
    small = record["candidates"][1]
    assert small["difference"] == pytest.approx(small["accuracy"] - baseline["accuracy"])
    low, high = small["difference_ci95"]
    assert low <= small["difference"] <= high
    assert [candidate["chosen"] for candidate in record["candidates"]].count(True) == 1
    rule = "the smallest file whose accuracy on dev is at most 0.01 below that of the best float32"
    assert record["choice"] == f"{rule} candidate"
    for page in ("report.md", "report.html"):
        assert f", {rule}" in (finished / page).read_text("utf-8")


def test_the_candidates_are_what_their_recipe_says(finished: Path) -> None:
    words, int8, bpe = json.loads((finished / "report.json").read_text("utf-8"))["candidates"]
    assert words["dim"] == 16
    assert (int8["codec"], int8["stored_codec"], int8["dim"]) == ("svd:4|int8", "int8", 4)
    assert int8["rows"] == words["rows"] > bpe["rows"] == 300
    assert bpe["tune"] is True


def test_controls_stand_beside_the_baseline(finished: Path) -> None:
    controls = json.loads((finished / "report.json").read_text("utf-8"))["controls"]
    assert [control["name"] for control in controls] == ["words, random initialization"]
    assert controls[0]["epoch_seconds"] > 0
    assert 0.4 < controls[0]["accuracy"] <= 1


def test_published_files_predict(finished: Path) -> None:
    predicted = load_model(finished / "words-int8.embz").predict(["the match was won late"])
    assert predicted[0].label in {"sports", "business"}


def test_unlabelled_text_reaches_the_vocabulary_and_test_does_not(
    finished: Path, recipe: Path
) -> None:
    vocabulary = embzip.load(finished / "words.embz").vocabulary
    assert vocabulary is not None
    assert "zyzzyva" in vocabulary
    corpus = next((finished / "steps").glob("corpus-*"))
    written = (corpus / "texts.txt").read_text("utf-8").splitlines()
    train, more = corpus / "train.tsv", recipe.parent / "more.txt"
    assert written == list(read_texts([train, more], labelled=train))  # as build-words reads them
    texts = set(written)
    for side in ("dev", "test"):
        lines = (corpus / f"{side}.tsv").read_text("utf-8").splitlines()
        assert len(lines) > 10
        assert not texts & {line.partition("\t")[2] for line in lines}


# The cache


def test_candidates_share_steps(finished: Path) -> None:
    names = step_names(finished)
    counts = {name: names.count(name) for name in set(names)}
    # Two tokenizers and the vectors of each; two models, and the control that starts at random.
    assert counts == {
        "corpus": 1,
        "tokenizer": 2,
        "vectors": 2,
        "train": 3,
        "rebuild": 2,
        "tune": 1,
        "dev": 3,
        "test": 4,
        "serving": 3,
    }


def test_texts_elsewhere_are_those_of_the_same_content_here(
    recipe: Path, memory: Any, tmp_path: Path
) -> None:
    for name in ("train.tsv", "test.tsv", "more.txt"):
        memory.pipe(f"/news/{name}", (recipe.parent / name).read_bytes())
    folder = tmp_path / "with [brackets]"
    folder.mkdir()
    shutil.copy(recipe.parent / "test.tsv", folder)
    path = folder / "recipe.toml"
    path.write_text(
        RECIPE.replace('"train.tsv"', '"memory://news/tr*.tsv"')
        .replace('"test.tsv"', '"te*.tsv"')
        .replace('"more.txt"', '"memory://news/more.txt"')
    )
    read = read_recipe(path)
    step = corpus_step(read.corpus)
    assert step.key == corpus_step(read_recipe(recipe).corpus).key
    made = Steps(tmp_path / "out").folder(step)
    assert (made / "texts.txt").read_text("utf-8").endswith("only in the unlabelled text\n")
    memory.pipe("/news/more.txt", b"another\n")
    assert corpus_step(read.corpus).key != step.key
    with pytest.raises(InputError, match=r"memory://news/more\.txt: was changed while it was read"):
        Steps(tmp_path / "again").folder(step)
    for wrong, error, said in (
        ("memory://news/none.txt", MissingFileError, "memory://news/none.txt: no such file"),
        ("*.csv", MissingFileError, "/*.csv: no file matches this pattern"),
        ("foo://a", InputError, "foo://a: unknown protocol 'foo'"),
        ("s3://a/b", MissingPackageError, "s3://a/b: fsspec needs a further package"),
    ):
        path.write_text(RECIPE.replace('"train.tsv"', f'"{wrong}"'))
        with pytest.raises(error) as caught:
            read_recipe(path)
        assert said in str(caught.value)


def test_an_unchanged_run_makes_nothing(finished: Path, recipe: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "steps").rglob("*")}
    log: list[str] = []
    again = run(recipe, finished, log=log.append)
    assert made(log) == []
    assert log
    assert all(line.endswith(", done before") for line in log)
    assert log[:2] == ["words: train, done before", "words: dev, done before"]
    assert {path: path.stat().st_mtime_ns for path in (finished / "steps").rglob("*")} == before
    assert json.loads((finished / "report.json").read_text("utf-8")) == again


def test_a_changed_codec_makes_only_what_follows(
    finished: Path, recipe: Path, tmp_path: Path
) -> None:
    folder, directory = tmp_path / "recipe", tmp_path / "run"
    shutil.copytree(recipe.parent, folder)
    shutil.copytree(finished, directory)
    changed = RECIPE.replace("svd:4|int8", "svd:3|int8").replace("words-int8", "renamed")
    (folder / "recipe.toml").write_text(changed)
    log: list[str] = []
    calls: list[tuple[int, int]] = []
    run(
        folder / "recipe.toml",
        directory,
        log=log.append,
        progress=lambda done, total: calls.append((done, total)),
    )
    steps = ["dev", "rebuild", "serving", "test"]
    assert sorted(made(log)) == [f"renamed: {step}" for step in steps]
    assert all(0 <= done <= total for done, total in calls)
    shares = [done / total for done, total in calls]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_what_auto_became_is_reported_and_pack_makes_smaller_files(
    finished: Path, recipe: Path, tmp_path: Path
) -> None:
    folder, directory = tmp_path / "recipe", tmp_path / "run"
    shutil.copytree(recipe.parent, folder)
    shutil.copytree(finished, directory)
    changed = RECIPE.replace("svd:4|int8", "auto:20KB").replace("words-int8", "auto")
    changed += 'pack = true\n[[candidate]]\nname = "packed"\ntokenizer = "words:min_count=1"\n'
    changed += 'codec = "svd|int8"\npack = true\n[report]\ncontrols = false\n'
    (folder / "recipe.toml").write_text(changed)
    words, auto, bpe, packed = run(folder / "recipe.toml", directory)["candidates"]
    assert words["resolved_codec"] == "float32"
    assert auto["codec"] == "auto:20KB"
    chain = parse_codec(auto["resolved_codec"])
    assert chain.resolved
    assert auto["stored_codec"] == chain.spec.rpartition("|")[2]
    assert (directory / "auto.embz").stat().st_size <= 20_000
    rank, quantizer = packed["resolved_codec"].split("|")
    assert rank.startswith("svd:16")
    assert quantizer == "int8"
    for candidate in (bpe, packed):
        assert candidate["pack"] is True
        own = directory / f"{candidate['name']}.embz"
        embzip.save(load_classifier(own), tmp_path / "plain.embz")
        assert own.stat().st_size < (tmp_path / "plain.embz").stat().st_size
    before = directory.parent / "bpe.embz"
    embzip.save(load_classifier(finished / "bpe.embz"), before)
    embzip.save(load_classifier(directory / "bpe.embz"), tmp_path / "plain.embz")
    assert before.read_bytes() == (tmp_path / "plain.embz").read_bytes(), "only the file changes"
    markdown = (directory / "report.md").read_text("utf-8").replace("\\", "")
    assert f"| auto:20KB | {chain.spec} |" in markdown


def test_a_killed_run_resumes(recipe: Path, finished: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    code = "import sys; from embzip.pipeline import run; run(sys.argv[1], sys.argv[2])"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(recipe), str(directory)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(directory.glob("steps/.train-*")):
            assert child.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert list(directory.glob("steps/.train-*"))
    survived = {path.name: path.stat().st_mtime_ns for path in directory.glob("steps/[a-z]*")}
    assert {name.partition("-")[0] for name in survived} == {"corpus", "tokenizer", "vectors"}
    log: list[str] = []
    record = run(recipe, directory, log=log.append)
    assert not list(directory.glob("steps/.*"))
    for name, changed in survived.items():
        assert (directory / "steps" / name).stat().st_mtime_ns == changed
    # A step is told under the first candidate that needs it, whoever shares it.
    first = ["words: train", "words: dev", "words-int8: rebuild", "words-int8: dev"]
    assert made(log)[:4] == first
    assert {"corpus, done before", "words: vectors, done before"} <= set(log)
    assert made(log)[4:8] == ["bpe: tokenizer", "bpe: vectors", "bpe: train", "bpe: rebuild"]
    assert made(log)[-2:] == [
        "words, random initialization: train",
        "words, random initialization: test",
    ]
    # What was killed and resumed is what an undisturbed run makes.
    sound = json.loads((finished / "report.json").read_text("utf-8"))
    assert [c["bytes"] for c in record["candidates"]] == [c["bytes"] for c in sound["candidates"]]


def writer(content: str) -> "Step":
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        (folder / "out").write_text(content)

    return Step("write", {"content": content}, (), make)


def test_keys_follow_parameters_and_parents() -> None:
    one, same, other = writer("a"), writer("a"), writer("b")
    assert one.key == same.key != other.key
    children = [Step("child", {}, (parent,), one.make) for parent in (one, same, other)]
    assert children[0].key == children[1].key != children[2].key


def test_keys_hold_the_code_that_made_them(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "embzip", tmp_path / "embzip", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = "from embzip.pipeline.steps import Step; print(Step('write', {}, (), print).key)"
    command = [sys.executable, "-c", code]

    def key() -> str:
        made = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
        return made.stdout.strip()

    assert key() == Step("write", {}, (), print).key, "wherever it is installed"
    path = tmp_path / "embzip" / "vectors" / "ppmi.py"
    before = path.read_text("utf-8")
    path.write_text(before + "# another line\n", "utf-8")
    changed = key()
    path.rename(path.with_name("renamed.py"))
    renamed = key()
    path.with_name("renamed.py").rename(path)
    path.write_text(before, "utf-8")
    assert len({changed, renamed, key()}) == 3
    assert key() == Step("write", {}, (), print).key


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        (folder / "half").write_text("half")
        raise InputError("as it happens")

    steps = Steps(tmp_path)
    with pytest.raises(InputError, match="as it happens"):
        steps.folder(Step("fail", {}, (writer("a"),), fail))
    assert [path.name.partition("-")[0] for path in (tmp_path / "steps").iterdir()] == ["write"]


@pytest.mark.parametrize("name", ["step.json", "out.json", "inner/data.bin"])
@pytest.mark.parametrize(
    "damage", ["digit", "cut", "empty", "missing", "folder", "reformatted", "nested"]
)
def test_a_damaged_step_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        write_json(folder / "out.json", {"accuracy": 0.25})
        (folder / "inner").mkdir()
        (folder / "inner" / "data.bin").write_bytes(bytes(range(256)))

    step = Step("measure", {"windows": (1, 2)}, (), make)
    folder = Steps(tmp_path).folder(step)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(
            {
                "digit": content.replace(b"2", b"3", 1),
                "cut": content[:-3],
                "empty": b"",
                "reformatted": content + b" ",
                "nested": b"[" * 5000,
            }[damage]
        )
    log: list[str] = []
    again = Steps(tmp_path, log=log.append)
    assert again.record(step, "out.json") == {"accuracy": 0.25}
    kept = name == "step.json" and damage == "reformatted"  # the same record
    assert len(log) == (1 if kept else 2)
    if not kept:
        assert log[0].startswith("measure, made again: ")
        assert str(path) in log[0]
    found = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    del before[folder / "step.json"], found[folder / "step.json"]  # has its seconds
    assert found == before
    log.clear()
    Steps(tmp_path, log=log.append).folder(step)
    assert log == ["measure, done before"]


@pytest.mark.parametrize("kind", ["file", "link", "empty folder", "another step's folder"])
def test_what_is_no_finished_step_is_replaced(tmp_path: Path, kind: str) -> None:
    other = Steps(tmp_path).folder(writer("b"))
    target = tmp_path / "steps" / f"write-{writer('a').key}"
    if kind == "file":
        target.write_text("x")
    elif kind == "link":
        target.symlink_to(tmp_path / "nowhere")
    elif kind == "empty folder":
        target.mkdir()
    else:
        shutil.copytree(other, target)
    folder = Steps(tmp_path).folder(writer("a"))
    assert (folder / "out").read_text() == "a"
    assert (other / "out").read_text() == "b"


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = os.uname().nodename
    dead = tmp_path / "steps" / f".train-00.{here}.{ended.pid}.1"
    alive = tmp_path / "steps" / f".train-00.{here}.{os.getpid()}.1"
    elsewhere = tmp_path / "steps" / f".train-00.other.{ended.pid}.1"
    for folder in (dead, alive, elsewhere):
        folder.mkdir(parents=True)
    Steps(tmp_path)
    assert not dead.exists()
    assert alive.exists()
    assert elsewhere.exists(), "of another machine, which processes live is not known here"


def test_two_threads_may_make_one_step(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        both.wait(60)
        (folder / "out").write_text("made")
        both.wait(60)

    step = Step("slow", {}, (), make)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: Steps(tmp_path).folder(step), range(2)))
    assert [(folder / "out").read_text() for folder in found] == ["made", "made"]
    assert [path.name for path in (tmp_path / "steps").iterdir()] == [found[0].name]


@pytest.mark.parametrize("name", ["words.embz", "report.md"])
def test_a_recipe_that_would_replace_its_own_text(name: str, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text("text\n")
    changed = recipe.parent / f"text-{name}.toml"
    changed.write_text(RECIPE.replace("more.txt", str(tmp_path / name)))
    with pytest.raises(OutputError, match=f"{name}: is the input"):
        run(changed, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_output_folder_that_is_a_file_is_refused(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EmbzipError, match="file: cannot be made"):
        run(recipe, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


# Choosing and rendering


def tried(codecs: Sequence[str], sizes: Sequence[int], dev: Sequence[float]) -> list[Tried]:
    names = "abcd"[: len(codecs)]
    return [Tried(*each) for each in zip(names, codecs, sizes, dev, strict=True)]


def test_the_choice_is_the_smallest_within_a_point_of_the_best_float32() -> None:
    codecs, sizes = ["float32", "float32", "int8", "svd:4|int8"], [400, 200, 100, 20]
    exactly_a_point = tried(codecs, sizes, [0.90, 0.91, 0.92, 0.90])
    assert choose(exactly_a_point, Choice()) == 3
    assert choose(tried(codecs, sizes, [0.90, 0.91, 0.92, 0.89]), Choice()) == 2
    assert choose(tried(codecs, sizes, [0.90, 0.91, 0.80, 0.80]), Choice()) == 1


@pytest.mark.parametrize(
    ("choice", "index"),
    [
        (Choice(drop=0.03), 3),
        (Choice(drop=0.0), 1),
        (Choice(drop=0.005, against="best of all"), 2),
        (Choice(drop=0.02, against="a"), 3),
        (Choice(drop=1.0, against="c"), 3),
    ],
)
def test_a_recipe_sets_how_much_is_lost_against_what(choice: Choice, index: int) -> None:
    codecs = ["float32", "float32", "int8", "svd:4|int8"]
    assert choose(tried(codecs, [400, 200, 220, 20], [0.90, 0.91, 0.92, 0.88]), choice) == index


@pytest.mark.parametrize(
    ("table", "choice", "rule"),
    [
        ("", Choice(), "at most 0.01 below that of the best float32 candidate"),
        ("[choice]\ndrop = 0", Choice(0.0), "at most 0 below that of the best float32 candidate"),
        (
            '[choice]\ndrop = 0.005\nagainst = "best of all"',
            Choice(0.005, "best of all"),
            "at most 0.005 below that of the best candidate",
        ),
        ('[choice]\nagainst = "bpe"', Choice(against="bpe"), "at most 0.01 below that of bpe"),
    ],
)
def test_the_choice_of_a_recipe_and_its_words(
    recipe: Path, table: str, choice: Choice, rule: str
) -> None:
    path = recipe.parent / "choice.toml"
    path.write_text(RECIPE + table)
    assert read_recipe(path).choice == choice
    assert choice.rule == f"the smallest file whose accuracy on dev is {rule}"


def test_without_a_float32_candidate_the_best_of_all_is_the_reference(recipe: Path) -> None:
    path = recipe.parent / "coded.toml"
    path.write_text(RECIPE.replace('"float32"', '"float16"'))
    assert read_recipe(path).choice == Choice(against="best of all")
    path.write_text(path.read_text() + '[choice]\nagainst = "best float32"')
    with pytest.raises(InputError, match=r"against must be one of 'best of all', 'words', "):
        read_recipe(path)


def test_report_renders_again(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "report.json", tmp_path)
    record = report(tmp_path)
    assert record["baseline"] == "words"
    for name in ("report.json", "report.md"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")


def test_report_of_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"report\.json"):
        report(tmp_path)


# Recipes


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("seed = 0", "seed = ", InputError, r"expected a recipe in TOML.*line 1"),
        ("seed = 0", "sead = 0", InputError, r"unknown key 'sead' \(did you mean 'seed'\?\): the "),
        ("seed = 0", "seed = true", InputError, r"seed must be a whole number, received True"),
        ("seed = 0", "seed = -1", InputError, r"seed must lie in 0\.\.2\*\*32-1, received -1"),
        ('"train.tsv"', '"none.tsv"', MissingFileError, r"none\.tsv: no such file"),
        ("test =", "tests =", InputError, r"\[corpus\]: unknown key 'tests'"),
        ('test = "test.tsv"', "", InputError, r"\[corpus\]: the key 'test' is missing"),
        ('test = "', 'name = "bbc"\ntest = "', InputError, r"received name and test: remove one"),
        ('["more.txt"]', '["more.txt", 1]', InputError, r"text must be a list of file names"),
        ("[defaults]", "[defaults]\nname = 'a'", InputError, r"\[defaults\]: unknown key 'name'"),
        ('name = "bpe"', "", InputError, r"\[\[candidate\]\] 3: the key 'name' is missing"),
        ('name = "bpe"', 'name = "../bpe"', InputError, r"a name begins with a letter or digit"),
        ('name = "bpe"', 'name = "words"', InputError, r"name of its own, received 'words' again"),
        ("[defaults]", "[choice]\ndrop = 2\n[defaults]", InputError, r"in 0\.\.1, received 2"),
        ("[defaults]", "[choice]\ndrop = nan\n[defaults]", InputError, r"0\.\.1, received nan"),
        ("[defaults]", "[choice]\nby = 1\n[defaults]", InputError, r"\[choice\]: unknown key 'by'"),
        ("[defaults]", '[choice]\ndrop = "1"\n[defaults]', InputError, r"drop must be a number"),
        (
            "[defaults]",
            '[choice]\nagainst = "word"\n[defaults]',
            InputError,
            r"\[choice\]: against must be one of 'best float32', 'best of all', 'words', .* 'word'",
        ),
        ("tune = true", "tuen = true", InputError, r"3 \('bpe'\): unknown key 'tuen' .*: the k"),
        ("tune = true", "tune = 1", InputError, r"tune must be true or false, received 1"),
        ("svd:8|int8", "svd:8|int9", SpecError, r"\('bpe'\), codec: unknown codec stage 'int9'"),
        (
            "svd:8|int8",
            "svd:17|int8",
            SpecError,
            r"codec: 'svd:17': the rank is at most 16,",
        ),
        ("bpe:300", "bpe:x", SpecError, r"tokenizer: vocab must be a whole number.*'x'"),
        ("bpe:300", "bqe:300", SpecError, r"unknown name 'bqe' \(did you mean 'bpe'\?\)"),
        ("bpe:300", "bpe:300,size=1", SpecError, r"'bpe:300,size=1': unknown option 'size'"),
        ("bpe:300", "bpe:300,vocab=1", SpecError, r"vocab occurs twice"),
        ("bpe:300", "bpe:300,coverage=2", SpecError, r"coverage must be a number from 0 to 1"),
        ("word2vec:16", "word2vec:16,sg=yes", SpecError, r"sg must be true or false.*'yes'"),
        ("word2vec:16,epochs", "ppmi:16,epochs", SpecError, r"'ppmi:16,.* unknown option 'epochs'"),
        (
            "word2vec:16,epochs=1",
            "ppmi:16,smoothing=2",
            SpecError,
            r"vectors: smoothing must be a number from 0 to 1, received '2'",
        ),
        ("windows=1-2", "windows=1-0", SpecError, r"windows must be whole numbers in 1"),
        ("epochs=6", "epochs=0", SpecError, r"classifier: epochs must be a whole number"),
        ("cnn:8,", "cnn:2000000000,", SpecError, r"filters must be .* in 1\.\.65536"),
        ("length=20", "length=2147483647", SpecError, r"max_length must .* in 0\.\.65536"),
        ("windows=1-2", "windows=1-9999", SpecError, r"windows must .* in 1\.\.1024.*'1-9999'"),
        ("word2vec:16", "word2vec:2000000000", SpecError, r"dim must .* in 1\.\.65536"),
        ("bpe:300", "bpe:2000000000", SpecError, r"vocab must be a whole number in 1\.\.16777216"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named_before_anything_runs(
    recipe: Path,
    tmp_path: Path,
    old: str,
    new: str,
    error: type[EmbzipError],
    message: str,
) -> None:
    assert old in RECIPE
    wrong = recipe.parent / f"wrong-{tmp_path.name}.toml"
    wrong.write_text(RECIPE.replace(old, new))
    with pytest.raises(error, match=message) as caught:
        run(wrong, tmp_path / "out")
    assert str(recipe.parent) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_recipe_without_candidates(recipe: Path) -> None:
    wrong = recipe.parent / "empty.toml"
    wrong.write_text(RECIPE[: RECIPE.index("[[candidate]]")])
    with pytest.raises(InputError, match=r"at least one \[\[candidate\]\]"):
        read_recipe(wrong)


def test_a_recipe_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_bytes(b"seed = 0 # \xff\n")
    with pytest.raises(InputError, match="expected a recipe in TOML"):
        read_recipe(tmp_path / "recipe.toml")


def test_a_corpus_name_that_does_not_exist_lists_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[corpus]\nname = "cnn"\n[[candidate]]\nname = "a"\ntokenizer = "words"\n')
    with pytest.raises(MissingFileError, match=r"'cnn': the known ones are bbc, debian"):
        make_plan(read_recipe(path))


def test_one_label_only_is_refused_and_named(tmp_path: Path) -> None:
    """Case 21: a corpus of one class."""
    (tmp_path / "one.tsv").write_text("".join(f"a\ttext {number}\n" for number in range(50)))
    path = tmp_path / "recipe.toml"
    path.write_text(
        '[corpus]\ntrain = "one.tsv"\ntest = "one.tsv"\n'
        '[[candidate]]\nname = "a"\ntokenizer = "words"\n'
    )
    with pytest.raises(InputError, match=r"one\.tsv: training needs at least two different labels"):
        run(path, tmp_path / "out")
    assert not list((tmp_path / "out").glob("steps/*"))


def test_the_recipe_of_the_checkout_is_right_and_the_issue_recipe_parses(recipe: Path) -> None:
    news = read_recipe(corpora_folder() / "bbc.toml")
    assert news.corpus.name == "bbc"
    assert news.candidates[0].codec == "float32"
    path = recipe.parent / "issue.toml"
    path.write_text(
        'seed = 0\n[corpus]\ntrain = "train.tsv"\ntest = "test.tsv"\n[defaults]\n'
        'vectors = "word2vec:300,epochs=5"\nclassifier = "cnn:128,windows=1-1-2-3,dropout=0.5"\n'
        'trainable = true\n[[candidate]]\nname = "words"\ntokenizer = "words:min_count=1"\n'
        'codec = "float32"\n[[candidate]]\nname = "bpe-30k"\ntokenizer = "bpe:30000"\n'
        'codec = "svd:48|int8"\ntune = true\n'
    )
    words, bpe = read_recipe(path).candidates
    assert (words.tune, bpe.tune) == (False, True)
    assert words.classifier_options.shape["windows"] == (1, 1, 2, 3)
    assert (words.classifier_options.encoder, words.classifier_options.epochs) == ("cnn", 10)


def test_without_a_checkout_the_demo_says_that_it_needs_one(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "embzip", tmp_path / "site" / "embzip")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from embzip.errors import MissingFileError\n"
        "from embzip.trials import demo\n"
        "try: demo('out')\n"
        "except MissingFileError as error: print(error)\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert "need a checkout of embzip" in child.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spec", "encoder", "arguments"),
    [
        ("mean", "mean", {"dropout": 0.2, "epochs": 10}),
        ("attention:64,heads=2,epochs=3", "attention", {"width": 64, "heads": 2, "epochs": 3}),
        ("fnet:layers=1,max_length=50", "fnet", {"layers": 1, "max_length": 50}),
        ("cnn:8,learning_rate=0.003", "cnn", {"filters": 8, "learning_rate": 0.003}),
        ("cnn", "cnn", {"learning_rate": 1e-3}),
    ],
)
def test_a_candidate_names_its_encoder(spec: str, encoder: str, arguments: dict) -> None:
    table = {"name": "a", "tokenizer": "words", "classifier": spec}
    found = parse_candidate(table, "recipe").classifier_options
    assert found.encoder == encoder
    assert found.arguments().items() >= arguments.items()


def test_a_candidate_is_trained_at_its_learning_rate(recipe: Path, tmp_path: Path) -> None:
    corpus = CorpusRecipe(train=(recipe.parent / "train.tsv",), test=(recipe.parent / "test.tsv",))
    table = {"name": "a", "tokenizer": "words", "vectors": "ppmi:4"}
    table["classifier"] = "cnn:2,epochs=1,learning_rate=0.003"
    candidate = parse_candidate(table, "recipe")
    texts = corpus_step(corpus)
    words = tokenizer_step(texts, WordsOptions())
    vectors = vectors_step(texts, words, candidate.vectors_options, 0)
    step = train_step(texts, vectors, candidate.classifier_options, False, 0)
    model = load_classifier(Steps(tmp_path / "out").folder(step) / "model.embz")
    assert model.training.runs[0].learning_rate == 0.003


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ("rnn", r"unknown name 'rnn' \(did you mean 'cnn'\?\): the known ones are attention, "),
        ("fnet:heads=2", "unknown option 'heads'"),
        ("attention:heads=5", "width must be a multiple of heads"),
        ("cnn:windows=a", "windows must be whole numbers"),
        ("cnn:learning_rate=fast", "learning_rate must be a number from 0 to 1, received 'fast'"),
        ("cnn:learning_rate=0", "recipe, classifier: learning_rate must be a positive number"),
    ],
)
def test_wrong_encoders_of_a_candidate(spec: str, rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        parse_candidate({"name": "a", "tokenizer": "words", "classifier": spec}, "recipe")
