"""What a search decides, without training anything: goals, sides, space, proposals, front, gate."""

import csv
import json
import random
import zlib
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import embzip
from embzip.classifier.student_sizes import shape_of_size, stand_in
from embzip.classifier.text_digests import TextDigest
from embzip.classifier.training_record import TrainingRecord, TrainingRun
from embzip.corpus import Example
from embzip.errors import ClusterError, EmbzipError, InputError, OutputError, SpecError
from embzip.evaluation.verdicts import Verdict, verdict_on
from embzip.files.seen import SeenFiles
from embzip.labelled.splits import split_examples
from embzip.pipeline.making import examples_of_side
from embzip.pipeline.steps import Steps
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.base import Normalization, Tokenizer
from embzip.trials import judging
from embzip.trials.fronts import Trial, best_of, front_of, gate_list, gated
from embzip.trials.generations import Generations
from embzip.trials.given_teachers import doubts
from embzip.trials.goals import Goal, goal_of, milliseconds
from embzip.trials.journal import Journal, check_owner, claim, locked
from embzip.trials.judging import Judged, judge
from embzip.trials.making import Making
from embzip.trials.proposing import (
    GENERATION,
    Proposal,
    Scored,
    first_of,
    proposals,
    start_proposals,
)
from embzip.trials.repeating import near_ties, with_means
from embzip.trials.showing import Showing
from embzip.trials.sides import FOLDS, Texts, corpus_step, fold_step, halves
from embzip.trials.space import LEAST_ROWS, Space, Student
from embzip.trials.telling import sentence
from embzip.trials.workers import one, started
from embzip.trials.working import perform_alone
from tests.conftest import news
from tests.models import tiny_classifier

RNG = np.random.default_rng(0)
WORDS = [f"word{number:04}" for number in range(3000)]
TEXTS = [" ".join(RNG.choice(WORDS, 12)) for _ in range(2000)]


def space(size: int | None = None, encoder: str | None = None) -> Space:
    tokenizer = WordTokenizer(WORDS, Normalization())
    teacher = stand_in(tokenizer, ("a", "b", "c"))
    return Space(teacher, TEXTS, lambda vocab: tokenizer, size=size, encoder=encoder)


def trial(number: int, nbytes: int, accuracy: float, latency: float | None = None) -> Trial:
    made = Student.of(
        {"rows": 500 + number, "dim": 8, "filters": 8, "encoder": "cnn", "codec": "svd|tcq:2",
         "kernels": "int4", "pieces": 0}
    )  # fmt: skip
    proposal = Proposal(number, 0, {}, made)
    values = {"accuracy": accuracy, "macro-f1": accuracy - 0.1}
    return Trial(proposal, nbytes, nbytes, values, latency, 1.0)


def texts_of(train: Path, dev: Path | None = None, more: Path | None = None) -> Texts:
    return Texts(*(SeenFiles.of([] if each is None else [each]) for each in (train, dev, more)))


# Goals


def test_a_size_wants_the_best_and_a_drop_the_smallest() -> None:
    small, large = Goal(size=100_000), Goal(max_drop=0.5)
    assert small.score(90_000, 0.81, 0.8, None) < small.score(20_000, 0.80, 0.8, None)
    assert small.score(101_000, 0.81, 0.8, None) > small.score(99_000, 0.81, 0.8, None)
    assert large.score(20_000, 0.796, 0.8, None) < large.score(40_000, 0.82, 0.8, None)
    # A point below what may be lost is worth three halvings.
    assert large.score(8000, 0.785, 0.8, None) == pytest.approx(
        large.score(64_000, 0.796, 0.8, None)
    )
    late = Goal(max_drop=0.5, latency=0.1)
    assert late.score(20_000, 0.8, 0.8, 0.2) > late.score(20_000, 0.8, 0.8, 0.1)
    assert not late.allows(1, 0.2)
    assert late.allows(1, 0.1)
    assert not small.allows(100_001, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "64XB"}, "a size is a number of bytes"),
        ({"max_drop": -0.5}, "max_drop is how many points may be lost"),
        ({"metric": "f2"}, "metric is one of"),
        ({"runtime": "onnx"}, "a search is for one of embz, litert, received 'onnx'"),
        ({"latency": "5"}, "a latency is a number with its unit, such as 0.05ms, received '5'"),
        ({"latency": "0ms"}, "above 0"),
        ({"latency": "infms"}, "above 0, received inf"),
        ({"encoder": "fnet"}, "a student's encoder is one of cnn, mean"),
    ],
)
def test_wrong_goals(options: dict, message: str) -> None:
    usual = {"size": None, "max_drop": 0.5, "metric": "accuracy", "runtime": "embz"}
    with pytest.raises(EmbzipError, match=message):
        goal_of(**{**usual, "latency": None, "encoder": None, **options})


def test_latencies_have_units() -> None:
    assert milliseconds("0.05ms") == milliseconds("50us") == pytest.approx(0.05)


# Sides


def test_dev_is_halved_and_the_halves_are_those_of_the_texts_alone(tmp_path: Path) -> None:
    lines = news("business", slice(0, 40)) + news("sports", slice(0, 40))
    (tmp_path / "train.tsv").write_text(lines, "utf-8")
    (tmp_path / "more.txt").write_text("a goal\na vote\n")
    texts = texts_of(tmp_path / "train.tsv", more=tmp_path / "more.txt")
    steps = Steps(tmp_path / "out")
    folder = steps.folder(corpus_step(texts))
    train, choosing, kept = (examples_of_side(folder, side) for side in ("train", "dev", "gate"))
    rest, dev = split_examples([*train, *choosing, *kept])
    assert (len(rest), set(dev)) == (len(train), {*choosing, *kept})
    assert halves(reversed(dev))[0] == list(reversed(halves(dev)[0]))
    record = json.loads((folder / "corpus.json").read_bytes())
    assert record["labels"] == ["business", "sports"]
    assert (record["choosing"], record["gate"], record["unlabelled"]) == (
        len(choosing),
        len(kept),
        2,
    )
    assert (folder / "texts.txt").read_text("utf-8").endswith("\na goal\na vote\n")


def test_folds_hold_out_each_training_text_once_and_learn_from_the_gate(tmp_path: Path) -> None:
    lines = (
        news("business", slice(0, 40)) + news("sports", slice(0, 40)) + "rare\tonce\nrare\ttwice\n"
    )
    (tmp_path / "train.tsv").write_text(lines, "utf-8")
    (tmp_path / "more.txt").write_text("a goal\na vote\n")
    steps = Steps(tmp_path / "out")
    corpus = corpus_step(texts_of(tmp_path / "train.tsv", more=tmp_path / "more.txt"))
    sides = ("train", "dev", "gate")
    train, choosing, kept = (examples_of_side(steps.folder(corpus), side) for side in sides)
    held_out = []
    for fold in range(FOLDS):
        folder = steps.folder(fold_step(corpus, fold))
        learned, ends, judges = (examples_of_side(folder, side) for side in sides)
        assert Counter(learned + judges) == Counter(train + kept)
        assert not {*judges} & {*learned, *ends}
        assert ends == choosing
        assert (folder / "texts.txt").read_text("utf-8").split("\n")[len(learned) :] == [
            "a goal", "a vote", "",
        ]  # fmt: skip
        held_out += judges
        assert len(judges) > len(train) / FOLDS / 2
    assert Counter(held_out) == Counter(train)


def test_what_is_said_of_a_given_teacher(tmp_path: Path) -> None:
    lines = news("business", slice(0, 40)) + news("sports", slice(0, 40))
    (tmp_path / "train.tsv").write_text(lines, "utf-8")
    corpus = Steps(tmp_path / "out").folder(corpus_step(texts_of(tmp_path / "train.tsv")))
    every = embzip.read_examples(tmp_path / "train.tsv")
    rest, dev = split_examples(every)
    for training, chosen_by, said in (
        (every, dev[:5], "was trained on the gate's texts"),
        (rest, dev, "chose its epoch by all of dev"),
        (rest, halves(dev)[0], ""),
        (rest[1:], halves(dev)[0], "is not known"),
    ):
        run = TrainingRun(
            kind="train",
            training=TextDigest.of(example.text for example in training),
            dev=TextDigest.of(example.text for example in chosen_by),
            held_out=True, epochs=1, best_epoch=1, batch_size=8, learning_rate=0.1,
            optimizer="adam", seed=0,
        )  # fmt: skip
        teacher = replace(tiny_classifier(), training=TrainingRecord((run,)))
        teacher.save(tmp_path / "teacher.embz")
        found = doubts(tmp_path / "teacher.embz", corpus)
        assert len(found) == bool(said)
        assert all(said in line for line in found)


def test_what_equals_a_text_that_is_held_out_is_not_learned(tmp_path: Path) -> None:
    lines = news("business", slice(0, 40)) + news("sports", slice(0, 40))
    (tmp_path / "train.tsv").write_text(lines, "utf-8")
    shared = [line.partition("\t")[2] for line in lines.splitlines()]
    (tmp_path / "more.txt").write_text("\n".join([*shared, "a goal"]), "utf-8")
    texts = texts_of(tmp_path / "train.tsv", tmp_path / "train.tsv", tmp_path / "more.txt")
    steps = Steps(tmp_path / "out")
    with pytest.warns(UserWarning, match="dev shares 320 of its 320 texts"):
        folder = steps.folder(corpus_step(texts))
    # Nor is a text of dev, as one without a label; and what train and dev share is said each time.
    assert (folder / "texts.txt").read_text("utf-8").split("\n")[len(shared) :] == ["a goal", ""]
    crew = SimpleNamespace(making=Making(tmp_path / "out", texts))
    notes = Showing(crew, steps, Goal(), examples=False, watch=print, log=print).notes  # type: ignore[arg-type]
    assert notes == [
        "320 of the 320 texts of dev are texts of train too: what is said of them is too good",
        "320 of the further texts are texts of dev, and were left out",
    ]
    judged = []
    for fold in range(FOLDS):
        folder = steps.folder(fold_step(corpus_step(texts), fold))
        sides = [examples_of_side(folder, side) for side in ("train", "dev", "gate")]
        learned, ends, judges = ({example.text for example in side} for side in sides)
        assert judges
        assert not judges & {
            *learned,
            *ends,
            *(folder / "texts.txt").read_text("utf-8").split("\n"),
        }
        judged += sides[2]
    assert len(judged) == 320


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_label_whose_texts_are_all_held_out_is_learned(tmp_path: Path) -> None:
    lines = [f"{'ab'[at % 2]}\ttext {at}" for at in range(400)]
    (tmp_path / "train.tsv").write_text("\n".join(lines))
    _, held_out = split_examples(embzip.read_examples(tmp_path / "train.tsv"))
    lines[int(held_out[0].text.split()[1])] = f"rare\t{held_out[0].text}"
    (tmp_path / "train.tsv").write_text("\n".join(lines))
    folder = Steps(tmp_path / "out").folder(corpus_step(texts_of(tmp_path / "train.tsv")))
    assert json.loads((folder / "corpus.json").read_bytes())["labels"] == ["a", "b", "rare"]


def test_columns_may_be_named(tmp_path: Path) -> None:
    rows = [line.split("\t") for line in news("business", slice(0, 40)).splitlines()]
    rows += [line.split("\t") for line in news("sports", slice(0, 40)).splitlines()]
    with (tmp_path / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["body", "topic"], *(row[::-1] for row in rows)])
    columns = embzip.Columns(label="topic", text="body")
    texts = replace(texts_of(tmp_path / "train.csv"), columns=columns)
    step = corpus_step(texts)
    folder = Steps(tmp_path / "out").folder(step)
    assert json.loads((folder / "corpus.json").read_bytes())["labels"] == ["business", "sports"]
    # A worker elsewhere knows its key.
    known = Texts.of(json.loads(json.dumps(texts.to_json())))
    assert known.columns == columns
    assert corpus_step(known).key == step.key
    assert corpus_step(replace(texts, columns=None)).key != step.key


@pytest.mark.parametrize(
    ("label", "text", "message"),
    [
        ("a\tb", "one", r"a label must not have a tab, or begin .*, found 'a\\tb'"),
        ("__label__a", "one", "or begin with __label__ or a byte order mark, found '__label__a'"),
        ("a", "\ud800 z", r"must consist of whole characters, found the surrogate '\\ud800'"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_lines_cannot_hold_is_refused(
    tmp_path: Path, label: str, text: str, message: str
) -> None:
    rows = [{"label": "ab"[at % 2], "text": f"text {at}"} for at in range(300)]
    rows.append({"label": label, "text": text})
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=message):
        Steps(tmp_path / "out").folder(corpus_step(texts_of(tmp_path / "train.jsonl")))


def test_further_texts_without_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(news("business", slice(0, 40)), "utf-8")
    (tmp_path / "more.txt").write_text(" \n\n")
    texts = texts_of(tmp_path / "train.tsv", more=tmp_path / "more.txt")
    with pytest.raises(InputError, match=r"more.txt: the further texts hold no text: leave them"):
        Steps(tmp_path / "out").folder(corpus_step(texts))


@pytest.mark.parametrize(
    ("train", "dev", "message"),
    [
        ("a\tx y\nb\tz\na\tq\nb\tr\na\ts\n", None, "chooses and the other is kept for the gate"),
        ("a\tx\n" * 30, None, "at least two different labels"),
        ("a\tx\nb\ty\n" * 9, "c\tx1\n" + "c\ty2\n" * 9, "dev must have labels of training"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_texts_that_a_search_cannot_begin_with(
    tmp_path: Path, train: str, dev: str | None, message: str
) -> None:
    (tmp_path / "train.tsv").write_text(train)
    path = None
    if dev is not None:
        path = tmp_path / "dev.tsv"
        path.write_text(dev)
    with pytest.raises(InputError, match=message):
        Steps(tmp_path / "out").folder(corpus_step(texts_of(tmp_path / "train.tsv", dev=path)))


# The space, and what is proposed


@pytest.mark.parametrize("size", [8000, 30_000])
def test_no_proposal_is_larger_than_the_size(size: int) -> None:
    made = space(size)
    starts = start_proposals(made)
    scored = [Scored(each, float(each.number % 3)) for each in starts]
    found = [*starts, *proposals(made, 1, scored, seed=0, starts=starts)]
    assert len(found) >= 8
    for each in found:
        assert made.nbytes(each.student) <= size
    largest = max(made.nbytes(each.student) for each in starts)
    assert largest > 0.8 * size


@pytest.mark.parametrize("labels", [3, 40])
@pytest.mark.parametrize("size", [12_000, 30_000, 120_000])
def test_of_a_size_the_first_student_is_the_one_that_distill_takes(size: int, labels: int) -> None:
    rng = random.Random(0)
    words = sorted({"".join(rng.choices("abcdefghijkl", k=8)) for _ in range(4000)})
    tokenizer = WordTokenizer(words, Normalization())
    teacher = stand_in(tokenizer, [f"label {n}" for n in range(labels)])
    made = Space(teacher, words, lambda _: tokenizer, size=size, encoder=None)
    first = start_proposals(made)[0].student.shape
    usual = shape_of_size(teacher, teacher.encode(words), f"{size}B")
    # A search looks at every two-hundredth number of words.
    assert 0 <= usual.rows - first.rows <= len(words) / 200
    assert replace(first, rows=usual.rows) == usual


def test_a_size_that_no_student_reaches_is_said_with_the_least(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"smallest file .* has [\d,]+ bytes, and 900 are") as told:
        space(900)
    least = int(str(told.value).split(" has ")[1].split(" bytes")[0].replace(",", ""))
    for size in (least, least + 100, least + 500):
        made = space(size)
        found = start_proposals(made)
        assert found
        (tmp_path / str(size)).mkdir()
        assert all(made.nbytes(each.student) <= size for each in found)
        assert made.student(found[0].point) == found[0].student
        journal = Journal(tmp_path / str(size), made, {})
        journal.add({"number": 0}, found[0].point, 1.0)
        assert journal.records() == [{"number": 0}]
    with pytest.raises(InputError):
        space(least - 1)


def test_where_teachers_read_pieces_their_students_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embzip.trials.space.PIECES", (100, 300, 900))
    rng = random.Random(0)
    words = sorted({"".join(rng.choices("абвгдежзиклмно", k=9)) for _ in range(2000)})
    (tmp_path / "texts.txt").write_text("\n".join(words))

    @cache
    def pieces(vocab: int) -> Tokenizer:
        return embzip.build_bpe(tmp_path / "texts.txt", vocab=vocab)

    teacher = stand_in(WordTokenizer(words, Normalization()), ("a", "b", "c"))
    for size in (None, 32_000, 8000):
        found = Space(teacher, words, pieces, size=size, encoder=None)
        assert found.vocabularies == (0, 100, 300, 900)
        found.reads = 900
        starts = start_proposals(found)
        assert 3 <= len(starts) <= 8
        read = [each.student.pieces for each in starts]
        assert {0, 300} <= set(read)
        assert size is None or all(found.nbytes(each.student) <= size for each in starts)
        assert read[0] == 900, "what the teachers read, since there is room for it"


def test_pieces_are_twice_as_many_as_characters() -> None:
    tokenizer = WordTokenizer([f"word{n:05}" for n in range(20_000)], Normalization())
    teacher = stand_in(tokenizer, ("a", "b"))
    texts = list(tokenizer.vocabulary)[2:]
    for characters, vocabularies in (
        (0, (0, 2000, 4000, 8000)), (1000, (0, 2000, 4000, 8000)), (1001, (0, 4000, 8000)),
        (3500, (0, 8000)), (9000, (0,)),
    ):  # fmt: skip
        found = Space(
            teacher, texts, lambda vocab: tokenizer, size=None, encoder=None, characters=characters
        )
        assert found.vocabularies == vocabularies


def test_proposals_follow_from_the_seed_and_from_earlier_generations_alone() -> None:
    made = space()
    starts = start_proposals(made)
    assert [each.number for each in starts] == list(range(len(starts)))
    assert len({each.student for each in starts}) == len(starts)
    scored = [Scored(each, float(each.student.shape.dim)) for each in starts]
    first = list(proposals(made, 1, scored, seed=3, starts=starts))
    again = list(proposals(space(), 1, scored[::-1], seed=3, starts=starts))
    other = list(proposals(made, 1, scored, seed=4, starts=starts))
    assert first == again
    assert [each.student for each in first] != [each.student for each in other]
    assert [each.number for each in first] == [len(starts) + at for at in range(GENERATION)]
    assert first_of(2, len(starts)) == first[-1].number + 1
    tried = {each.proposal.student for each in scored}
    assert not tried & {each.student for each in first}
    assert len({each.student for each in first}) == GENERATION


def test_an_encoder_can_be_asked_for() -> None:
    made = space(20_000, "mean")
    assert {each.student.shape.encoder for each in start_proposals(made)} == {"mean"}
    # A mean has no filters: students that differ in their number alone are one.
    assert made.student(made.point(filters=8)) == made.student(made.point(filters=128))


def test_a_teachers_pieces_are_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS[:200]))
    tokenizer = embzip.build_bpe(tmp_path / "texts.txt", vocab=120)
    teacher = stand_in(tokenizer, ("a", "b"))
    found = Space(teacher, TEXTS[:200], lambda _: tokenizer, size=20_000, encoder=None)
    starts = start_proposals(found)
    assert len(starts) > 1
    assert {each.student.shape.rows for each in starts} == {0}
    usual = shape_of_size(teacher, teacher.encode(TEXTS[:200]), "20KB")
    assert starts[0].student.shape == replace(usual, rows=0), "what distill takes: not the least"
    assert all(found.nbytes(each.student) <= 20_000 for each in starts)
    assert starts[0].student.name.startswith("all pieces of the teacher x ")
    # Pieces are not made of other pieces: no proposal reads other ones.
    monkeypatch.setattr("embzip.trials.space.PIECES", (40,))
    again = Space(teacher, TEXTS[:200], lambda _: tokenizer, size=20_000, encoder=None)
    assert again.words > 80
    assert again.vocabularies == (0,)
    with pytest.raises(InputError, match="the smallest file of this corpus has"):
        Space(teacher, TEXTS[:200], lambda _: tokenizer, size=900, encoder=None)


def test_few_words_leave_students_of_all_of_them() -> None:
    tokenizer = WordTokenizer(WORDS[:40], Normalization())
    teacher = stand_in(tokenizer, ("a", "b"))
    few = Space(teacher, [" ".join(WORDS[:40])], lambda _: tokenizer, size=None, encoder=None)
    assert few.words == 40 < LEAST_ROWS
    assert few.vocabularies == (0,)
    assert {each.student.shape.rows for each in start_proposals(few)} <= set(range(1, 41))


def test_a_student_is_its_record() -> None:
    for each in start_proposals(space()):
        record = json.loads(json.dumps(each.student.to_json()))
        assert Student.of(record) == each.student


# The journal


def test_a_journal_keeps_finished_trials_by_goal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = space()
    starts = start_proposals(made)
    journal = Journal(tmp_path, made, {"max_drop": 0.5})
    for each in starts[:3]:
        journal.add({"number": each.number, "bytes": 10, "accuracy": 0.5}, each.point, 1.0)
    (tmp_path / "trials.log").write_bytes((tmp_path / "trials.log").read_bytes() + b'{"op_co')
    again = Journal(tmp_path, made, {"max_drop": 0.5})
    assert again.records() == [
        {"number": number, "bytes": 10, "accuracy": 0.5} for number in range(3)
    ]
    assert Journal(tmp_path, made, {"max_drop": 1.0}).records() == []
    # One that was killed while it wrote is not waited for.
    (tmp_path / "trials.log.lock").symlink_to(tmp_path / "trials.log")
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", lambda _: pytest.fail("waits for a search that has ended"))
        assert len(Journal(tmp_path, made, {"max_drop": 0.5}).records()) == 3
    for line in (b"no journal", b"[]", b"null", b'{"op_code": 99}'):
        (tmp_path / "trials.log").write_bytes(line + b"\n")
        with pytest.raises(InputError, match=r"this journal of a search is damaged .* remove it"):
            Journal(tmp_path, made, {"max_drop": 0.5})


def test_a_trial_takes_its_own_students_record_and_is_stopped_or_finished(tmp_path: Path) -> None:
    def figure(student: Student, salt: str) -> int:
        # By this 1, the second of the runs below halves a generation otherwise than the first.
        return zlib.crc32(f"1{salt} {student.to_json()}".encode()) % 30_000

    def record(number: int, student: Student, salt: str = "whole") -> dict:
        accuracy = figure(student, salt) / 30_000
        return {
            "number": number, "bytes": figure(student, "bytes"), "embz_bytes": 1, "latency": None,
            "accuracy": accuracy, "macro-f1": accuracy, "seconds": 1.0,
        }  # fmt: skip

    begun: list[list[Student]] = []

    class Crew:
        """Workers whose word follows from the student alone, and is otherwise anyhow."""

        def done(self, tasks: list, until: object = None) -> object:
            firsts = (task if task["do"] == "sketch" else task["trials"][0] for task in tasks)
            begun.append([Student.of(each["student"]) for each in firsts])
            for place, task in enumerate(tasks):
                if task["do"] == "sketch":
                    yield place, record(0, Student.of(task["student"]), "sketch")
                else:
                    trials = task["trials"]
                    found = [record(each["number"], Student.of(each["student"])) for each in trials]
                    yield place, {"trials": found}

    made, goal = space(30_000), Goal(size=30_000)

    def run(**limits: object) -> Generations:
        journal = Journal(tmp_path, made, {})
        found = Generations(goal, made, journal, 13, show=lambda _: None, log=lambda _: None)
        found.run(Crew(), **{"end": None, "trials": None, **limits})
        return found

    for trials in (12, 16, 24):
        run(trials=trials)
    # One that shares the float32 student of an earlier one is made with that.
    starts = [each.student for each in start_proposals(made) if each.student in begun[0]]
    assert begun[0] == starts, "the order of the starts is meant"
    for later in begun[1:]:
        work = [each.shape.dim * each.shape.filters for each in later]
        assert work == sorted(work, reverse=True), "what takes longest is begun first"
    last = run(end=0.0)
    assert len(last.trials) > 8
    for each in last.trials:
        assert each.nbytes == figure(each.proposal.student, "bytes")
    assert not {each.number for each in last.trials} & {
        each.proposal.number for each in last.stopped
    }


def test_one_search_a_folder_and_one_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with (
        locked(folder),
        pytest.raises(OutputError, match=r"another search works here \(process \d+\)"),
        locked(folder),
    ):
        pass
    with locked(folder):
        check_owner(folder, {"train": "1", "seed": 0})
        claim(folder, {"train": "1", "seed": 0})
        check_owner(folder, {"train": "1", "seed": 0})
        with pytest.raises(InputError, match="holds a search with another train; one folder"):
            check_owner(folder, {"train": "2", "seed": 0})
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match=r"cannot be a search's folder .*: name"),
        locked(tmp_path / "file"),
    ):
        pass


# Which trial is the answer


def test_the_front_and_the_best_of_it() -> None:
    trials = [
        trial(0, 60, 0.80), trial(1, 50, 0.80), trial(2, 40, 0.79), trial(3, 30, 0.796),
        trial(4, 20, 0.70), trial(5, 20, 0.70),
    ]  # fmt: skip
    assert [each.number for each in front_of(trials, "accuracy")] == [4, 3, 1]
    assert best_of(trials, Goal(max_drop=0.5), 0.8) == trials[3]
    assert best_of(trials, Goal(max_drop=0.4), 0.8) == trials[3], "met exactly"
    assert best_of(trials, Goal(max_drop=0.3), 0.8) == trials[1]
    assert best_of(trials, Goal(max_drop=0.0), 0.9) == trials[1], "none is good enough"
    assert best_of(trials, Goal(size=45), 0.8) == trials[3]
    assert best_of(trials, Goal(size=10), 0.8) is None
    late = [trial(0, 60, 0.8, 0.3), trial(1, 70, 0.7, 0.1)]
    assert best_of(late, Goal(size=100, latency=0.2), 0.8) == late[1]
    assert [t.number for t in gate_list(trials, Goal(max_drop=0.5), trials[3])] == [1, 3, 4]
    assert gate_list(trials, Goal(size=45), trials[3]) == [trials[3]]


def answers(right: int, rows: int = 2000) -> list[str]:
    return ["a"] * right + ["b"] * (rows - right)


def test_the_gate_goes_from_the_largest_to_the_first_that_is_not_shown() -> None:
    truth = ["a"] * 2000

    def verdict(right: int, drop: float = 1.0) -> Verdict:
        return verdict_on(truth, answers(1800), answers(right), max_drop=drop)

    shown, unsure, worse = verdict(1800), verdict(1782), verdict(1700)
    assert [each.answer for each in (shown, unsure, worse)] == ["shown", "not shown", "worse"]

    def held(ranked: int, *verdicts: Verdict) -> tuple[int, list[str]]:
        chosen, found = gated(verdicts, ranked)
        return chosen, [each.answer for each in found]

    assert held(0, shown, shown, unsure, worse) == (1, ["shown", "shown", "not shown", "worse"])
    # What comes after one that is not shown is not shown either.
    assert held(1, unsure, shown, worse) == (1, ["not shown", "not shown", "worse"])
    assert held(1, unsure, worse) == (0, ["not shown", "worse"])
    assert held(1, worse, worse) == (0, ["worse", "worse"])
    # Nor is one the answer that is near on the gate, and was not on the texts that choose.
    assert held(1, unsure, unsure, unsure) == (1, ["not shown"] * 3)
    late = gated([unsure, shown], 1)[1][1]
    assert late.more_rows is None
    assert late.sentence.startswith("not shown: accuracy 0.9000 -> 0.9000 on 2,000 texts")
    assert late.sentence.endswith(
        ": it was not shown of a larger file before it in the order of judging"
    )
    # What loses exactly what it may is near, however its difference is rounded.
    for right in range(101, 200):
        exact = verdict_on(["a"] * 200, answers(right, 200), answers(right - 1, 200), max_drop=0.5)
        lost = verdict_on(["a"] * 200, answers(right, 200), answers(right - 60, 200), max_drop=0.5)
        assert gated([lost, exact], 1)[0] == 1, right


def test_a_tflite_has_bytes_beside_those_of_its_embz() -> None:
    lite = Goal(size=100_000, runtime="litert")
    assert [lite.embz_size(seen) for seen in ([], [50_000, 60_000], [90_000])] == [
        30_000, 40_000, 30_000
    ]  # fmt: skip
    assert Goal(size=40_000, runtime="litert").embz_size([]) == 12_000
    assert Goal(size=100).embz_size([5]) == 100
    assert Goal().embz_size([5]) is None


def test_each_further_list_is_a_further_look(tmp_path: Path) -> None:
    given = {"m0": 1800, "m1": 1790, "m2": 1795}
    asked: list[str] = []

    def look(*models: str) -> object:
        def answers_of(place: int) -> dict:
            asked.append(models[place])
            return {"expected": ["a"] * 2000, "answers": answers(given[models[place]])}

        return judge(tmp_path, Goal(max_drop=1.0), models, answers_of, len(models) - 2)

    first = look("m0", "m1")
    assert (first.looks, first.verdict.answer, first.verdict.confidence) == (1, "shown", 0.95)
    again = look("m0", "m1")
    assert again == first, "the same list has had its look"
    second = look("m0", "m2", "m1")
    assert (second.looks, second.verdict.confidence) == (2, pytest.approx(0.975))
    assert second.chosen == 1
    assert look("m0", "m1") == first
    (tmp_path / "gate.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="expected a list of looks"):
        look("m0", "m1")


def test_test_is_compared_and_told_by_its_texts(tmp_path: Path) -> None:
    for seed in (0, 7):
        tiny_classifier(seed=seed).save(tmp_path / f"{seed}.embz")
    texts = ["the lion", "people say", "the zoo", "able tiger", "café", "ably people about"]
    test = [Example(text=text, label="animals") for text in texts]
    paths = tmp_path / "0.embz", tmp_path / "7.embz"

    def look(*of: Path) -> tuple[dict, dict]:
        return judging.tested(tmp_path, Goal(), *of, test, ["the lion", "other"])

    record, found = look(*paths)
    assert (record["shared"], record["rows"], record["looks"]) == (1, 6, 1)
    assert look(*paths)[0] == record, "the same models have had their look"
    assert look(*paths[::-1])[0]["looks"] == 2
    del test[0]
    assert look(*paths)[0]["looks"] == 1, "these texts were not looked at"
    assert found["of"] == "test"
    changed = [each["text"] for each in found["examples"]]
    before, after = (
        [p.label for p in tiny_classifier(seed=seed).predict(texts)] for seed in (0, 7)
    )
    assert set(changed) == {t for t, a, b in zip(texts, before, after, strict=True) if a != b}
    assert sum(pair["texts"] for pair in found["pairs"]) == len(changed) == record["changed"]


def test_near_ties_take_their_means() -> None:
    trials = [trial(0, 60, 0.80), trial(1, 50, 0.79), trial(2, 40, 0.70), trial(3, 55, 0.795)]
    near = near_ties(trials, trials[0], lambda each: -each.values["accuracy"])
    assert [each.number for each in near] == [0, 3, 1]
    equal = [trial(number, 50 - number, 0.8) for number in range(5)]
    near = near_ties(equal, equal[4], lambda each: -each.values["accuracy"])
    assert [each.number for each in near] == [4, 0, 1]
    found = with_means(trials, [{"number": 0, "accuracy": 0.7, "macro-f1": 0.6}])
    assert found[0].values["accuracy"] == pytest.approx(0.75)
    assert [each.seeds for each in found] == [2, 1, 1, 1]
    assert found[1:] == trials[1:]
    assert replace(found[0], values=trials[0].values, seeds=1) == trials[0]


def test_the_answer_in_one_sentence() -> None:
    baseline = {"bytes": 600, "accuracy": 0.8, "macro-f1": 0.7, "name": "the teacher"}

    def told(goal: Goal, *verdicts: Verdict) -> str:
        judged = Judged(len(verdicts) - 1, list(verdicts), 1) if verdicts else None
        return sentence("not yet gated", goal, baseline, trial(0, 60, 0.8), judged)

    assert told(Goal()) == (
        "best.embz has 60 bytes, 10 times fewer than the teacher, and +0.00 points of accuracy on "
        "the texts that choose: not yet gated."
    )
    truth = ["a", "b"] * 100
    few = verdict_on(truth, truth, truth, max_drop=0.5, metric="macro-f1")
    assert few.lower >= -0.5
    assert told(Goal(metric="macro-f1"), few).endswith(
        "with 95 % confidence at least +0.00): 0 answers changed, too few to judge macro-F1 by."
    )
    baseline["bytes"] = 50
    assert "best.tflite has 60 bytes, 1.2 times as many as the teacher's .embz, " in told(
        Goal(runtime="litert")
    )


def test_a_worker_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    making = Making(tmp_path / "out", Texts(SeenFiles()))
    making.directory.mkdir()
    with started(making, 1) as crew:
        with pytest.raises(EmbzipError, match="the texts that this search began with are gone"):
            one(crew, {"do": "step", "name": "vectors"})
        with pytest.raises(EmbzipError, match=r"with status 1 .*KeyError.* goes on"):
            one(crew, {"do": "step"})


def test_workers_need_the_folder_of_a_search_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"{'ab'[number % 2]}\ttext {number} of these\n" for number in range(400))
    Path("train.tsv").write_text(lines)
    tiny_classifier().save("teacher.embz")
    teacher = SeenFiles.of(["teacher.embz"])
    making = Making(Path("out"), texts_of(Path("train.tsv")), teacher)
    steps = Steps(making.directory)
    steps.folder(making.corpus), steps.folder(making.trained())
    told = making.to_json()
    Path("train.tsv").unlink(), Path("teacher.embz").unlink()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    task = {"do": "step", "name": "folds"}
    with pytest.raises(ClusterError, match="/out: a worker does not find the search's folder"):
        perform_alone(told, task)
    claim(tmp_path / "out", {})
    assert perform_alone(told, task)["folder"] == str(tmp_path / steps.place(making.trained()))
    assert Path(perform_alone(told, {"do": "step", "name": "vectors"})["folder"]).is_dir()
    (tmp_path / steps.place(making.trained()) / "model.embz").unlink()
    with pytest.raises(InputError, match=r"teacher .* is gone .* run the command again"):
        perform_alone(told, task)


def test_options_are_checked_first(tmp_path: Path) -> None:
    from embzip.trials import search

    (tmp_path / "train.tsv").write_text("a\tx\nb\ty\n")
    wrong: list[tuple[dict, str]] = [
        ({"trials": 0}, "trials must be at least 1, received 0"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"minutes": 0.0}, "minutes must be above 0"),
        ({"folds": 1}, "folds must lie in 2..1024, received 1"),
        ({"seed": -1}, "seed"),
        ({"max_drop": 101}, "from 0 to 100"),
    ]
    for options, message in wrong:
        with pytest.raises(SpecError, match=message):
            search(tmp_path / "train.tsv", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="is the input"):
        search(tmp_path / "train.tsv", tmp_path, test=_named(tmp_path / "best.embz"))


def _named(path: Path) -> Path:
    path.write_text("a\tx\n")
    return path
