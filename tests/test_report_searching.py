"""The page of a search in a real browser: it fits, it is legible, it tells points and sorts."""

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from embzip.report.front_plot import Mark, draw_front
from embzip.report.searching import front_lines, search_page
from tests.test_report_page import WRAPPER, References, browser, luminance

WIDTHS = (360, 1440)
HOSTILE = "</script><script>document.title='x'</script><img src=x onerror=alert(1)> \u202e\x1b[31m"


def trial(number: int, nbytes: int, accuracy: float, **known: Any) -> dict[str, Any]:
    student = {
        "rows": 100 * number + 500, "dim": 8, "filters": 16, "encoder": "cnn",
        "codec": "svd|tcq:2", "kernels": "int4", "pieces": 2000 * (number == 2),
    }  # fmt: skip
    return {
        "number": number, "generation": 0, "name": f"student {number}", "student": student,
        "bytes": nbytes, "embz_bytes": nbytes, "accuracy": accuracy, "macro-f1": accuracy - 0.05,
        "latency": None, "seconds": 12.5, "seeds": 1, "front": False, "best": False, **known,
    }  # fmt: skip


def parts(total: int) -> dict[str, int]:
    return {
        "vocabulary": total // 3, "embedding": total // 3, "classifier": total // 4,
        "header": total - 2 * (total // 3) - total // 4, "total": total,
    }  # fmt: skip


def verdict(said: str) -> dict[str, Any]:
    return {
        "answer": said, "metric": "accuracy", "max_drop": 0.5, "confidence": 0.95,
        "rows": 1355, "changed": 80, "before": 0.82, "after": 0.819, "difference": -0.1,
        "lower": -0.45, "upper": 0.31, "smallest_drop": 0.45, "more_rows": 0, "sentence": said,
    }  # fmt: skip


def record(*, final: bool, text: str = "a goal in extra time") -> dict[str, Any]:
    trials = [
        trial(0, 64_000, 0.815, front=True),
        trial(1, 31_000, 0.811, front=True, best=True, name=text),
        trial(2, 30_000, 0.79, front=True),
        trial(3, 90_000, 0.78),
    ]
    serving = {"latency_ms": {"p50": 0.2, "p99": 0.4}, "load_seconds": 0.1, "rss_mb": 90.0}
    pair = {"expected": text, "before": "sport", "after": text, "texts": 9}
    example = {
        "text": text, "expected": "sport", "before": "sport", "after": text,
        "before_probability": 0.9, "after_probability": 0.6,
    }  # fmt: skip
    test = {
        **verdict("shown"), "shared": 2, "looks": 1,
    }  # fmt: skip
    changed = {"of": "test", "pairs": [pair], "examples": [example] * 3}
    best = {**trials[1], "parts": parts(31_000), "file": "best.embz"}
    baseline = {
        "number": 0, "bytes": 25_469_367, "parts": parts(25_469_367), "accuracy": 0.814,
        "macro-f1": 0.76, "name": "the best uncompressed model",
    }  # fmt: skip
    if final:
        best["serving"] = baseline["serving"] = serving
    return {
        "kind": "search",
        "state": "gated" if final else "preliminary",
        "sentence": f"best.embz has 31,000 bytes -> {text}",
        "goal": {
            "max_drop": 0.5, "metric": "accuracy", "runtime": "embz", "latency": None,
            "asked": "it", "size": None,
        },
        "corpus": {
            "file": text, "train": 23_893, "choosing": 1300, "gate": 1355, "unlabelled": 0,
            "labels": 7,
        },
        "baseline": baseline,
        "best": best,
        "verdict": verdict("shown") if final else None,
        "gate": {"looks": 2, "list": [], "chosen": 0} if final else None,
        "confirmed": {**verdict("shown"), "folds": 5, "looks": 1} if final else None,
        "test": test if final else None,
        "changed": changed if final else None,
        "trials": trials if final else trials[1:2],
        "stopped": 6 if final else 0,
        "notes": [text],
        "seconds": 31.0,
        "environment": {"embzip": "0.1", "cores": 2},
    }  # fmt: skip


def test_a_latency_has_its_column_and_what_changed_its_texts() -> None:
    found = record(final=True)
    assert 'data-label="ms"' not in search_page(found)
    assert "intervals of each accuracy" in search_page(found)
    answered = "Answers and times were taken of best.embz"
    assert answered not in search_page(found)
    found["goal"] |= {"latency": 0.05, "metric": "macro-f1", "runtime": "litert"}
    found["trials"] = [{**each, "latency": 0.0312} for each in found["trials"]]
    found["changed"]["of"] = "the gate"
    found["test"]["looks"] = 3
    page = search_page(found)
    assert page.count('data-label="ms" data-value="0.0312"') == len(found["trials"])
    assert "What changed most on the gate" in page
    assert "but for time 3" in page
    assert answered in page
    assert "intervals of each accuracy" not in page


def test_the_page_says_what_the_gate_the_folds_and_the_seeds_were() -> None:
    found = record(final=True)
    page = search_page(found)
    assert "each is shown until the first that is not" in page
    assert "for recipe" not in page
    assert "How much another seed, or other training texts, would change" in page
    found["goal"]["size"] = 31_000
    found["confirmed"]["looks"] = 2
    found["trials"][1]["seeds"] = 3
    found["baseline"] |= {"name": "the teacher", "bytes": 21_000}
    page = search_page(found)
    assert "was read once the answer was chosen. It was look 2" in page
    assert "for recipe 2 in this folder" in page
    assert "How much other training texts would change" in page
    assert "the dashed line are the teacher;" in page
    assert "0.677" in page


RECORDS = {
    "final": record(final=True),
    "preliminary": record(final=False),
    "hostile": record(final=True, text=HOSTILE),
}
PLAYED = """<script>addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  page.querySelectorAll(".plot-wide .mark")[2].focus();
  const told = page.querySelector(".told").textContent;
  const order = () => [...page.querySelectorAll(".trials tbody th")].map(e => e.dataset.value);
  const before = order(), button = page.querySelectorAll(".sort")[1];
  button.click(); const up = order(); button.click(); const down = order();
  document.getElementById("played").textContent = JSON.stringify({told, before, up, down});
});</script>"""


def dumped(page: str, folder: Path) -> str:
    path = folder / "wrapper.html"
    path.write_bytes(page.encode("utf-8", "backslashreplace"))
    finished = subprocess.run(
        [
            browser(),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1600,900",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    return finished.stdout


def frame(name: str, page: str, width: int) -> str:
    return (
        f'<iframe id="{name}-{width}" srcdoc="{html.escape(page)}" style="width:{width}px;'
        'height:900px;border:0;display:block"></iframe>'
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the browser measured, by record and width."""
    frames = "".join(
        frame(name, search_page(each), width) for name, each in RECORDS.items() for width in WIDTHS
    )
    out = dumped(WRAPPER.format(frames=frames), tmp_path_factory.mktemp("page"))
    answer = re.search(r'<pre id="found">(.+?)</pre>', out, re.DOTALL)
    assert answer
    return dict(json.loads(html.unescape(answer[1])))


CASES = pytest.mark.parametrize("name", [f"{r}-{w}" for r in RECORDS for w in WIDTHS])


@CASES
def test_the_page_fits_and_is_legible(found: dict[str, Any], name: str) -> None:
    assert found[name]["inner"] == int(name.rpartition("-")[2])
    assert found[name]["scroll"] <= found[name]["inner"]
    assert found[name]["outside"] == []
    assert found[name]["small"] == []
    assert found[name]["texts"] > 20
    assert found[name]["plots"] == 1
    assert found[name]["overlaps"] == []


@CASES
def test_no_text_becomes_an_element(found: dict[str, Any], name: str) -> None:
    assert found[name]["scripts"] == 1, "its own"
    assert found[name]["bold"] == 0


def test_points_are_told_and_the_table_is_sorted(tmp_path: Path) -> None:
    page = search_page(RECORDS["final"])
    out = dumped(f'{frame("final", page, 1440)}<pre id="played"></pre>{PLAYED}', tmp_path)
    answer = re.search(r'<pre id="played">(.+?)</pre>', out, re.DOTALL)
    assert answer
    played = json.loads(html.unescape(answer[1]))
    assert played["told"].startswith("trial 1: ")
    assert "31,000 bytes, .811" in played["told"]
    assert played["before"] == ["0", "1", "2", "3"]
    assert played["up"] == ["2", "1", "0", "3"]
    assert played["down"] == ["3", "0", "1", "2"]


@pytest.mark.parametrize("name", RECORDS)
def test_the_page_is_complete_without_its_script_and_asks_for_nothing(name: str) -> None:
    page = search_page(RECORDS[name])
    references = References()
    references.feed(page)
    assert all(value.startswith("#") for value in references.found)
    assert not references.tags & {"link", "iframe", "img", "object", "embed", "base"}
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", page))
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    marks = page.count('class="mark"')
    assert marks == 2 * (1 + len(RECORDS[name]["trials"])) == page.count("<title>") - 1
    assert "fetch(" not in page
    assert "http" not in page[page.index("<script>") :]


def test_the_answer_and_its_figures_stand_first() -> None:
    page = search_page(RECORDS["final"])
    first = page[page.index("<h1") : page.index("<figure>")]
    assert "best.embz has 31,000 bytes" in first
    assert "822×" in first
    assert "accuracy on the gate, 1,355 texts" in first
    assert "−0.10 points" in first
    early = search_page(RECORDS["preliminary"])
    assert "nothing is shown so far" in early
    assert "Time and memory" not in early


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plain_text_has_contrast(scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", search_page(RECORDS["final"]), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", blocks[scheme == "dark"]))
    bright, dark = sorted((luminance(colours["even"]), luminance(colours["card"])), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_a_trial_far_below_the_others_stands_at_the_lower_edge() -> None:
    marks = [
        Mark("baseline", 1000, 0.9, "before"),
        Mark("best", 100, 0.89, "the answer"),
        Mark("trial", 50, 0.4, "far below"),
    ]
    svg = draw_front(marks, width=600, height=400, font=12, prefix="a", metric="accuracy")
    points = re.findall(r'<g id="a-point-\d+".*?<use [^>]* y="([\d.]+)"', svg, re.DOTALL)
    before, answer, below = map(float, points)
    assert before < answer < below < 400


def test_the_front_for_a_terminal_is_sorted_by_size() -> None:
    lines = front_lines(RECORDS["final"])
    assert [line[1] for line in lines] == ["30.0", "31.0", "64.0"]
    assert [line[0] for line in lines] == ["", "*", ""]
