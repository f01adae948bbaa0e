"""What a student takes as C, as JavaScript and as a page, and how long one text does.

    python -m scripts.bench_anywhere data/tagmynews bench/distill/tagmynews-0/student.embz

Sizes: the module, gzipped too; C's object under -O3 (text with constants), and its buffer. Times:
one text of 12 tokens, tokenization included, the median, in one run: compiled C, Chromium, NumPy,
LiteRT, and fastText's own C++ behind its barest binding, trained on the same corpus with its
defaults. The browser's clock is coarse, so there it is the median of batches of 32 texts.
"""

import argparse
import gzip
import html
import json
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from embzip.artefacts import export
from embzip.classifier import load_classifier
from embzip.corpus import read_examples
from scripts.anywhere import program
from scripts.bench_serving import child, median
from scripts.prepare import BROWSERS

TOKENS, TEXTS, BATCH = 12, 1024, 32
HERE = Path(__file__).parent
_TIMED = """<pre id="found"></pre><script type="module">%s
const texts = %s, batches = [];
for (let round = 0; round < 4; round++)
  for (let at = 0; at < texts.length; at += %d) {
    const begin = performance.now(), batch = texts.slice(at, at + %d);
    for (const text of batch) classify(text);
    if (round > 0) batches.push((performance.now() - begin) / batch.length);
  }
document.getElementById("found").textContent = JSON.stringify(batches);
</script>"""


def main() -> None:
    """Make the files, time them in turn, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder with train.tsv.xz")
    parser.add_argument("student", type=Path, help="a .embz of scripts.bench_distill")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    source = given.data / "train.tsv.xz"
    with TemporaryDirectory(prefix="embzip-anywhere-") as temporary:
        folder = Path(temporary)
        texts = list(islice(texts_of(source), TEXTS))
        (folder / "texts.json").write_text(json.dumps(texts))
        (folder / "text.json").write_text(json.dumps(texts[:1]))
        shutil.copy(given.student, folder / "student.embz")
        model = load_classifier(given.student)
        for name, to in {
            "m.c": "c",
            "m.mjs": "javascript",
            "m.html": "html",
            "m.tflite": "litert",
        }.items():
            made = export(model, folder / name, to=to)
            if to == "c":
                ram = made.ram_bytes  # type: ignore[union-attr]
        _print_sizes(folder, given.student.stat().st_size, ram)
        child("fasttext", str(source), "100", str(folder))
        served = {"NumPy": ("own", "student.embz"), ".tflite": ("own", "m.tflite")}
        served["fastText"] = ("fasttext_bare", "fasttext.bin")
        taken: dict[str, list[float]] = {}
        for _ in range(given.rounds):
            taken.setdefault("C", []).append(_timed_c(folder, texts))
            taken.setdefault("Chromium", []).append(_timed_page(folder, texts))
            for name, (runner, file) in served.items():
                figures = child("measure", runner, str(folder / file), str(folder))
                taken.setdefault(name, []).append(1000 * median([figures], "p50"))
    anchor = statistics.median(taken["fastText"])
    print("\n| one text | p50 us | of fastText's | goal |\n|---|---|---|---|")
    goals = {"C": "at most 1", "Chromium": "100 us"}
    for name, each in taken.items():
        found = statistics.median(each)
        print(f"| {name} | {found:.1f} | {found / anchor:.2f} | {goals.get(name, '')} |")


def texts_of(source: Path) -> Iterator[str]:
    """Yield texts of the corpus' own words, 12 tokens each."""
    words = (word for each in read_examples(source) for word in each.text.split())
    while text := " ".join(islice(words, TOKENS)):
        yield text


def _print_sizes(folder: Path, before: int, ram: int) -> None:
    """Print what each form takes beside the file, and the goals."""
    module = (folder / "m.mjs").read_bytes()
    subprocess.run(
        [program("gcc"), "-std=c99", "-O3", "-c", folder / "m.c", "-o", folder / "m.o"], check=True
    )
    told = subprocess.run(["size", folder / "m.o"], capture_output=True, text=True, check=True)
    text, data = (int(number) for number in told.stdout.splitlines()[1].split()[:2])
    rows = {
        ".embz": (before, None),
        ".mjs": (len(module), 1.34 * before + 30_000),
        ".mjs, gzip -9": (len(gzip.compress(module, 9)), 1.02 * before + 12_000),
        ".html": ((folder / "m.html").stat().st_size, None),
        "C at -O3, text and constants": (text + data, 150_000),
        "C, RAM": (ram, 16_000),
    }
    print("| what | bytes | goal |\n|---|---|---|")
    for name, (size, goal) in rows.items():
        print(f"| {name} | {size:,} | {'' if goal is None else f'{goal:,.0f}'} |")


def _timed_c(folder: Path, texts: list[str]) -> float:
    """Return the median microseconds of a text in C."""
    timer = folder / "timer"
    subprocess.run(
        [
            program("gcc"), "-std=c99", "-O3", f'-DMODEL="{folder / "m.h"}"',
            HERE / "bench_anywhere.c", folder / "m.c", "-lm", "-o", timer,
        ],
        check=True,
    )  # fmt: skip
    lines = "".join(f"{' '.join(text.split())}\n" for text in texts)
    done = subprocess.run([timer], input=lines, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _timed_page(folder: Path, texts: list[str]) -> float:
    """Return the median microseconds of a text in a browser."""
    page = folder / "timed.html"
    given = json.dumps(texts).replace("<", "\\u003c")
    page.write_text(_TIMED % ((folder / "m.mjs").read_text(), given, BATCH, BATCH), "utf-8")
    browser = next(filter(None, map(shutil.which, BROWSERS)))
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            f"--user-data-dir={folder / 'profile'}", "--timeout=20000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer = re.search('<pre id="found">(.+?)</pre>', done.stdout)
    if answer is None:
        raise ValueError(f"the browser timed nothing: {done.stderr[-500:]}")
    taken: list[float] = json.loads(html.unescape(answer[1]))
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    main()
