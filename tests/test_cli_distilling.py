"""`embzip distill`: what it writes and prints, and which options do not go together."""

import csv
import json
from pathlib import Path

import pytest

from embzip.classifier import load_classifier
from tests.commands import error_of, outcome, stdout_of
from tests.processes import PRESSED, run_tensorflow

OPTIONS = ("--rows", 10, "--dim", 4, "--filters", 6, "--codec", "int4", "--epochs", 2)
TRAIN = ("--train", "train.tsv")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distilling")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rows = [
            f"{label}\t{words} {number % 7} {number}\n"
            for number in range(60)
            for label, words in (("sports", "the goal of"), ("business", "a market for"))
        ]
        Path("train.tsv").write_text("".join(rows), "utf-8")
        Path("more.txt").write_text("the goal of a market\na goal for 3\n", "utf-8")
        stdout_of("build-words", "--labelled", "train.tsv", "--min-count", 1, "-o", "words.tsv")
        stdout_of(
            "train-vectors", "--labelled", "train.tsv", "--tokenizer", "words.tsv", "--dim", 8,
            "-o", "vectors.embz",
        )  # fmt: skip
        stdout_of(
            "train", "train.tsv", "--vectors", "vectors.embz", "--epochs", 3, "--filters", 8,
            "--learning-rate", 0.01, "-o", "model.embz",
        )  # fmt: skip
        said = ({"sports": 0.9, "business": 0.1}, {"sports": 0.2, "business": 0.8})
        lines = [
            json.dumps({"text": row.rstrip("\n").partition("\t")[2], "probabilities": said[at % 2]})
            for at, row in enumerate(rows)
        ]
        Path("said.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


@pytest.fixture
def folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_student_is_written_and_told(folder: Path) -> None:
    command = ("distill", "model.embz", *TRAIN, *OPTIONS, "--texts", "more.txt")
    told = json.loads(stdout_of(*command, "--json"))
    assert told["path"] == "model.distilled.embz"
    assert told["seen"] is True
    teacher = (folder / "model.embz").stat().st_size
    assert told["teacher_bytes"] == teacher
    assert told["file_bytes"] == (folder / "model.distilled.embz").stat().st_size
    assert told["shape"] == {
        "rows": 10, "dim": 4, "filters": 6, "encoder": "cnn", "codec": "int4", "kernels": "int4",
        "stems": True,
    }  # fmt: skip
    assert told["student"]["difference"] == pytest.approx(
        told["student"]["accuracy"] - told["teacher"]["accuracy"]
    )
    assert len(told["float_accuracy"]) <= 2
    student = load_classifier(folder / "model.distilled.embz")
    assert (student.embedding.shape, student.kernels) == ((12, 4), "int4")
    lines = stdout_of(*command, "-o", "again.embz").splitlines()
    again = (folder / "again.embz").read_bytes()
    assert again == (folder / "model.distilled.embz").read_bytes()
    assert lines[0].startswith("distilled for 2 epochs in float32, 3 rounded")
    assert lines[1] == (
        f"10 words of 4 numbers, 6 filters, int4, kernels int4, {len(again):,} bytes, "
        f"{teacher / len(again):.0f} times fewer than the {teacher:,} that teach"
    )
    assert lines[2].startswith(f"dev, {told['student']['rows']} texts: accuracy ")
    assert lines[4].startswith("the teacher was trained on these texts, and says little more")
    assert lines[-1] == "again.embz"


@pytest.mark.filterwarnings("ignore:dev is not what the teacher's epoch was chosen by")
def test_of_texts_that_a_teacher_may_not_have_seen_its_file_says_nothing(folder: Path) -> None:
    rows = Path("train.tsv").read_text("utf-8").splitlines(keepends=True)
    Path("dev.tsv").write_text("".join(rows[:20]), "utf-8")
    Path("part.tsv").write_text("".join(rows[20:]), "utf-8")
    command = ("distill", "model.embz", "--train", "part.tsv", "--dev", "dev.tsv", *OPTIONS)
    assert json.loads(stdout_of(*command, "--dry-run", "--json"))["seen"] is False
    (line,) = (x for x in stdout_of(*command).splitlines() if "--folds 4" in x)
    assert line.startswith("whether the teacher has seen these texts, its file does not say")


def test_a_dry_run_trains_and_writes_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    told = json.loads(
        stdout_of("distill", "model.embz", *TRAIN, "--size", "2KB", "--dry-run", "--json")
    )
    assert told["most_bytes"] <= 2000
    assert told["shape"]["rows"] + 2 == told["rows"]
    shape = ("--dim", 4, "--no-stems", "--dry-run", "--json")
    plan = json.loads(stdout_of("distill", "model.embz", *TRAIN, *shape))
    assert plan["shape"]["stems"] is False
    assert plan["rows"] == json.loads(stdout_of("inspect", "model.embz", "--json"))["rows"]
    line = stdout_of("distill", "model.embz", *TRAIN, *OPTIONS, "--dry-run")
    assert line.startswith("10 words of 4 numbers, 6 filters, int4, kernels int4: at most ")
    assert line.endswith("bytes; nothing was trained\n")
    assert sorted(folder.iterdir()) == before


def test_folds_are_kept_and_another_models_word_is_learned(folder: Path) -> None:
    folds = ("--folds", 2, "--vectors", "vectors.embz", "--work", "folds")
    told = stdout_of("distill", "model.embz", *TRAIN, *OPTIONS, *folds, "-o", "a.embz")
    assert "each text was also answered by a teacher that has not seen it" in told
    kept = sorted((folder / "folds").iterdir())
    assert [path.name for path in kept] == ["fold-0-of-2.embz", "fold-1-of-2.embz"]
    written = [path.stat().st_mtime_ns for path in kept]
    stdout_of("distill", "model.embz", *TRAIN, *OPTIONS, *folds, "-o", "b.embz")
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert (folder / "a.embz").read_bytes() == (folder / "b.embz").read_bytes()
    # Without a table, one is trained on the texts: here the same again.
    stdout_of("distill", "model.embz", *TRAIN, *OPTIONS, "--folds", 2, "-o", "c.embz")
    assert (folder / "a.embz").read_bytes() == (folder / "c.embz").read_bytes()
    rows = [line.split("\t") for line in Path("train.tsv").read_text("utf-8").splitlines()]
    with Path("train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["topic", "body"], *rows])
    columns = ("--label-column", "topic", "--text-column", "body", "--folds", 2)
    stdout_of("distill", "model.embz", "--train", "train.csv", *OPTIONS, *columns, "-o", "e.embz")
    assert (folder / "a.embz").read_bytes() == (folder / "e.embz").read_bytes()
    said = ("--probabilities", "said.jsonl", "--vectors", "vectors.embz")
    told = json.loads(stdout_of("distill", *said, *TRAIN, *OPTIONS, "-o", "d.embz", "--json"))
    assert told["student"]["rows"] == told["teacher"]["rows"]
    first, second = load_classifier(folder / "d.embz").training.runs
    assert (first.kind, first.soft, second.kind) == ("train", True, "distill")


def test_options_that_do_not_go_together(folder: Path) -> None:
    for command, told in (
        ((), "name teachers, or --probabilities FILE of another model: one of the two"),
        (("model.embz", "--probabilities", "said.jsonl"), "one of the two"),
        (("--probabilities", "said.jsonl"), "--probabilities needs --vectors"),
        (("model.embz", "--size", "9KB", "--dim", 3), "give --size, or a shape by --dim"),
        (("model.embz", "--folds", 1), "--folds is 0, or 2 to 1024, received 1"),
        (("model.embz", "--folds", 5000), "--folds is 0, or 2 to 1024, received 5000"),
        (("model.embz", "--work", "w"), "--work is for --folds N"),
        (("model.embz", "--fold-share", 0.9), "--fold-share is for --folds N"),
        (("model.embz", "--folds", 2, "--fold-share", 0), "nobody asks the fold teachers"),
        (("model.embz", "--encoder", "mean", "--filters", 6), "--filters is for --encoder cnn"),
        (("model.embz", "--texts", "-"), "--texts is read each epoch, and - only once"),
        (("model.embz", "--vectors", "vectors.embz"), "--vectors is for --folds N or"),
        (
            ("--probabilities", "said.jsonl", "--vectors", "vectors.embz", "--dry-run"),
            "--dry-run needs a teacher",
        ),
    ):
        done = outcome("distill", *command, *TRAIN)
        assert done.code == 2
        assert told in done.stderr
    done = outcome("distill", "model.embz", "--train", "-", "--folds", 2)
    assert done.code == 2
    assert "without --vectors, --train is read twice, and - only once" in done.stderr


def test_a_folder_of_teachers_and_what_the_file_carries(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("two").mkdir()
    for name in ("a", "b"):
        (folder / "two" / f"{name}.embz").write_bytes(Path("model.embz").read_bytes())
    folds = ("--folds", 2, "--vectors", "vectors.embz")
    told = json.loads(
        stdout_of("distill", "two", *TRAIN, *OPTIONS, *folds, "-o", "x.embz", "--json")
    )
    assert told["teacher_bytes"] == 2 * Path("model.embz").stat().st_size
    # What is named as the least size is one, whatever the file carries.
    meta = ("--meta", f"note={500 * 'x'}", *TRAIN)
    refused = error_of(["distill", "model.embz", "--size", "300B", *meta], capfd)
    assert ", and 300 are allowed: name a size of" in refused
    size = refused.partition("name a size of ")[2].partition("B")[0].replace(",", "")
    said = stdout_of("distill", "model.embz", "--size", f"{size}B", *meta, "--dry-run", "--json")
    most = json.loads(said)["most_bytes"]
    stdout_of("distill", "model.embz", "--size", f"{size}B", *meta, "--epochs", 1, "-o", "y.embz")
    assert 500 < Path("y.embz").stat().st_size <= most <= int(size)


@pytest.mark.filterwarnings("default:dev is not what the teacher's epoch was chosen by")
def test_pieces_are_told_as_pieces_and_a_dev_of_doubt_once(folder: Path) -> None:
    stdout_of("build-bpe", "--labelled", "train.tsv", "--vocab", 40, "-o", "pieces.model")
    pieces = ("--tokenizer", "pieces.model", "--dim", 4, "--dry-run")
    line = stdout_of("distill", "model.embz", *TRAIN, *pieces)
    assert " pieces of 4 numbers" in line
    assert (
        "pieces are built from one another"
        in outcome("distill", "model.embz", *TRAIN, *pieces[:2], "--rows", 9).stderr
    )
    rows = Path("train.tsv").read_text("utf-8").splitlines(keepends=True)
    Path("dev.tsv").write_text("".join(rows[:20]), "utf-8")
    Path("part.tsv").write_text("".join(rows[20:]), "utf-8")
    command = ("--train", "part.tsv", "--dev", "dev.tsv", "--folds", 2, "--vectors", "vectors.embz")
    done = outcome("distill", "model.embz", *OPTIONS, *command, "-o", "z.embz")
    assert done.code == 0
    assert done.stderr.count("is not what the teacher's epoch was chosen by") == 1


def test_what_cannot_be_is_refused_before_a_classifier_learns_probabilities(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(*given: object, **options: object) -> None:
        raise AssertionError

    monkeypatch.setattr("embzip.tf.teacher_of", trained)
    said = ("distill", "--probabilities", "said.jsonl", "--vectors", "vectors.embz", *TRAIN)
    refused = error_of([*said, "--size", "300B"], capfd)
    assert "bytes, and 300 are allowed: name a size of" in refused
    assert "received rows = 9,999: name fewer" in error_of([*said, "--rows", 9999], capfd)


def test_bad_input_is_answered_in_one_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def told(*command: object) -> str:
        return error_of(["distill", *command], capfd)

    (folder / "empty.txt").write_text("", "utf-8")
    (folder / "new.tsv").write_text("weather\train in the north\n" * 2, "utf-8")
    (folder / "half.jsonl").write_text(
        '{"text": "a", "probabilities": {"sports": 0.5, "business": 0.2}}\n', "utf-8"
    )
    assert "bytes, and 300 are allowed: name a size of" in told(
        "model.embz", *TRAIN, "--size", "300B"
    )
    folds = ("--folds", 2, "--work", "folds")  # which are not trained
    assert "are allowed: name a size of" in told("model.embz", *TRAIN, "--size", "300B", *folds)
    assert "copies must lie in 0..1024" in told("model.embz", *TRAIN, "--copies", -1, *folds)
    assert not (folder / "folds").exists()
    assert "such as 64KB, received 'big'" in told("model.embz", *TRAIN, "--size", "big")
    assert "received rows = 9,999: name fewer" in told("model.embz", *TRAIN, "--rows", 9999)
    assert "does not know the label 'weather'" in told("model.embz", "--train", "new.tsv")
    assert "found only an embedding" in told("vectors.embz", *TRAIN, "--rows", 5)
    assert "half.jsonl, line 1" in told(
        "--probabilities", "half.jsonl", "--vectors", "vectors.embz", *TRAIN, "--rows", 5
    )
    more = '{"text": "of another corpus", "probabilities": {"business": 1, "sports": 0}}\n'
    (folder / "more.jsonl").write_text((folder / "said.jsonl").read_text("utf-8") + more, "utf-8")
    assert "expected a text of the training examples" in told(
        "--probabilities", "more.jsonl", "--vectors", "vectors.embz", *TRAIN, "--rows", 5
    )
    assert "the further texts hold no text" in told(
        "model.embz", *TRAIN, *OPTIONS, "--texts", "empty.txt"
    )
    assert "train.tsv: " in told("train.tsv", *TRAIN, "--rows", 5)


@pytest.mark.parametrize(
    ("where", "kept"),
    [("rebuild", True), ("tuned", True), ("write_container", True), ("start_of", False)],
)
def test_ctrl_c_keeps_the_student_that_was_distilled(folder: Path, where: str, kept: bool) -> None:
    command = [str(part) for part in ("distill", "model.embz", *TRAIN, *OPTIONS, "-o", "made.embz")]
    ended = run_tensorflow(PRESSED, folder, command=command, where=where, times=1)
    assert ended == (130, None)
    assert (folder / "made.embz").is_file() == kept
    if kept:
        run = load_classifier(folder / "made.embz").training.runs[-1]
        assert run.interrupted == (where != "write_container")
