"""Reports: what the three renderings say, what stands in the files, bad records."""

import copy
import html
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from embzip.compression import compress
from embzip.corpus import Example
from embzip.embz.format import save
from embzip.errors import FileFormatError, InputError, MissingFileError, OutputError
from embzip.report import (
    compare,
    read_record,
    render_terminal,
    to_html,
    to_markdown,
    write_report,
)
from embzip.report.figures import DASH, fraction, megabytes, signed, times
from embzip.report.plot import draw, points_of
from embzip.report.record import facts_of
from embzip.report.view import make_view
from embzip.vectors.base import Vectors
from tests.models import tiny_classifier
from tests.records import candidate, empty_record, hostile_record, usual_record

EXAMPLES = [
    Example(text="lion tiger zoo", label="animals"),
    Example(text="people say able", label="people"),
    Example(text="café", label="people"),
    Example(text="ably about unseen", label="animals"),
]
ISSUE_KEYS = {
    *("name", "tokenizer", "codec", "rows", "dim", "bytes", "compression_ratio", "accuracy"),
    *("macro_f1", "unknown_rate", "difference", "difference_ci95", "mcnemar_p", "epoch_seconds"),
    *("load_seconds", "rss_mb", "latency_ms", "log_loss", "calibration_error"),
}


def terminal(record, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render_terminal(record))
    return console.file.getvalue()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    tiny_classifier("float32").save(folder / "before.embz")
    tiny_classifier("svd:2|int8").save(folder / "after.embz")
    save(tiny_classifier("int8").embedding, folder / "table.embz")
    return folder


def test_sentence_says_all_there_is_to_a_comparison():
    line = make_view(usual_record()).lines[3]
    assert line.name == "bpe-10k-svd48"
    assert line.sentence == (
        "is 54.5 times smaller: 41.2 MB -> 0.756 MB; accuracy .825 -> .822 "
        "(-.003, 95 % interval -.011 to +.004: no difference shown)"
    )


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.02, -0.001), "worse"),
        ((0.001, 0.02), "better"),
        ((-0.02, 0.02), "no difference shown"),
        ((0.0, 0.02), "no difference shown"),
        (None, DASH),
    ],
)
def test_verdict_follows_the_interval(interval, verdict):
    record = usual_record()
    record["candidates"][1]["difference_ci95"] = interval
    line = make_view(record).lines[1]
    assert line.verdict == verdict
    if interval is not None:
        assert line.sentence.endswith(f": {verdict})")


def test_a_larger_candidate_is_called_larger():
    record = usual_record()
    record["candidates"] = [record["candidates"][0], candidate("big", 90_000_000, accuracy=0.7)]
    assert "is 2.2 times larger: 41.2 MB -> 90.0 MB" in make_view(record).lines[1].sentence


def test_numbers_as_they_are_shown():
    assert [fraction(v) for v in (0.8254, 0.9999, 0.0, None)] == [".825", "1.000", ".000", "–"]
    assert [signed(v) for v in (-0.0004, 0.0006, -1.0)] == [".000", "+.001", "-1.000"]
    assert [megabytes(v) for v in (0, 1, 999_999, 1_234_567_890)] == [
        "0 MB",
        "0.000001 MB",
        "1.00 MB",
        "1,235 MB",
    ]
    assert [times(v) for v in (0.5, 1.0, 99.96, 512.3)] == ["0.500x", "1.00x", "100x", "512x"]


@pytest.mark.parametrize("render", [terminal, to_markdown, to_html])
def test_all_renderings_name_every_candidate_and_number(render):
    record = usual_record()
    shown = render(record).replace("\u2212", "-").replace("\u00d7", "x").replace("\\", "")
    for line in make_view(record).lines:
        for key in ("size", "ratio", "accuracy", "codec", "p50", "macro_f1"):
            assert line.cells[key] in shown.replace("\u00a0", " ")
        assert line.name in shown
    assert "words, random initialization" in shown
    assert "random initialization" in shown
    assert "rank 16 holds 41 %" in shown


@pytest.mark.parametrize("render", [terminal, to_markdown, to_html])
def test_missing_values_are_dashes(render):
    shown = render(empty_record())
    assert DASH in shown
    assert not re.search(r"\b(None|nan|null)\b", shown)


@pytest.mark.parametrize("render", [terminal, to_markdown, to_html])
def test_names_are_text_and_nothing_else(render):
    shown = render(hostile_record())
    assert "<script>" not in shown.replace("\\<", "") or render is terminal
    assert "\x1b" not in shown
    shown.encode("utf-8")


def test_a_codec_does_not_end_a_markdown_cell():
    rows = [row for row in to_markdown(usual_record()).splitlines() if "svd:48" in row]
    header = next(r for r in to_markdown(usual_record()).splitlines() if "| tokenizer |" in r)
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == len(re.findall(r"\|", header))


@pytest.mark.parametrize("render", [terminal, to_markdown, to_html])
def test_agreement_and_kl_stand_in_every_rendering(render):
    record = usual_record()
    for entry, agreement, kl in zip(
        record["candidates"][1:], (0.981, 0.97, 1.0, 0.5), (0.0123, 3e-9, 0.0, 1.5), strict=True
    ):
        entry |= {"agreement": agreement, "kl": kl}
    shown = html.unescape(render(record)).replace("\u00a0", " ").replace("\\", "")
    shown = " ".join(shown.split())
    for text in (
        "agreement .981, KL 0.0123 nats",
        "agreement .970, KL < 0.00001 nats",
        "agreement 1.000, KL 0 nats",
        "agreement .500, KL 1.50 nats",
    ):
        assert text in shown
    assert "Likeness to the baseline" in shown
    assert "KL, nats" in shown


@pytest.mark.parametrize("render", [terminal, to_markdown, to_html])
def test_confidence_stands_in_every_rendering(render):
    record = usual_record()
    record["candidates"][2] |= {"log_loss": 1.23456, "calibration_error": 0.0723}
    shown = " ".join(html.unescape(render(record)).replace("\u00a0", " ").split())
    for text in ("Confidence", "log loss, nats", "calibration error", "1.23", ".072", ".035"):
        assert text in shown
    for entry in record["candidates"]:
        entry |= {"log_loss": None, "calibration_error": None}
    assert "Confidence" not in render(record)


def test_each_label_and_threshold_stand_beside_the_baselines():
    record = usual_record()
    before, after = record["candidates"][0], record["candidates"][1]
    for entry in record["candidates"]:
        entry["chosen"] = entry is after
    before["classes"] = [
        {"label": "a|b", "precision": 0.75, "recall": 0.5, "f1": 0.6, "support": 1204},
        {"label": "lost", "precision": None, "recall": 0.0, "f1": 0.0, "support": 3},
    ]
    after["classes"] = [
        {"label": "a|b", "precision": 0.65, "recall": 0.55, "f1": 0.595, "support": 1204}
    ]
    before["coverage"] = [{"threshold": 0.9, "answered": 0.25, "accuracy": 1.0}]
    after["coverage"] = [{"threshold": 0.9, "answered": 0.0, "accuracy": None}]
    lines = to_markdown(record).splitlines()
    assert "| a\\|b | 1,204 | .600 | .595 | .750 | .650 | .500 | .550 |" in lines
    assert "| lost | 3 | .000 | – | – | – | .000 | – |" in lines
    assert "| 0.90 | .250 | .000 | 1.000 |" in lines, "a column of dashes is left out"
    page = to_html(record)
    for heading in ("Each label", "Answers only from a probability on", "F1, baseline"):
        assert heading in page
        assert heading not in terminal(record), "a row a label is too long for a terminal"


def test_terminal_fits_eighty_columns():
    record = usual_record()
    record["candidates"][3] |= {
        **{"agreement": 0.981, "kl": 0.0123, "snr_db": 12.345, "mean_cosine": 0.91},
        **{"read_snr_db": 12.345, "read_cosine": 0.91},
    }
    for shown in (terminal(usual_record()), terminal(record)):
        assert max(map(len, shown.splitlines())) <= 80
    assert "bpe-10k-svd48 " in terminal(usual_record())  # a name of this length is not broken


def test_page_is_the_same_for_the_same_record():
    assert to_html(usual_record()) == to_html(usual_record())


def test_chosen_candidate_leads_and_nothing_is_chosen_on_test():
    record = usual_record()
    assert make_view(record).chosen.name == "bpe-10k-svd48"
    for entry in record["candidates"]:
        entry.pop("chosen", None)
    assert make_view(record).chosen is None
    assert "<h1>Compared with words</h1>" in to_html(record)


@pytest.mark.parametrize("render", [terminal, to_markdown, to_html])
def test_the_rule_of_the_choice_stands_beside_the_chosen(render):
    record = usual_record()
    shown = " ".join(html.unescape(render(record)).split())
    rule = "the smallest file whose accuracy on dev is at most 0.01 below that of words"
    assert f"Chosen: bpe-10k-svd48, {rule}." in shown
    for entry in record["candidates"]:
        entry.pop("chosen", None)
    assert "Chosen:" not in render(record)


def test_report_is_written_and_read_again(tmp_path):
    record = usual_record()
    record["candidates"][0]["snr_db"] = float("inf")
    record["candidates"][1]["accuracy"] = np.float64(0.5)
    record["environment"]["system"] = "Лінукс \udc80"
    paths = write_report(record, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["report.json", "report.md", "report.html"]
    again = read_record(tmp_path / "new" / "folder")
    assert again["candidates"][0]["snr_db"] is None
    assert again["candidates"][1]["accuracy"] == 0.5
    assert again["environment"]["system"] == "Лінукс \udc80"
    assert set(again["candidates"][1]) >= ISSUE_KEYS
    write_report(again, tmp_path / "new" / "folder")
    assert read_record(paths[0]) == again
    assert sorted(os.listdir(paths[0].parent)) == ["report.html", "report.json", "report.md"]


def test_old_report_stays_where_the_new_one_is_bad(tmp_path):
    write_report(usual_record(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    bad = usual_record()
    bad["candidates"][1]["accuracy"] = "high"
    with pytest.raises(InputError, match=r"'bpe-10k': accuracy must be .* 'high'"):
        write_report(bad, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make this folder"):
        write_report(usual_record(), tmp_path / "file" / "below")


def spoiled(change):
    record = copy.deepcopy(usual_record())
    change(record)
    return record


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "list of candidates"),
        ({"candidates": {}}, "list of candidates"),
        ({"candidates": [3], "baseline": "x"}, "an object with a name"),
        ({"candidates": [{"name": "a"}] * 2, "baseline": "a"}, "distinct"),
        ({"candidates": [{"name": "a"}], "baseline": "b"}, "baseline must be"),
        (spoiled(lambda r: r["candidates"][1].update(bytes=3)), "bytes must be an object"),
        (spoiled(lambda r: r["candidates"][1]["bytes"].update(total="x")), r"bytes\.total"),
        (spoiled(lambda r: r["candidates"][1].update(difference_ci95=[1])), "difference_ci95"),
        (spoiled(lambda r: r["candidates"][1].update(accuracy=float("nan"))), "finite"),
        (spoiled(lambda r: r.update(choice=0.01)), r"choice must be text or null, received 0\.01"),
        (spoiled(lambda r: r["controls"][0].update(rss_mb=True)), "control 'words, random"),
        (spoiled(lambda r: r["controls"][0].update(notes=5)), "notes must be texts or null, .* 5"),
        (spoiled(lambda r: r["controls"][0].update(notes=["a", 5])), "notes must be texts"),
        (spoiled(lambda r: r.update(controls=3)), "controls must be a list or null, received 3"),
        (spoiled(lambda r: r.update(controls=[3])), "control: expected an object with a name"),
        (spoiled(lambda r: r["candidates"][1].update(accuracy=10**26)), r"accuracy must .* 0\.\.1"),
        (spoiled(lambda r: r["candidates"][1]["bytes"].update(total=-1)), r"bytes\.total must"),
        (spoiled(lambda r: r["candidates"][1]["bytes"].update(total=10**400)), r"bytes\.total"),
        (spoiled(lambda r: r["candidates"][1].update(codec={"a": 1})), "codec must be text"),
        (spoiled(lambda r: r.update(corpus=[1])), "corpus must be an object or null"),
        (spoiled(lambda r: r.update(baseline="x" * 9000)), r"one of \[.{1,300}received 'x{9}"),
        (spoiled(lambda r: r["candidates"][1].update(name="x" * 9000, dim="")), r"^.{1,250}$"),
        (spoiled(lambda r: r["candidates"][1].update(classes=3)), "classes must be a list of obj"),
        (spoiled(lambda r: r["candidates"][1].update(classes=[{"f1": 1}])), "label of its own"),
        (
            spoiled(lambda r: r["candidates"][1].update(classes=[{"label": "a", "f1": 2}])),
            r"classes: f1 must .* 0\.\.1",
        ),
        (
            spoiled(lambda r: r["candidates"][1].update(coverage=[{"threshold": None}])),
            "coverage must each have a threshold of its own",
        ),
        (spoiled(lambda r: r.update(seed="0")), "seed must be a whole number or null"),
    ],
)
def test_bad_records_are_refused_by_name(record, message):
    with pytest.raises(InputError, match=message):
        to_markdown(record)


def test_files_that_are_no_reports_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"report\.json"):
        read_record(tmp_path)
    (tmp_path / "report.json").write_bytes(b"\xff{")
    with pytest.raises(InputError, match=r"report\.json.*JSON"):
        read_record(tmp_path)
    (tmp_path / "report.json").write_text('{"candidates": ' + "[" * 5000)
    with pytest.raises(InputError, match=r"report\.json: a report is JSON nested more than 32"):
        read_record(tmp_path)
    (tmp_path / "report.json").write_text('{"candidates": 1}')
    with pytest.raises(InputError, match=r"report\.json.*list of candidates"):
        read_record(tmp_path)


def test_compare_classifiers(models):
    record = compare(models / "before.embz", models / "after.embz", test=EXAMPLES, seed=5)
    before, after = record["candidates"]
    assert record["baseline"] == before["name"] == "before.embz"
    assert set(before) >= ISSUE_KEYS
    assert set(after) >= ISSUE_KEYS
    assert (after["codec"], after["rows"], after["dim"]) == ("svd:2|int8", 11, 6)
    assert after["tokenizer"] == "words"
    assert after["bytes"] == facts_of(models / "after.embz")["bytes"]
    assert after["bytes"]["total"] == (models / "after.embz").stat().st_size
    assert after["compression_ratio"] == before["bytes"]["total"] / after["bytes"]["total"]
    assert after["difference"] == after["accuracy"] - before["accuracy"]
    assert (before["difference"], before["epoch_seconds"]) == (None, None)
    assert before["unknown_rate"] == 1 / 10
    assert after["latency_ms"]["p50"] > 0
    assert 0 < after["mean_cosine"] < 1
    assert record["seed"] == 5
    assert record["corpus"]["test_rows"] == 4
    assert "no difference shown" in terminal(record) or "worse" in terminal(record)
    assert 0 <= after["agreement"] <= 1
    assert after["kl"] > 0
    for render in (lambda record: terminal(record, 200), to_markdown, to_html):
        shown = html.unescape(render(record)).replace("\u00a0", " ")
        assert f"agreement {fraction(after['agreement'])}, KL " in shown
        assert "KL, nats" in shown


def test_compare_reports_how_well_rows_are_kept_whatever_their_order(tmp_path):
    """The oracle is the plain formula over the decoded tables."""
    exact, coarse = tiny_classifier().embedding, tiny_classifier("int8").embedding
    save(exact, tmp_path / "a.embz")
    order = np.array([0, 1, *reversed(range(2, 11))])
    turned = Vectors(coarse.vocabulary.subset(order), coarse.decode()[order])
    save(compress(turned, "float32"), tmp_path / "b.embz")
    found = compare(tmp_path / "a.embz", tmp_path / "b.embz", measure=False)["candidates"][1]
    original, kept = exact.decode()[2:].astype(float), coarse.decode()[2:].astype(float)
    plain = 10 * np.log10(np.sum(original**2) / np.sum((original - kept) ** 2))
    assert found["snr_db"] == pytest.approx(plain)
    assert found["accuracy"] is None


def test_compare_with_a_bare_embedding(models):
    record = compare(models / "before.embz", models / "table.embz", test=EXAMPLES, measure=False)
    before, after = record["candidates"]
    assert before["accuracy"] is not None
    assert after["accuracy"] is None
    assert after["latency_ms"] == {"p50": None, "p99": None}
    assert "unlike things" in record["notes"][0]
    assert "one basis" in record["notes"][1]
    assert not {"snr_db", "read_snr_db"} & after.keys()


def test_compare_a_file_with_itself(models):
    record = compare(models / "after.embz", models / "after.embz", measure=False)
    assert len({entry["name"] for entry in record["candidates"]}) == 2
    assert "is the same size" in to_markdown(record)


def test_compare_names_labels_unseen_in_training(models):
    examples = [*EXAMPLES, Example(text="zoo", label="weather")]
    record = compare(models / "before.embz", models / "after.embz", test=examples, measure=False)
    assert "1 of 5 test rows carry labels unseen in training" in to_markdown(record)


def test_compare_refuses_damaged_files(models, tmp_path):
    (tmp_path / "bad.embz").write_bytes((models / "after.embz").read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=r"bad\.embz"):
        compare(models / "before.embz", tmp_path / "bad.embz")
    with pytest.raises(InputError, match="at least one example"):
        compare(models / "before.embz", models / "after.embz", test=[], measure=False)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_case_72_missing_package_is_named_with_a_command(package, tmp_path):
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from embzip.errors import MissingPackageError\n"
        "from embzip.report import write_report\n"
        "from tests.records import usual_record\n"
        "try: write_report(usual_record(), sys.argv[1])\n"
        "except MissingPackageError as error: print(error)"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"pip install '{package}>=" in child.stdout
    assert "uv sync --extra report" in child.stdout
    assert not (tmp_path / "out").exists()


def labels_of(svg):
    """What stands beside points; ticks have another colour."""
    return re.findall(r"<text [^>]*var\(--ink\)[^>]*>([\d, ]+)</text>", svg)


def test_points_are_numbered_in_the_order_of_the_list():
    page = to_html(usual_record())
    names = [entry["name"] for entry in usual_record()["candidates"]]
    assert re.findall("<li>(.*?)</li>", page[page.index('class="points"') :])[:5] == names
    narrow, wide = page.split("<svg ")[1:3]
    assert labels_of(narrow) == labels_of(wide) == ["1", "2", "3", "4", "5"]


def test_a_candidate_that_was_not_measured_has_no_point_and_no_number():
    record = usual_record()
    record["candidates"][1]["accuracy"] = None
    points = points_of(make_view(record).lines)
    names = ["words", "words-svd48", "bpe-10k-svd48", "bpe-4k-svd16"]
    assert [point.line.name for point in points] == names
    assert labels_of(draw(points, width=720, height=400, font=14, prefix="a")) == list("1234")


def test_numbers_of_points_at_one_place_stand_together():
    record = usual_record()
    for entry in record["candidates"]:
        entry |= {"bytes": {"total": 5_000_000}, "accuracy": 0.8, "difference_ci95": None}
    svg = draw(points_of(make_view(record).lines), width=328, height=350, font=13, prefix="a")
    assert sorted(labels_of(svg)) == ["1, 5", "2", "3", "4"]  # a point has four corners


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.floats(0.001, 500), st.floats(0, 1)), min_size=1, max_size=40))
def test_every_point_has_its_number_once(places):
    entries = [
        candidate(f"at-{index}", int(1e6 * size), accuracy=accuracy)
        for index, (size, accuracy) in enumerate(places)
    ]
    view = make_view({"baseline": "at-0", "candidates": entries})
    svg = draw(points_of(view.lines), width=328, height=350, font=13, prefix="a")
    found = [number for label in labels_of(svg) for number in label.split(", ")]
    assert sorted(found, key=int) == [str(number) for number in range(1, 1 + len(places))]
