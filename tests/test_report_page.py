"""The HTML page in a real browser: it fits, it is legible, and it asks for nothing outside."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from embzip.report import to_html
from scripts.prepare import BROWSERS
from tests.records import empty_record, hostile_record, usual_record

RECORDS = {"usual": usual_record, "empty": empty_record, "hostile": hostile_record}
WIDTHS = (360, 759, 760, 1440)

# Headless windows have a least width, so each page stands in a frame of the width to be tested.
WRAPPER = """<!doctype html><meta charset="utf-8"><body>{frames}<pre id="found"></pre><script>
function shown(element) {{ return element.getClientRects().length > 0; }}
function measure(frame) {{
  const page = frame.contentDocument, view = frame.contentWindow;
  const found = {{small: [], outside: [], overlaps: []}};
  found.inner = view.innerWidth;
  found.scroll = page.documentElement.scrollWidth;
  found.scripts = page.scripts.length;
  found.bold = page.querySelectorAll("b, img, a").length;
  found.plots = [...page.querySelectorAll("svg")].filter(shown).length;
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  found.texts = 0;
  while (walker.nextNode()) {{
    const text = walker.currentNode, element = text.parentElement;
    if (!text.data.trim() || !shown(element)) continue;
    found.texts += 1;
    let size = parseFloat(view.getComputedStyle(element).fontSize);
    if (element.closest("svg")) size *= element.getScreenCTM().a;
    if (size < 12) found.small.push([text.data, size]);
    const range = page.createRange();
    range.selectNodeContents(text);
    const box = range.getBoundingClientRect();
    if (!element.closest(".table") && (box.left < 0 || box.right > view.innerWidth))
      found.outside.push([text.data, box.left, box.right]);
  }}
  const labels = [...page.querySelectorAll("svg text")].filter(shown)
    .map(e => [e.textContent, e.getBoundingClientRect()]);
  labels.forEach(([a, s], i) => labels.slice(0, i).forEach(([b, t]) => {{
    if (s.left < t.right - 1 && t.left < s.right - 1 && s.top < t.bottom - 4
        && t.top < s.bottom - 4) found.overlaps.push([a, b]);
  }}));
  found.labels = labels.map(([text]) => text);
  return found;
}}
addEventListener("load", () => {{
  const frames = [...document.querySelectorAll("iframe")];
  document.getElementById("found").textContent =
    JSON.stringify(Object.fromEntries(frames.map(frame => [frame.id, measure(frame)])));
}});
</script>"""


def browser() -> str:
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.fail("the report's page is tested in a browser: `make programs` fetches one")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the browser measured, by record and width; one start of the browser for all."""
    folder = tmp_path_factory.mktemp("page")
    pages = {name: html.escape(to_html(make())) for name, make in RECORDS.items()}
    frames = "".join(
        f'<iframe id="{name}-{width}" srcdoc="{page}" style="width:{width}px;height:900px;'
        'border:0;display:block"></iframe>'
        for name, page in pages.items()
        for width in WIDTHS
    )
    wrapper = folder / "wrapper.html"
    wrapper.write_bytes(WRAPPER.format(frames=frames).encode("utf-8", "backslashreplace"))
    finished = subprocess.run(
        [
            browser(),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1600,900",
            "--dump-dom",
            wrapper.as_uri(),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    answer = re.search(r'<pre id="found">(.+?)</pre>', finished.stdout, re.DOTALL)
    assert answer, finished.stderr
    return json.loads(html.unescape(answer[1]))


CASES = pytest.mark.parametrize("name", [f"{r}-{w}" for r in RECORDS for w in WIDTHS])


@CASES
def test_page_fits_its_width(found, name):
    assert found[name]["inner"] == int(name.rpartition("-")[2])
    assert found[name]["scroll"] <= found[name]["inner"]
    assert found[name]["outside"] == []


@CASES
def test_text_is_legible(found, name):
    assert found[name]["texts"] > 10
    assert found[name]["small"] == []


@CASES
def test_one_plot_is_seen_and_its_labels_do_not_overlap(found, name):
    assert found[name]["plots"] == (0 if name.startswith("empty") else 1)
    assert found[name]["overlaps"] == []


def test_every_candidate_is_numbered_in_the_plot(found):
    for width in WIDTHS:
        assert set("12345") <= set(found[f"usual-{width}"]["labels"])


@CASES
def test_names_and_notes_make_no_elements(found, name):
    assert found[name]["scripts"] == 0
    assert found[name]["bold"] == 0


class References(HTMLParser):
    """Collects what a page would load or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "srcset", "href", "xlink:href", "action", "data", "poster"}:
                self.found.append(value or "")
            assert not name.startswith("on"), (tag, name)


@pytest.mark.parametrize("name", RECORDS)
def test_page_asks_for_nothing_outside(name):
    page = to_html(RECORDS[name]())
    references = References()
    references.feed(page)
    assert all(value.startswith("#") for value in references.found)
    assert not references.tags & {"script", "link", "iframe", "img", "object", "embed", "base"}
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", page))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "@import" not in style
    assert "http" not in style
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in references.found} <= set(ids)


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme):
    """At least 4.5 to 1, what WCAG 2 asks of text, for every colour on every background."""
    blocks = re.findall(r":root \{(.*?)\}", to_html(empty_record()), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", blocks[scheme == "dark"]))
    for text in ("ink", "muted", "accent", "worse", "better"):
        for background in ("page", "card", "tint"):
            bright, dark = sorted(
                (luminance(colours[text]), luminance(colours[background])), reverse=True
            )
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (text, background)
