"""A whole search on a few hundred paragraphs: killed, gone on with, and on two workers."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import embzip
import embzip.tf
from embzip.classifier import load_classifier
from embzip.errors import InputError
from embzip.trials import proposing, space
from embzip.trials.starts import first_points
from tests.commands import outcome
from tests.conftest import news
from tests.models import tiny_classifier

# Few documents and a small teacher, so that students take seconds.
TRAIN, TEST = slice(0, 36), slice(60, 80)
TRIALS = 2
WORKER = "embzip.trials.working"  # stands in a worker's command line


def start(
    folder: Path, output: str, *options: object, before: Sequence[str] = ()
) -> "subprocess.Popen[bytes]":
    command = [*before, sys.executable, "-m", "embzip", "search", "train.tsv"]
    command += ["--trials", str(TRIALS)]
    command += ["--teacher", "teacher.embz"]
    with (folder / f"{output}.log").open("ab") as said:
        return subprocess.Popen(
            [*command, *map(str, options), "-o", output],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=said,
        )


def wait_for(process: "subprocess.Popen[bytes]", found: Callable[[], bool]) -> None:
    """Wait until something is there, or the process has ended."""
    while process.poll() is None and not found():
        time.sleep(0.05)


def children(parent: int) -> Iterator[tuple[int, str]]:
    """Yield (id, command line) of the processes that a process has started."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            found = (path / "stat").read_text().rpartition(")")[2].split()[1]
            said = (path / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue  # it has ended
        if found == str(parent):
            yield int(path.name), said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    for name, documents in (("train.tsv", TRAIN), ("test.tsv", TEST)):
        lines = news("business", documents) + news("sports", documents)
        (folder / name).write_text(lines, "utf-8")
    train = folder / "train.tsv"
    words = embzip.build_words(train, labelled=True, min_count=2)
    vectors = embzip.train_vectors(train, words, dim=16, labelled=True)
    options = {"filters": 12, "windows": (1, 2), "epochs": 3, "learning_rate": 0.01}
    examples = embzip.read_examples(train)
    embzip.tf.train(examples, vectors, **options).classifier.save(folder / "teacher.embz")
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, Any]:
    """The record of a search that nothing interrupted, on one worker."""
    process = start(folder, "whole", "--test", "test.tsv", "--json")
    out, _ = process.communicate()
    assert process.returncode == 0, (folder / "whole.log").read_text()
    record = json.loads(out)
    assert isinstance(record, dict)
    return record


@pytest.fixture(scope="module")
def killed(folder: Path, whole: dict[str, Any]) -> dict[str, Any]:
    """The record of a search on two workers that was killed, and then ended."""
    output = folder / "killed"
    log = folder / "killed.log"
    process = start(folder, "killed", "--test", "test.tsv", "--workers", 2)
    wait_for(process, (output / "lock").exists)
    refused = start(folder, "killed")
    refused.communicate()
    assert refused.returncode == 1
    wait_for(process, (output / "report.html").exists)
    started = [number for number, said in children(process.pid) if WORKER in said]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # A killed search leaves the last answer whole.
    assert embzip.load_model(output / "best.embz").predict(["a goal"])
    assert json.loads((output / "front.json").read_bytes())["trials"]
    assert "another search works here" in log.read_text()
    process = start(folder, "killed", "--test", "test.tsv", "--workers", 2, "--json")
    out, _ = process.communicate()
    assert process.returncode == 0, log.read_text()
    record = json.loads(out)
    assert isinstance(record, dict)
    return {**record, "workers": started}


def without_times(record: dict[str, Any]) -> str:
    """Return a record without what is measured in seconds and milliseconds."""
    record = deepcopy(record)
    for each in (*record["trials"], record["best"], record["baseline"], record):
        each.pop("seconds", None)
        each.pop("serving", None)
    record.pop("workers", None)
    return json.dumps(record, sort_keys=True)


def test_a_killed_search_ends_with_the_same_trials_and_the_same_bytes(
    folder: Path, whole: dict[str, Any], killed: dict[str, Any]
) -> None:
    assert [each["number"] for each in killed["trials"]] == list(range(TRIALS))
    assert without_times(killed) == without_times(whole)
    digests = [
        hashlib.sha256((folder / output / "best.embz").read_bytes()).hexdigest()
        for output in ("whole", "killed")
    ]
    assert digests[0] == digests[1]


def test_on_a_cluster_a_worker_may_be_killed_and_the_bytes_are_the_same(
    folder: Path, whole: dict[str, Any]
) -> None:
    log = folder / "clustered.log"
    process = start(folder, "clustered", "--test", "test.tsv", "--cluster", "local:2", "--json")
    wait_for(process, lambda: "generation 0" in log.read_text())
    os.kill(next(child for child, said in children(process.pid) if "spawn_main" in said), 9)
    out, _ = process.communicate()
    assert process.returncode == 0, log.read_text()
    assert without_times(json.loads(out)) == without_times(whole)
    found, expected = (folder / output / "best.embz" for output in ("clustered", "whole"))
    assert found.read_bytes() == expected.read_bytes()


def test_where_the_disk_is_full_a_search_says_so_and_goes_on_later(
    folder: Path, whole: dict[str, Any]
) -> None:
    log = folder / "full.log"
    # Limits of the kernel on the size of any file: the teacher does not fit, then a student.
    for largest, step in ((120_000, "teacher"), (138_000, "sketch")):
        process = start(folder, "full", before=["prlimit", f"--fsize={largest}"])
        process.communicate()
        assert process.returncode == 1
        last = log.read_text().splitlines()[-1]
        assert re.match(
            rf"embzip: error: .*full/steps/\.{step}-.*: writing failed \(File too", last
        )
    process = start(folder, "full", "--test", "test.tsv", "--json")
    out, _ = process.communicate()
    assert process.returncode == 0, log.read_text()
    assert without_times(json.loads(out)) == without_times(whole)
    assert (folder / "full" / "best.embz").read_bytes() == (
        folder / "whole" / "best.embz"
    ).read_bytes()


def test_no_worker_outlives_its_search(killed: dict[str, Any]) -> None:
    time.sleep(0.5)
    assert len(killed["workers"]) == 2
    for number in killed["workers"]:
        said = Path(f"/proc/{number}/cmdline")
        assert not said.exists() or WORKER not in said.read_text()
    assert not [said for _, said in children(os.getpid()) if WORKER in said]


def test_what_is_there_is_what_the_record_says(folder: Path, whole: dict[str, Any]) -> None:
    output = folder / "whole"
    best = whole["best"]
    assert (output / "best.embz").stat().st_size == best["bytes"] == best["parts"]["total"]
    assert whole["state"] == "gated"
    assert whole == json.loads((output / "front.json").read_bytes())
    assert best["bytes"] < whole["baseline"]["bytes"] / 3
    student = embzip.load_model(output / "best.embz")
    exported = embzip.load_model(output / "best.tflite")
    texts = [example.text for example in embzip.read_examples(folder / "test.tsv")]
    assert exported.predict(texts[:20])[3].label == student.predict(texts[:20])[3].label
    page = (output / "try.html").read_text("utf-8")
    assert "<title>The best so far</title>" in page
    assert "export function classify(text)" in page
    measured = embzip.evaluate(output / "best.embz", folder / "test.tsv")
    assert measured.accuracy == pytest.approx(whole["test"]["after"])
    assert whole["gate"]["looks"] == 1
    assert whole["verdict"]["answer"] in ("shown", "worse", "not shown")
    assert whole["corpus"]["choosing"] + whole["corpus"]["gate"] < whole["corpus"]["train"] / 5


def test_a_finished_search_is_read_again_and_another_corpus_is_refused(
    folder: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    before = (folder / "whole" / "best.embz").stat().st_mtime_ns
    command = ("search", "train.tsv", "--trials", TRIALS, "--teacher", "teacher.embz")
    again = outcome(*command, "--test", "test.tsv", "-o", "whole")
    assert again.code == 0, again.stderr
    assert again.stdout.startswith(whole["sentence"])
    plain = outcome(*command, "--test", "test.tsv", "-o", "whole", "--no-examples", "--json")
    told = json.loads(plain.stdout)
    assert told["test"] == whole["test"]
    assert told["changed"] == {**whole["changed"], "examples": []}
    assert "trial 0" not in again.stderr
    assert (folder / "whole" / "best.embz").stat().st_mtime_ns == before
    other = outcome("search", "test.tsv", *command[2:], "-o", "whole")
    assert other.code == 1
    assert "whole: holds a search with another train; one folder is for one corpus" in other.stderr


def test_a_search_reads_texts_and_teacher_elsewhere(
    folder: Path, whole: dict[str, Any], memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files elsewhere with the same content go on with a search that began with files here."""
    monkeypatch.chdir(folder)
    for name in ("train.tsv", "test.tsv", "teacher.embz"):
        memory.pipe(f"/news/{name}", Path(name).read_bytes())
    command = ["search", "memory://news/tr*.tsv", "--test", "memory://news/test.tsv"]
    command += ["--trials", str(TRIALS), "--teacher", "memory://news/teacher.embz", "-o", "whole"]
    again = outcome(*command)
    assert again.code == 0, again.stderr
    assert again.stdout.startswith(whole["sentence"])
    assert "trial 0" not in again.stderr
    memory.pipe("/news/train.tsv", Path("test.tsv").read_bytes())
    other = outcome(*command)
    assert (other.code, other.stdout) == (1, "")
    assert "whole: holds a search with another train; one folder is for" in other.stderr
    memory.pipe("/news/teacher.embz", b"no model")
    broken = outcome(*command[:-1], "broken")
    assert broken.stderr.splitlines()[-1].startswith("embzip: error: memory://news/teacher.embz: ")


def test_a_size_below_the_smallest_is_said_before_anything_is_trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("few.tsv").write_text("a\tone text\nb\tanother\n" * 2, "utf-8")
    refused = outcome("search", "few.tsv", "--size", "500B", "-o", "small")
    assert (refused.code, "add examples" in refused.stderr) == (1, True), refused.stderr
    # A folder belongs to no corpus that was refused.
    for runtime in ("embz", "litert"):
        found = outcome("search", "train.tsv", "--size", "500B", "--for", runtime, "-o", "small")
        assert found.code == 1
        assert "the smallest file of this corpus has" in found.stderr
    assert not list((folder / "small" / "steps").glob("train-*"))
    assert not (folder / "small" / "best.embz").exists()
    assert not (folder / "small" / "search.json").exists()


def test_a_test_of_other_labels_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("zoo.tsv").write_text("zoo\ta lion\nzoo\ta tiger\n", "utf-8")
    found = outcome("search", "train.tsv", "--test", "zoo.tsv", "--trials", 1, "-o", "zoo")
    assert found.code == 1
    assert "such as 'business', found none of them in 2 rows" in found.stderr
    assert not list((folder / "zoo" / "steps").glob("train-*"))


def test_students_of_a_teacher_over_pieces_keep_all_of_them(folder: Path) -> None:
    train = folder / "train.tsv"
    pieces = embzip.build_bpe(train, vocab=300, labelled=True)
    vectors = embzip.train_vectors(train, pieces, dim=8, labelled=True)
    examples = embzip.read_examples(train)
    teacher = embzip.tf.train(examples, vectors, filters=8, windows=(1,), epochs=1).classifier
    teacher.save(folder / "pieces.embz")
    record = embzip.search(train, folder / "pieces", teacher=folder / "pieces.embz", trials=1)
    assert record["best"]["name"].startswith("all pieces of the teacher x ")
    best = load_classifier(folder / "pieces" / "best.embz")
    assert (best.tokenizer.kind, best.embedding.rows) == ("bpe", vectors.rows)


def test_a_teacher_of_other_labels_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.chdir(folder)
    tiny_classifier().save(folder / "animals.embz")
    found = outcome("search", "train.tsv", "--teacher", "animals.embz", "-o", "animals")
    assert found.code == 1
    assert (
        "a teacher has the labels of the training texts: the teacher has 'animals'" in found.stderr
    )


def test_a_generation_is_halved_by_its_first_epochs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposing, "first_points", lambda space: first_points(space)[:1])
    told: list[str] = []
    options = {"size": "8KB", "teacher": folder / "teacher.embz", "log": told.append}
    record = embzip.search(folder / "train.tsv", folder / "halved", trials=5, **options)
    assert (len(record["trials"]), record["stopped"]) == (3, 2)
    assert [line for line in told if "first epochs" in line] == ["the first epochs of 4 trials"]
    steps = folder / "halved" / "steps"
    made = {name: len(list(steps.glob(f"{name}-*"))) for name in ("sketch", "float", "student")}
    assert made["student"] == 3
    assert made["float"] <= 3 < made["sketch"] <= 5
    # A size is asked for, so the better half is that of the higher accuracy.
    corpus = next(steps.glob("corpus-*"))
    went_on, ended = [], []
    begun = {
        parent
        for each in steps.glob("float-*")
        for parent in json.loads((each / "step.json").read_bytes())["parents"]
    }
    for each in steps.glob("sketch-*"):
        found = embzip.evaluate(each / "model.embz", corpus / "dev.tsv").accuracy
        (went_on if each.name in begun else ended).append(found)
    assert len(ended) >= 1
    assert sorted(went_on)[-2:][0] >= max(ended)
    states: list[str] = []
    options["watch"] = lambda record: states.append(record["state"])
    again = embzip.search(folder / "train.tsv", folder / "halved", trials=5, **options)
    assert without_times(again) == without_times(record)
    assert states == ["gated"], "a verdict stays until something is new"
    # No time is left, and yet nothing that was finished is lost.
    late = embzip.search(folder / "train.tsv", folder / "halved", minutes=1e-9, **options)
    assert [each["name"] for each in late["trials"]] == [each["name"] for each in record["trials"]]
    assert late["best"]["bytes"] == record["best"]["bytes"]


def test_a_tflite_above_its_size_is_never_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposing, "first_points", lambda space: first_points(space)[:1])
    given = {"runtime": "litert", "teacher": folder / "teacher.embz", "trials": 1}
    record = embzip.search(folder / "train.tsv", folder / "lite", size="100KB", **given)
    best = folder / "lite" / "best.tflite"
    assert best.stat().st_size == record["best"]["bytes"] <= 100_000
    assert re.search(r"times (fewer than|as many as) the teacher's \.embz", record["sentence"])
    monkeypatch.setattr("embzip.trials.goals._LITERT_SHARE", 1.0)
    with pytest.raises(InputError, match="at most 40,000 bytes, the smallest has"):
        embzip.search(folder / "train.tsv", folder / "over", size="40KB", **given)
    assert not (folder / "over" / "best.tflite").exists()


def test_a_drop_some_minutes_and_further_texts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    train = embzip.read_examples("train.tsv")
    test = [each.text for each in embzip.read_examples("test.tsv")]
    further = [*(each.text for each in train), "a goal", test[0]]
    Path("more.txt").write_text("\n".join(further), "utf-8")
    given = ("--teacher", "teacher.embz", "--texts", "more.txt", "--test", "test.tsv")
    # So little time is over before the first trial, which is run all the same.
    command = ("search", "train.tsv", "--max-drop", 1, "--minutes", 1e-6, *given, "-o", "drop")
    record = json.loads(outcome(*command, "--json").stdout)
    assert record["goal"]["asked"] == "the smallest .embz that loses at most 1 point of accuracy"
    assert 1 <= len(record["trials"]) < 8, "those that share the first float32 student"
    corpus = record["corpus"]
    assert corpus["left_out"] == corpus["choosing"] + corpus["gate"]
    assert corpus["unlabelled"] == corpus["train"] + 2
    assert record["test"]["rows"] == len(test)
    assert record["test"]["shared"] == sum(text in further for text in test) >= 1


def test_a_latency_that_no_trial_reaches_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposing, "first_points", lambda space: first_points(space)[:1])
    given = {"teacher": folder / "teacher.embz", "trials": 1, "latency": "0.0001ms"}
    told = r"no trial answers a text in 0\.0001 ms, the fastest takes [\d.]+: search on"
    with pytest.raises(InputError, match=told):
        embzip.search(folder / "train.tsv", folder / "slow", test=folder / "test.tsv", **given)
    record = json.loads((folder / "slow" / "front.json").read_bytes())
    assert record["notes"][-1] == "no trial fits what was asked for; this is the nearest one"
    assert record["baseline"]["name"] == "the teacher"


def test_workers_are_not_named_beside_a_cluster(folder: Path) -> None:
    with (
        embzip.on_cluster("local:1"),
        pytest.raises(
            InputError, match="workers are those of the cluster, received workers=2: leave"
        ),
    ):
        embzip.search(folder / "train.tsv", folder / "two", workers=2)


def test_teachers_read_what_is_better_and_students_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nearly each word is new, and its first letters tell the label: what words cannot know.
    monkeypatch.setattr(space, "PIECES", (320, 400))
    rng = random.Random(0)

    def word() -> str:
        return "".join(rng.choices("abcdefghij", k=7))

    lines = [
        f"{label}\t{word()} {start}{word()} {word()}"
        for _ in range(200)
        for label, start in (("one", "kr"), ("two", "sm"))
    ]
    (tmp_path / "train.tsv").write_text("\n".join(lines))

    def two(found: space.Space) -> list[dict[str, Any]]:
        """Return one start over the teachers' pieces, if they read some, and one over words."""
        points = {point["pieces"]: point for point in reversed(first_points(found))}
        return [points[pieces] for pieces in (400, 0) if pieces in points]

    monkeypatch.setattr(proposing, "first_points", two)
    told: list[str] = []
    record = embzip.search(
        tmp_path / "train.tsv", tmp_path / "out", size="20KB", trials=2, log=told.append
    )
    assert "training a teacher over words and a teacher over 400 pieces" in told
    assert record["baseline"]["reads"] == 400
    words, pieces = record["baseline"]["tried"]
    assert (words["reads"], pieces["reads"]) == (0, 400)
    assert pieces["accuracy"] > words["accuracy"] + 0.2
    assert record["notes"][0].endswith("all others read 400 pieces")
    kinds = {each["student"]["pieces"]: each["accuracy"] for each in record["trials"]}
    assert set(kinds) == {0, 400}, "students over words too, which start from the other teacher"
    assert kinds[400] > kinds[0]
    assert record["best"]["student"]["pieces"] == 400
    best = embzip.load_model(tmp_path / "out" / "best.embz")
    assert [each.label for each in best.predict(["krabcabca", "smabcabca"])] == [
        "one",
        "two",
    ]
