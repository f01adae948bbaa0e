"""Labelled files of every kind: told by content, the same rows as the libraries of each give."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.corpus import read_examples, read_texts
from embzip.errors import InputError, InputTypeError, MismatchError, MissingPackageError, SpecError
from embzip.labelled.columns import Columns
from embzip.labelled.examples import Example, make_examples
from embzip.labelled.texts import Texts
from embzip.pipeline.recipe import read_recipe
from embzip.tokenizers.building import build_bpe, build_words
from embzip.vectors.training import train_vectors
from tests.commands import outcome, stdout_of

ROWS = [("sport", 'three "goals", no less'), ("money", "bank; interest"), ("sport", "a\ttab")] * 3
TOPIC = Columns(label="topic", text="body")


def stored(folder: Path, content: bytes | str, name: str = "train.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pairs(examples: Iterable[Example]) -> list[tuple[str, str]]:
    return [(example.label, example.text) for example in examples]


def written(rows: Iterable[Iterable[str]], **options: object) -> str:
    file = io.StringIO()
    csv.writer(file, **options).writerows(rows)  # type: ignore[arg-type]
    return file.getvalue()


# --- CSV and TSV


@pytest.mark.parametrize("separator", [",", ";", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_csv_as_python_writes_it(tmp_path: Path, separator: str, quoting: int) -> None:
    table = [
        ("id", "body", "topic"),
        *((str(i), text, label) for i, (label, text) in enumerate(ROWS)),
    ]
    content = written(table, delimiter=separator, quoting=quoting).encode()
    for stands in (content, b"\xef\xbb\xbf" + content, gzip.compress(content)):
        path = stored(tmp_path, stands)
        assert pairs(read_examples(path, columns=TOPIC)) == ROWS
        assert list(read_texts(path, labelled=True, columns=TOPIC)) == [text for _, text in ROWS]
        numbered = read_examples(
            stored(tmp_path, content.partition(b"\n")[2]), columns=Columns(3, 2)
        )
        assert pairs(numbered) == ROWS


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_in_csv(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    rows = [("a", "b c"), ("a", "b d"), *rows]
    path.write_text(written([("label", "text"), *rows]), "utf-8", newline="")
    read = pairs(read_examples(path, checked=True))
    for (label, text), found in zip(rows, read, strict=True):
        assert found[0] == label
        assert found[1].split() == text.split()  # line ends are blanks
        assert "\n" not in found[1]


def test_columns_called_label_and_text_need_no_name(tmp_path: Path) -> None:
    path = stored(tmp_path, written([("text", "label"), *((t, x) for x, t in ROWS)]))
    assert pairs(read_examples(path)) == ROWS
    with pytest.raises(
        InputError, match=r"unknown column 'txt' \(did you mean 'text'\?\).*--text-c"
    ):
        read_examples(path, columns=Columns(text="txt"))
    with pytest.raises(InputError, match=r"expected label<TAB>text, found no tab.*if this is CSV"):
        read_examples(stored(tmp_path, "topic,body\nsport,three goals\n"))


def test_tsv_with_a_header_and_quotes(tmp_path: Path) -> None:
    path = stored(
        tmp_path,
        'topic\tbody\nsport\t"three ""goals"""\nmoney\t"Deal" he said\nsport\t"\nmoney\t5" pipe"\n',
    )
    assert [text for _, text in pairs(read_examples(path, columns=TOPIC))] == [
        'three "goals"', '"Deal" he said', '"', '5" pipe"',
    ]  # fmt: skip
    with pytest.warns(UserWarning, match=r"line 1 'topic.tbody': if it is a header"):
        read_examples(
            stored(tmp_path, "topic\tbody\n" + "sport\tthree goals\nmoney\ta large deal\n" * 5)
        )
    three = stored(
        tmp_path, "".join(f"{i}\t{label}\tsome text\n" for i, (label, _) in enumerate(ROWS))
    )
    assert pairs(read_examples(three, columns=Columns(label=2, text=3)))[1] == (
        "money",
        "some text",
    )
    last = stored(tmp_path, "".join(f"some text\t{label}\n" for label, _ in ROWS))
    assert pairs(read_examples(last, columns=Columns(label=2, text=1)))[1] == ("money", "some text")


def test_csv_that_is_damaged(tmp_path: Path) -> None:
    for content, message in {
        'label,text\na,"open\n': r"line 2: cannot be read as CSV",
        'label,text\na,"x"y\n': r"line 2: cannot be read as CSV",
        "label,text\na\n": "line 2: expected at least 2 columns, found 1",
        "label,text\n,x\n": "line 2: expected label<TAB>text, found an empty label",
    }.items():
        with pytest.raises(InputError, match=message):
            read_examples(stored(tmp_path, content))
    with pytest.raises(InputError, match="expected at least 3 columns, found 2"):
        read_examples(stored(tmp_path, "a,b\n"), columns=Columns(label=3, text=1))
    with pytest.raises(SpecError, match="counted from 1, received 0"):
        Columns(label=0)
    with pytest.raises(SpecError, match="two columns, received 'a' for both"):
        Columns(label="a", text="a")


# --- fastText, JSON lines, Parquet


def test_fasttexts_lines(tmp_path: Path) -> None:
    lines = [f"__label__{label} {text}" for label, text in ROWS]
    content = "\n".join([*lines, "", "three goals __label__sport"]) + "\n"
    read = pairs(read_examples(stored(tmp_path, content, "train.txt")))
    assert read == [*ROWS, ("sport", "three goals")]
    with pytest.warns(UserWarning, match=r"begin with __label__.*name the file by --labelled"):
        list(read_texts(stored(tmp_path, "\n".join(lines), "train.txt")))
    several = [*lines, "__label__a __label__b both", "__label__a x", "__label__a __label__c x"]
    with pytest.raises(
        InputError, match=r"line 10: .* __label__a, __label__b; 2 of 12 texts have mo"
    ):
        read_examples(stored(tmp_path, "\n".join(several)))
    with pytest.raises(
        InputError, match="line 10: expected __label__NAME before the text, found 'no"
    ):
        read_examples(stored(tmp_path, "\n".join([*lines, "none here"])))


def test_json_lines(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "id": 3, "label": label}) for label, text in ROWS]
    assert pairs(read_examples(stored(tmp_path, "\n".join(lines)))) == ROWS
    other = [json.dumps({"body": "a\nb", "topic": i % 2}) for i in range(6)]
    path = stored(tmp_path, "\n".join(other).encode())
    assert pairs(read_examples(path, columns=TOPIC))[:2] == [("0", "a b"), ("1", "a b")]
    for line, message in {
        '{"text": "x", "label": ["a", "b"]}': "expected one label, found 2",
        '{"text": "x", "label": null}': "an empty label",
        '{"text": "x", "label": 0.5}': "a label must be text or a whole number, found float",
        '{"text": null, "label": "a"}': "a text must be a string, found none",
        '{"text": "x"}': "unknown column 'label'",
        "[1]": "expected an object of JSON",
        '{"text": ': "not JSON",
    }.items():
        with pytest.raises(InputError, match=f"line 2: .*{message}|line 2 is .*{message}"):
            read_examples(stored(tmp_path, f'{{"text": "x", "label": "a"}}\n{line}\n'))
    with pytest.raises(InputError, match="at least 3 columns"):
        read_examples(path, columns=Columns(label=3, text="body"))


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "train.parquet"
    labels = arrow.array([label for label, _ in ROWS]).dictionary_encode()
    table = arrow.table({"text": [text for _, text in ROWS], "id": range(9), "label": labels})
    parquet.write_table(table, path, row_group_size=4)
    assert pairs(read_examples(path)) == ROWS
    assert outcome("build-words", "--labelled", path, "-o", tmp_path / "w.tsv").code == 0
    with pytest.raises(InputError, match=r"found a Parquet file: it is read where labelled texts"):
        list(read_texts(path))
    with pytest.raises(
        InputError, match="unknown column 'topic': the known ones are text, id, label"
    ):
        read_examples(path, columns=TOPIC)
    content = path.read_bytes()
    for length in (10, len(content) // 2, len(content) - 1):
        with pytest.raises(InputError, match="cannot be read as Parquet"):
            read_examples(stored(tmp_path, content[:length], "cut.parquet"))


def test_parquet_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match="uv sync --extra texts"):
        read_examples(stored(tmp_path, b"PAR1"))


# --- in memory


def test_examples_of_what_is_in_memory() -> None:
    labels, texts = zip(*ROWS, strict=True)
    for given_labels, given_texts in (
        (list(labels), list(texts)),
        (labels, texts),
        (np.array(labels), np.array(texts)),
        (iter(labels), iter(texts)),
    ):
        made = make_examples(given_labels, given_texts)
        assert pairs(made) == ROWS
        assert {type(example.text) for example in made} <= {str, np.str_}
    assert pairs(make_examples(np.array([0, 1]), ["a", "b"])) == [("0", "a"), ("1", "b")]
    with pytest.raises(MismatchError, match="received 2 labels and 1 texts"):
        make_examples(["a", "b"], ["x"])
    with pytest.raises(InputTypeError, match="received str"):
        make_examples(["a"], "x")
    with pytest.raises(InputTypeError, match="text 1: expected str, received int"):
        make_examples(["a", "b"], ["x", 3])  # type: ignore[list-item]
    with pytest.raises(InputError, match="row 0: expected one label, found an empty one"):
        make_examples([None], ["x"])
    with pytest.raises(TypeError):
        Example("sport", "a goal")  # type: ignore[misc]


def test_pandas_columns() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=["topic", "body"])
    assert pairs(make_examples(frame["topic"], frame["body"])) == ROWS
    frame["topic"] = frame["topic"].astype("category").cat.codes
    assert make_examples(frame["topic"], frame["body"])[1].label == "0"
    words = build_words(Texts(frame["body"]), min_count=1)
    assert "goals" in words.vocabulary


def test_texts_in_memory_are_a_corpus() -> None:
    texts = Texts(["low lower lowest", "new newer newest"] * 5, name="mine")
    words = build_words(texts, min_count=1)
    assert list(words.vocabulary)[2:] == ["low", "lower", "lowest", "new", "newer", "newest"]
    vectors = train_vectors(texts, words, dim=2)
    assert vectors.counts is not None
    assert vectors.counts.sum() == 30
    assert len(build_bpe(texts, vocab=20).vocabulary) == 20
    with pytest.raises(InputTypeError, match="mine, text 1: expected str, received int"):
        build_words(Texts(["a", 3], name="mine"))  # type: ignore[list-item]
    with pytest.raises(InputTypeError, match="put one text in a list"):
        Texts("one text")
    with pytest.raises(InputError, match="mine: expected text, found no words"):
        build_words(Texts([], name="mine"))


# --- commands and recipes


def test_every_command_takes_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stored(
        Path(),
        written([("n", "body", "topic"), *((str(i), t, x) for i, (x, t) in enumerate(ROWS))]),
    )
    columns = ("--label-column", "topic", "--text-column", "2")
    stdout_of("build-words", "--labelled", "train.csv", *columns, "--min-count", 1, "-o", "w.tsv")
    assert "goals\t3" in Path("w.tsv").read_text()
    stdout_of("build-bpe", "--labelled", "train.csv", *columns, "--vocab", 40, "-o", "b.model")
    made = ["--tokenizer", "w.tsv", "--dim", 2, "-o", "v.embz"]
    stdout_of("train-vectors", "--labelled", "train.csv", *columns, *made)
    refused = outcome("build-words", "--labelled", "train.csv", "-o", "w.tsv")
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert "--label-column" in refused.stderr


def test_a_recipe_names_columns(tmp_path: Path) -> None:
    stored(tmp_path, "topic,body\n")
    recipe = tmp_path / "r.toml"
    body = '[corpus]\ntrain = "train.csv"\ntest = "train.csv"\n{}[[candidate]]\nname = "a"\n'
    body += 'tokenizer = "words"\ncodec = "int8"\n'
    recipe.write_text(body.format('label_column = "topic"\ntext_column = 2\n'))
    assert read_recipe(recipe).corpus.columns == Columns(label="topic", text=2)
    recipe.write_text(body.format(""))
    assert read_recipe(recipe).corpus.columns is None
    recipe.write_text(body.format("label_column = true\n"))
    with pytest.raises(InputError, match="label_column"):
        read_recipe(recipe)
