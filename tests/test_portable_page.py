"""The page of a classifier in a real browser: it answers, it fits, it asks for nothing outside."""

import html
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from embzip.artefacts import export
from embzip.classifier import Kit, MeanConfig, load_classifier
from scripts.make_golden import ANYWHERE
from tests.models import tiny_classifier
from tests.test_report_page import browser, luminance

TEXT = "The lion & the <b>tiger</b>, people say"
LABELS = ("</script><b>bold</b>", "a label of many letters " * 8, "Ж", *map(str, range(20)))
# Types into the page, and puts what it then shows beside it.
TYPING = """<script>addEventListener("load", () => {
  const field = document.getElementById("text");
  field.value = %s;
  field.dispatchEvent(new Event("input"));
  const found = {inner: innerWidth, scroll: document.documentElement.scrollWidth,
    bold: document.querySelectorAll("b").length,
    loading: !document.getElementById("loading").hidden,
    answers: [...document.querySelectorAll(".answer")].map(e => e.textContent),
    bars: document.querySelectorAll(".bars li").length,
    unknown: [...document.querySelectorAll(".tokens .unknown")].map(e => e.textContent),
    told: document.getElementById("told").textContent,
    facts: document.getElementById("facts").textContent};
  parent.postMessage([window.name, found], "*");
});</script>"""
WRAPPER = """<!doctype html><meta charset="utf-8"><body>%s<pre id="found"></pre><script>
const found = {};
addEventListener("message", ({data: [name, what]}) => {
  found[name] = what;
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


def dumped(folder: Path, page: str) -> str:
    """Return the document that a page becomes in the browser."""
    path = folder / "opened.html"
    path.write_text(page, "utf-8")
    done = subprocess.run(
        [
            browser(),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={folder / 'profile'}",
            *("--window-size=1600,900", "--virtual-time-budget=10000", "--dump-dom"),
            path.as_uri(),
        ],
        capture_output=True, text=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    """Pages of one classifier with odd labels, of a kit, and one whose model is damaged."""
    folder = tmp_path_factory.mktemp("pages")
    one = tiny_classifier("int8", labels=LABELS)
    other = tiny_classifier("int8", encoder=MeanConfig, labels=("glad", "sad"))
    made = {}
    for name, model in (("odd", one), ("kit", Kit.of({"topic": one, "mood": other}))):
        made[name] = export(model, folder / "p.html", to="html").path.read_text("utf-8")
    start = made["odd"].index('DATA = "') + 500
    made["damaged"] = made["odd"][:start] + "AAAA" + made["odd"][start + 4 :]
    made["cut"] = made["odd"][: start + 100]
    return made


@pytest.fixture(scope="module")
def found(pages, tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("shown")
    frames = ""
    for name in ("odd", "kit"):
        typing = TYPING % json.dumps(TEXT).replace("<", "\\u003c")
        inside = html.escape(pages[name].replace("</body>", f"{typing}</body>"))
        frames += "".join(
            f'<iframe name="{name}-{width}" srcdoc="{inside}" style="width:{width}px;height:900px;'
            'border:0;display:block"></iframe>'
            for width in (360, 1440)
        )
    answer = re.search(r'<pre id="found">(.+?)</pre>', dumped(folder, WRAPPER % frames), re.DOTALL)
    assert answer
    return json.loads(html.unescape(answer[1]))


@pytest.mark.parametrize("name", ["odd-360", "odd-1440", "kit-360", "kit-1440"])
def test_the_page_answers_and_fits(name: str, found) -> None:
    shown = found[name]
    assert shown["inner"] == int(name.rpartition("-")[2])
    assert shown["scroll"] <= shown["inner"]
    assert not shown["loading"]
    assert shown["bold"] == 0
    one = tiny_classifier("int8", labels=LABELS).predict([TEXT])[0].label
    mood = tiny_classifier("int8", encoder=MeanConfig, labels=("glad", "sad")).predict([TEXT])[0]
    assert shown["answers"] == [one] if name.startswith("odd") else [one, mood.label]
    assert shown["bars"] == (10 if name.startswith("odd") else 12)
    assert shown["unknown"].count("the") == 2
    assert shown["told"] == "4 of 15 known"
    assert "int8, 11 rows of 6" in shown["facts"]


@pytest.mark.parametrize("name", ["damaged", "cut"])
def test_a_damaged_page_says_so(name: str, pages, tmp_path) -> None:
    document = dumped(tmp_path, pages[name])
    assert re.search('<p id="loading">The model is loading. If this line stays', document)
    assert 'id="ready" hidden' in document


def test_the_browser_gives_the_golden_answers(tmp_path) -> None:
    module = export(load_classifier(ANYWHERE), tmp_path / "m.mjs", to="javascript").path.read_text()
    expected = json.loads(ANYWHERE.with_suffix(".json").read_text("utf-8"))
    texts = json.dumps([each["text"] for each in expected])
    asked = (
        f"document.getElementById('found').textContent = JSON.stringify({texts}.map((text) => "
        "[encode(text), classify(text).probabilities]));"
    )
    page = f'<meta charset="utf-8"><pre id="found"></pre><script type="module">{module}{asked}'
    answer = re.search('<pre id="found">(.+?)</pre>', dumped(tmp_path, page + "</script>"))
    assert answer
    for (ids, probabilities), known in zip(json.loads(answer[1]), expected, strict=True):
        assert ids == known["ids"]
        np.testing.assert_allclose(probabilities, known["probabilities"], atol=1e-5)


def test_the_page_asks_for_nothing_outside(pages) -> None:
    page = pages["odd"]
    without = re.sub('DATA = "[^"]*"', "", page)
    assert not re.search(
        r"\b(src|href|srcset|action)=|url\(|@import|https?://|fetch\(|import\(", without
    )
    assert re.findall("<script[^>]*>", page) == ['<script type="module">']
    assert page.count("</script>") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme: str, pages) -> None:
    blocks = re.findall(r":root \{(.*?)\}", pages["odd"], re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", blocks[scheme == "dark"]))
    for text in ("ink", "muted", "accent", "unknown"):
        for background in ("page", "card"):
            bright, dark = sorted(map(luminance, (colours[text], colours[background])))[::-1]
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (text, background)
