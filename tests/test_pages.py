"""Every page: its Python, TOML and shell blocks run, its links lead somewhere, its names exist.

A page's blocks run in order, in one folder of its own, which begins with the files that `reader`
makes. What is in the languages of `RUN` runs; `text` is for the eye alone.
"""

import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from embzip.classifier.outlines import read_outline
from embzip.cli import app
from embzip.pipeline.recipe import read_recipe
from embzip.vectors.converting import write_vectors
from scripts.results import PAGE, blocks
from tests.commands import stdout_of
from tests.conftest import news
from tests.test_architecture import ORDER

# Keras' variables do not know NumPy 2's `copy` argument yet; no code of ours is involved.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROOT = Path(__file__).parent.parent
ROOMS = ("embzip", "scripts", "corpora", "tests")
PAGES = sorted(
    {*ROOT.glob("*.md"), *(page for room in ROOMS for page in (ROOT / room).rglob("*.md"))}
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
README = ROOT / "README.md"
RUN = ("python", "toml", "sh")
# What changes the machine, or reaches for the network, is read and not run: each of these commands
# is run by CI, or by whoever set up the environment that runs this.
NOT_RUN = ("apt-get", "cd", "git", "pip", "python3", "uv", ".uv/bin/uv", ".")
MOST_LONG = 3
# What reads a TOML block, by the word in the comment before it.
READ: dict[str, Callable[[str], object]] = {
    "recipe": read_recipe,
    "outline": read_outline,
    "pyproject": lambda path: tomllib.loads(Path(path).read_text("utf-8"))["project"],
}

FENCE = re.compile(
    r"(?P<mark>^<!-- (?P<key>recipe|outline|pyproject|long): (?P<value>[^\n]+) -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Code:
    """A fenced block, and the comment right before it: `<!-- recipe: FILE -->` and the like."""

    language: str
    code: str
    key: str | None
    value: str


def codes(page: Path) -> Iterator[Code]:
    for found in FENCE.finditer(page.read_text("utf-8")):
        yield Code(found["language"], found["code"], found["key"], found["value"] or "")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """The files that a page may name without having made them."""
    import embzip.tf

    path = tmp_path_factory.mktemp("reader")
    sides = {
        "train.tsv": ("corpus.txt", slice(0, 14)),
        "dev.tsv": ("more.txt", slice(14, 18)),
        "test.tsv": ("texts.txt", slice(18, 24)),
    }
    for labelled, (texts, documents) in sides.items():
        lines = news("business", documents) + news("sports", documents)
        (path / labelled).write_text(lines, "utf-8")
        (path / texts).write_text(re.sub(r"^\w+\t", "", lines, flags=re.MULTILINE), "utf-8")
    shutil.copy(path / "train.tsv", path / "topic.tsv")
    moods = (path / "train.tsv").read_text("utf-8").replace("business\t", "sad\t")
    (path / "mood.tsv").write_text(moods.replace("sports\t", "glad\t"), "utf-8")
    words = embzip.build_words(path / "corpus.txt", path / "corpus.words.tsv")
    embzip.build_bpe(path / "corpus.txt", path / "corpus.bpe.model", vocab=400)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(len(words.vocabulary), 300)).astype(np.float32)
    vectors = embzip.Vectors(words.vocabulary, matrix, words.counts, words)
    write_vectors(vectors, path / "glove.txt")
    embzip.save(embzip.compress(vectors, "float32"), path / "vectors.embz", counts=True)
    model = embzip.tf.train(embzip.read_examples(path / "train.tsv"), vectors, epochs=1).classifier
    model.save(path / "model.embz", counts=True)
    embzip.rebuild(model, codec="svd:16|int8").save(path / "small.embz")
    shutil.copytree(folder / "ref", path / "checkpoints")
    shutil.copytree(folder / "saved", path / "exported_model")
    for name in ("model.keras", "model.h5", "model.tflite"):
        shutil.copy(folder / name, path / name)
    ends = [keras.layers.Embedding(50, 16), keras.layers.LSTM(16), keras.layers.Dense(3)]
    recurrent = keras.Sequential([keras.Input((7,), dtype="int32"), *ends])
    recurrent.save(path / "lstm.keras")
    recurrent.save_weights(path / "lstm.weights.h5")
    (path / "lstm.json").write_text(recurrent.to_json())
    return path


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_runs(
    page: Path, reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(reader, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in codes(page):
        match block.language:
            case "python":
                exec(compile(block.code, page.name, "exec"), names)
            case "toml":
                Path(block.value).write_text(block.code, "utf-8")
                READ[str(block.key)](block.value)
            case "sh" if block.key != "long":
                for line in block.code.replace("\\\n", " ").splitlines():
                    run(line)
    if page == README:
        assert Path("after.embz").stat().st_size < Path("before.embz").stat().st_size


def run(line: str) -> None:
    """Run a line of a shell block, or hold it against what it names."""
    words = shlex.split(re.sub(r"^[A-Z]+=\S+ ", "", line), comments=True)
    if not words or words[0] in NOT_RUN:
        return
    if words[0] == "embzip":
        stdout_of(*words[1:])
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
    elif words[:2] == ["python", "-m"]:
        source = (ROOT / words[2].replace(".", "/")).with_suffix(".py").read_text("utf-8")
        own = words[3 : words.index("--") if "--" in words else None]
        for option in (word for word in own if word.startswith("--")):
            assert f'"{option}"' in source, f"{line}: {option}"
    else:
        assert words[0] == "python", f"{line}: no such command is run here"
        assert (ROOT / words[1]).is_file(), line


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_says_what_it_is(page: Path) -> None:
    """Nothing that looks like code is passed over: blocks are fenced and name a language."""
    text = page.read_text("utf-8")
    for block in codes(page):
        assert block.language in (*RUN, "text"), f"{page}: {block.code}"
        keys = {"toml": READ, "sh": (None, "long")}.get(block.language, (None,))
        assert block.key in keys, f"{page}: {block.code}"
    assert text.count("```") == 2 * len(list(codes(page)))
    assert not re.search(r"^\n    \S", FENCE.sub("", text), re.MULTILINE), "indented, so unnamed"


def test_what_the_readme_begins_with_stands_in_the_block_that_it_names() -> None:
    page = PAGE.read_text("utf-8")
    bullets = re.findall(r"^- \*\*([\d.,]+) .*?RESULTS\.md#(\w+)", README.read_text("utf-8"), re.M)
    assert len(bullets) == 3
    for number, block in bullets:
        told = page.partition(f"\n## {block}\n")[2].partition("\n## ")[0]
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", told), (number, block)


def test_few_blocks_are_long_and_each_is_run_elsewhere() -> None:
    long = [block for page in PAGES for block in codes(page) if block.key == "long"]
    assert len(long) <= MOST_LONG
    for block in long:
        path = ROOT / re.sub(r"run by (\S+\.py)\b.*", r"\1", block.value)
        assert path.is_file(), block.value
        lines = [shlex.split(line) for line in block.code.splitlines()]
        for words in (each for each in lines if each[:1] == ["embzip"]):
            app.parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text("utf-8"))):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file) if file else page
        assert path.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(path / "README.md" if path.is_dir() else path), target


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_readme() -> None:
    seen, queue = set(), [README]
    while queue:
        page = queue.pop()
        if page.is_dir():
            page = page / "README.md"
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        queue += [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert seen == set(PAGES), set(PAGES) ^ seen


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 200


def test_what_it_costs_stands_in_the_results() -> None:
    """Each row of the README's table of costs names a block, and every number is in it."""
    rows = re.findall(r"^\|(.*)\[(\S+)\]\(scripts/RESULTS\.md#\2\) \|$", README.read_text(), re.M)
    assert len(rows) >= 10
    made = blocks(PAGE.read_text("utf-8"))
    for row, name in rows:
        for number in re.findall(r"(?<![\w.])\d+\.\d+|\d+,\d+", row):
            assert number in made[name].printed, f"{row}: {number} is not in {name}"


def test_the_architecture_lists_the_rooms_in_their_order() -> None:
    text = (ROOT / "embzip" / "README.md").read_text("utf-8")
    (table,) = re.findall(r"^\| room .*?\n\n", text, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[1:]
    rooms = [room for cell in cells for room in re.findall(r"`(\w+)(?:\.py|/)`", cell)]
    assert rooms == [place for place in ORDER if "." not in place]


def test_nobody_is_told_to_install_the_unrelated_project() -> None:
    for page in [*PAGES, ROOT / "Makefile", *(ROOT / "embzip").rglob("*.py")]:
        text = page.read_text("utf-8")
        assert not re.search(r"(pip|uv) (install|add) ['\"]?embzip\b", text), page


def test_no_page_and_no_script_names_a_path_of_ours() -> None:
    for path in [*PAGES, *(ROOT / "scripts").rglob("*.py"), *(ROOT / "scripts").rglob("*.toml")]:
        assert not re.search(r"\.\./shared|/work/|/home/|/root/", path.read_text("utf-8")), path


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_script_and_target_it_names_exists(page: Path) -> None:
    text, makefile = page.read_text("utf-8"), (ROOT / "Makefile").read_text()
    for name in re.findall(r"python -m (scripts\.[a-z]\w*)", text):
        module = ROOT / name.replace(".", "/")
        assert (module / "__main__.py").exists() or module.with_suffix(".py").exists(), name
    for target in re.findall(r"`make (\w+)`", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
