"""Distilled candidates of a recipe: their specs, their steps, and what the report says of them."""

import json
from pathlib import Path

import pytest

from embzip import tf
from embzip.classifier import load_classifier
from embzip.classifier.student_shape import StudentShape
from embzip.corpus import Example, read_examples
from embzip.embz.format import load
from embzip.errors import EmbzipError, InputError, SpecError
from embzip.pipeline import run
from embzip.pipeline.candidate import Candidate, parse_candidate
from embzip.pipeline.choosing import Choice, Tried, choose
from embzip.pipeline.making import _unlabelled
from embzip.pipeline.plan import make_plan
from embzip.pipeline.recipe import read_recipe
from embzip.report.record import facts_of
from tests.conftest import news

MORE = ["the striker scored twice before extra time", "shares fell after the bank cut its outlook"]
SPEC = (
    "rows=300,dim=4,filters=6,kernels=int8,folds=2,fold_share=0.25,labels=0.5,copies=1,epochs=2,"
    "texts=true"
)
RECIPE = f"""\
seed = 3
[corpus]
train = "train.tsv"
test = "test.tsv"
text = ["more.txt"]
[defaults]
tokenizer = "words:min_count=1"
vectors = "ppmi:16"
classifier = "cnn:8,windows=1-2,dropout=0.1,epochs=4,batch_size=8,max_length=20"
[[candidate]]
name = "words"
codec = "float32"
[[candidate]]
name = "shaped"
distill = "{SPEC}"
codec = "svd|int8"
[[candidate]]
name = "sized"
distill = "size=6KB,folds=2,copies=0,epochs=1"
pack = true
[report]
controls = false
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    for side, documents in (("train", slice(0, 40)), ("test", slice(40, 55))):
        lines = news("business", documents) + news("sports", documents)
        (folder / f"{side}.tsv").write_text(lines, "utf-8")
    (folder / "more.txt").write_text("\n".join(MORE), "utf-8")
    path = folder / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a finished run."""
    directory = tmp_path_factory.mktemp("out") / "run"
    run(recipe, directory)
    return directory


def step(finished: Path, name: str) -> Path:
    return next((finished / "steps").glob(f"{name}-*"))


def students(finished: Path) -> dict[str, dict]:
    """The distill.json of each candidate, by the type of its student's kernels."""
    paths = (finished / "steps").glob("distill-*/distill.json")
    found = [json.loads(path.read_text("utf-8")) for path in paths]
    return {record["shape"]["kernels"]: record for record in found}


def sides(finished: Path) -> tuple[list[Example], list[Example]]:
    corpus = step(finished, "corpus")
    return read_examples(corpus / "train.tsv"), read_examples(corpus / "dev.tsv")


def test_a_student_of_a_recipe_is_that_of_the_library(finished: Path, tmp_path: Path) -> None:
    train, dev = sides(finished)
    teacher = load_classifier(step(finished, "train") / "model.embz")
    vectors = load(step(finished, "vectors") / "vectors.embz")
    result = tf.distill(
        teacher,
        train,
        shape=StudentShape(rows=300, dim=4, filters=6, codec="svd|int8", kernels="int8"),
        dev=dev,
        texts=MORE,
        fold_teachers=tf.fold_teachers(teacher, train, vectors, folds=2, dev=dev, seed=3),
        fold_share=0.25,
        labels=0.5,
        copies=1,
        epochs=2,
        seed=3,
    )
    result.classifier.save(tmp_path / "expected.embz")
    assert (finished / "shaped.embz").read_bytes() == (tmp_path / "expected.embz").read_bytes()
    record = students(finished)["int8"]
    assert record["shape"] == {
        **{"rows": 300, "dim": 4, "filters": 6, "encoder": "cnn"},
        **{"codec": "svd|int8", "kernels": "int8", "stems": True},
    }
    assert record["float_accuracy"] == result.float_accuracy
    assert record["tuned_accuracy"] == result.tuned_accuracy
    assert record["temperature"] == result.temperature
    assert record["teacher"]["accuracy"] == result.teacher.accuracy
    assert record["student"]["agreement"] == result.student.agreement


def test_a_size_is_the_files_and_folds_are_trained_once(finished: Path) -> None:
    assert (finished / "sized.embz").stat().st_size <= 6000
    assert students(finished)["int4"]["shape"]["dim"] == 4
    names = [path.name.partition("-")[0] for path in (finished / "steps").iterdir()]
    counts = {name: names.count(name) for name in set(names)}
    assert counts == {
        **{
            "corpus": 1,
            "tokenizer": 1,
            "planned": 2,
            "vectors": 1,
            "train": 1,
            "folds": 1,
            "distill": 2,
        },
        **{"dev": 3, "test": 3, "serving": 3},
    }
    folds = sorted(path.name for path in step(finished, "folds").glob("*.embz"))
    assert folds == ["0.embz", "1.embz"]
    training = load_classifier(finished / "shaped.embz").training
    assert [each.kind for each in training.runs] == ["train", "distill"]
    assert training.runs[1].folds == 2


def test_the_unlabelled_texts_are_the_recipes(finished: Path) -> None:
    corpus = step(finished, "corpus")
    opened = _unlabelled(corpus, len(read_examples(corpus / "train.tsv")))
    assert [list(opened()), list(opened())] == [MORE, MORE]


def test_a_second_run_makes_nothing_and_other_bits_the_student_alone(
    finished: Path, recipe: Path
) -> None:
    log: list[str] = []
    run(recipe, finished, log=log.append)
    assert log
    assert all(line.endswith(", done before") for line in log)
    before = {made.key for _, made in make_plan(read_recipe(recipe)).steps()}
    changed = recipe.parent / "changed.toml"
    changed.write_text(RECIPE.replace("svd|int8", "svd|int4"))
    plan = make_plan(read_recipe(changed))
    others = {name for name, made in plan.steps() if made.key not in before}
    assert others == {"shaped"}
    _, shaped, _ = plan.candidates
    folder = finished / "steps"
    assert all((folder / f"{parent.name}-{parent.key}").is_dir() for parent in shaped.model.parents)


def test_the_report_says_what_a_student_is(finished: Path) -> None:
    words, shaped, sized = json.loads((finished / "report.json").read_text("utf-8"))["candidates"]
    found = students(finished)
    assert words["distill"] is None
    assert (shaped["distill"], shaped["codec"]) == (SPEC, "svd|int8")
    assert sized["codec"] == found["int4"]["shape"]["codec"]
    for candidate, name in ((shaped, "shaped"), (sized, "sized")):
        facts = facts_of(finished / f"{name}.embz")
        assert candidate["bytes"] == facts["bytes"]
        assert candidate["compression_ratio"] == words["bytes"]["total"] / facts["bytes"]["total"]
        assert (candidate["rows"], candidate["dim"]) == (facts["rows"], 4)
        assert candidate["stored_codec"] == facts["codec"]
        # Neither is known of a student; an epoch would be its teacher's.
        assert candidate["resolved_codec"] is candidate["epoch_seconds"] is None
        assert candidate["epoch_ratio"] is None
    assert shaped["rows"] == 302
    assert shaped["dev_accuracy"] == found["int8"]["student"]["accuracy"]
    before, after = (f"{each['dev_accuracy']:.3f}".removeprefix("0") for each in (words, shaped))
    size = facts_of(finished / "words.embz")["bytes"]["total"] / 1e6
    assert shaped["notes"][0] == (
        f"a student (cnn, 6 filters, kernels int8) of a classifier of {size:.3f} MB with {before} "
        f"on dev, where it has {after}"
    )
    markdown = (finished / "report.md").read_text("utf-8").replace("\\", "")
    assert "| distilled to |" in markdown
    assert "| size=6KB,folds=2,copies=0,epochs=1 |" in markdown
    assert "- sized: a student (cnn, " in markdown


def test_a_float32_student_is_no_reference() -> None:
    tried = [
        Tried("words", "float32", 400, 0.90),
        Tried("student", "float32", 50, 0.93, distilled=True),
        Tried("int8", "int8", 100, 0.895),
    ]
    assert choose(tried, Choice()) == 1
    assert choose([tried[0], tried[2], tried[1]], Choice(drop=0.005)) == 2
    assert choose([*tried[:1], tried[2]], Choice(against="best of all")) == 1
    low = [tried[0], Tried("student", "float32", 50, 0.85, distilled=True), tried[2]]
    assert choose(low, Choice()) == 2


def test_a_recipe_of_students_has_no_float32_reference(recipe: Path) -> None:
    path = recipe.parent / "students.toml"
    students = RECIPE.replace('codec = "float32"', 'distill = "dim=8"\ncodec = "float32"')
    path.write_text(students)
    assert read_recipe(path).choice == Choice(against="best of all")


# Specs


def candidate(**keys: object) -> Candidate:
    return parse_candidate({"name": "a", "tokenizer": "words", **keys}, "recipe")


def test_a_shape_comes_from_the_spec_and_the_candidates_keys() -> None:
    spec = "rows=8000,dim=16,filters=64,kernels=int4"
    found = candidate(distill=spec, codec="svd|tcq:3")
    assert found.distill is not None
    assert found.distill.shape == StudentShape(8000, 16, 64, "cnn", "svd|tcq:3", "int4")
    assert (found.codec, found.kernels) == ("svd|tcq:3", "int4")
    beside = candidate(distill="rows=8000,dim=16,filters=64", kernels="int2", fold=True, tune=False)
    assert beside.distill is not None
    assert beside.distill.shape == StudentShape(8000, 16, 64, kernels="int2")
    assert beside.kernels == "int2"
    mean = candidate(distill="encoder=mean,rows=0,dim=8,copies=0", pack=True)
    assert mean.distill is not None
    assert mean.distill.shape == StudentShape(rows=0, dim=8, encoder="mean")
    assert mean.distill.lessons == {"copies": 0}
    assert mean.pack


def test_a_size_stands_in_a_shapes_place() -> None:
    found = candidate(distill="size=64KB,folds=4,labels=0.1,balance=true,learning_rate=0.002")
    assert found.distill is not None
    assert (found.distill.shape, found.distill.size, found.distill.folds) == (None, "64KB", 4)
    assert found.distill.lessons == {"labels": 0.1, "balance": True, "learning_rate": 0.002}
    assert found.codec == found.kernels == ""
    assert not found.uncompressed


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"distill": "dim=16", "tune": True}, InputError, "recipe: tune does not go with distill"),
        ({"distill": "dim=16", "tune_params": True}, InputError, "tune_params does not go with"),
        ({"distill": "dim=16", "fold": False}, InputError, "fold does not .* or set it to true"),
        (
            {"distill": "kernels=int4", "kernels": "int8"},
            InputError,
            "kernels stands in distill and as a key",
        ),
        ({"distill": "size=64KB", "codec": "int8"}, InputError, "by size .*, and codec is given"),
        ({"distill": "size=64KB", "kernels": "int8"}, InputError, "and kernels is given too"),
        ({"distill": "size=64KB,dim=4"}, InputError, "and dim is given too: remove one of them"),
        ({"distill": "size=64XB"}, SpecError, "a size is a number of bytes, .* '64XB'"),
        ({"distill": "size=4KB/row"}, SpecError, "a size is a number of bytes, .* '4KB/row'"),
        ({"distill": "dim=16,codec=int8"}, SpecError, "write `codec` beside distill"),
        ({"distill": "codec=svd|int8"}, SpecError, "write `codec` beside distill"),
        ({"distill": ""}, SpecError, "write for example 'rows=8000,dim=16' or 'size=64KB'"),
        ({"distill": "8000,dim=16"}, SpecError, "each option has a name, received '8000'"),
        ({"distill": "rowz=8000"}, SpecError, r"unknown option 'rowz' \(did you mean 'rows'\?\)"),
        ({"distill": "dim=0"}, SpecError, r"dim must be a whole number in 1\.\.65536.*'0'"),
        ({"distill": "dim=16,dim=8"}, SpecError, "the option 'dim' stands twice"),
        ({"distill": "folds=1"}, SpecError, "folds must lie in 2..1024, received 1"),
        ({"distill": "fold_share=0.5"}, SpecError, "fold_share is for folds=N"),
        ({"distill": "folds=2,fold_share=0"}, SpecError, "nobody asks the fold teachers"),
        ({"distill": "labels=2"}, SpecError, "labels must be a number from 0 to 1, received '2'"),
        ({"distill": "epochs=0"}, SpecError, "epochs must be a whole number in 1"),
        ({"distill": "learning_rate=0"}, SpecError, "learning_rate must be a positive number"),
        ({"distill": "copies=2000000"}, SpecError, r"copies must be .* in 0\.\.1024"),
        ({"distill": "encoder=fnet"}, SpecError, "encoder is one of cnn, mean, received 'fnet'"),
        ({"distill": "kernels=int3"}, SpecError, "unknown type of kernels 'int3'"),
        ({"distill": "dim=16", "codec": "int9"}, SpecError, "unknown codec stage 'int9'"),
        ({"distill": "dim=16", "codec": "svd:32|int8"}, SpecError, "the rank is at most 16"),
        ({"distill": "dim=16", "codec": "auto:64KB"}, SpecError, "size is named by itself"),
        ({"distill": True}, InputError, "distill must be text, received True"),
    ],
)
def test_wrong_specs_of_a_student(
    keys: dict[str, object], error: type[EmbzipError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        candidate(**keys)
    assert str(caught.value).startswith("recipe")
    assert "\n" not in str(caught.value)


def test_unlabelled_texts_that_the_recipe_has_not_are_asked_for(recipe: Path) -> None:
    path = recipe.parent / "without.toml"
    path.write_text(RECIPE.replace('text = ["more.txt"]', ""))
    with pytest.raises(InputError, match=r"'shaped': distill .* \[corpus\] names none as `text`"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("size=6KB", "size=500B", r"'sized', .* at least [\d,]+ bytes, and 500 are allowed"),
        (f'"{SPEC}"', '"rows=99999,folds=2"', "'shaped', .* its teacher's table, which has"),
    ],
)
def test_a_student_that_cannot_be_is_refused_before_anything_is_trained(
    recipe: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = recipe.parent / "least.toml"
    assert old in RECIPE
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(InputError, match="candidate " + told):
        run(path, tmp_path / "out")
    names = {step.name.partition("-")[0] for step in (tmp_path / "out" / "steps").iterdir()}
    assert names <= {"corpus", "tokenizer", "planned"}
