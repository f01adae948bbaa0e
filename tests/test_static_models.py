"""Folders of static models: model2vec's rows and means are ours; sentence-transformers' files.

sentence-transformers itself is run by scripts/check_static_models.py: torch is too large for here.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import embzip
from embzip.errors import OutputError, SpecError, TokenizerError, UnsupportedModelError
from embzip.static_models import export_static
from embzip.tokenizers import AliasedWords, FastTextTokenizer, Normalization, WordTokenizer
from embzip.tokenizers.base import Tokenizer
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary
from tests.commands import outcome, stdout_of

model2vec = pytest.importorskip("model2vec", reason="the dev group has it")

WORDS = WordTokenizer(["!", "cat", "dog", "größe", "the", "οδος", "हिन्दी"], Normalization())
TEXTS = ["The cat, the dog!", "GRÖẞE ΟΔΟΣ हिन्दी cat", "unknown words", "", "dog " * 600]
UNKNOWN = "unknown tokens are left out of the mean, and embzip takes their row"


def table(tokenizer: Tokenizer, dim: int = 6) -> Vectors:
    rows = len(tokenizer.vocabulary)
    matrix = np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)
    matrix[0] = 0
    return Vectors(tokenizer.vocabulary, matrix, tokenizer=tokenizer)


def means(
    made: Vectors | embzip.CompressedEmbedding, texts: list[str], without: int | None = None
) -> np.ndarray:
    """Return the mean row of each text; `without` names an id that is left out."""
    assert made.tokenizer is not None
    matrix = made.matrix if isinstance(made, Vectors) else made.decode()
    every = [[i for i in ids if i != without] for ids in made.tokenizer.encode(texts)]
    return np.stack([matrix[ids].mean(axis=0) if ids else 0 * matrix[0] for ids in every])


@pytest.mark.parametrize("to", ["model2vec", "sentence-transformers"])
@pytest.mark.parametrize("codec", ["", "int8", "int8:scale=column", "float16", "svd:3|int8"])
def test_model2vec_gives_our_means(to: str, codec: str, tmp_path: Path) -> None:
    made = embzip.compress(table(WORDS), codec) if codec else table(WORDS)
    written = export_static(made, tmp_path / "m", to=to)
    assert written.dtype == ("int8" if (to, codec) == ("model2vec", "int8") else "float32")
    assert written.differs == ((UNKNOWN,) if to == "model2vec" else ())
    assert written.nbytes == sum(f.stat().st_size for f in (tmp_path / "m").rglob("*.*"))
    theirs = model2vec.StaticModel.from_pretrained(tmp_path / "m")
    kept = TEXTS if to == "model2vec" else TEXTS[:4]  # of the other, it cuts texts at 512 tokens
    expected = means(made, kept, without=1)
    np.testing.assert_allclose(theirs.encode(kept), expected, atol=1e-6)
    sequence = theirs.encode_as_sequence("cat dog")
    matrix = made.matrix if isinstance(made, Vectors) else made.decode()
    np.testing.assert_allclose(sequence, matrix[[3, 4]], atol=1e-6)
    again = embzip.read_vectors(tmp_path / "m")
    np.testing.assert_allclose(again.matrix, matrix, atol=1e-6)
    assert again.tokenizer is not None
    assert again.tokenizer.encode(TEXTS) == WORDS.encode(TEXTS)
    assert (again.vocabulary.pad_id, again.vocabulary.unk_id) == (0, 1)


def test_what_sentence_transformers_reads(tmp_path: Path) -> None:
    export_static(table(WORDS), tmp_path / "m", to="sentence-transformers")
    modules = json.loads((tmp_path / "m" / "modules.json").read_text())
    assert [(each["type"], each["path"]) for each in modules] == [
        ("sentence_transformers.models.StaticEmbedding", "0_StaticEmbedding")
    ]
    inside = tmp_path / "m" / "0_StaticEmbedding"
    stored = safetensors.numpy.load_file(inside / "model.safetensors")
    np.testing.assert_array_equal(stored["embedding.weight"], table(WORDS).matrix)
    assert (inside / "tokenizer.json").is_file()


@pytest.mark.parametrize("to", ["model2vec", "sentence-transformers"])
def test_words_that_share_a_row(to: str, tmp_path: Path) -> None:
    shared = AliasedWords(WORDS, {"kitten": 3, "hound": 4})
    made = embzip.compress(table(shared), "int8")
    export_static(made, tmp_path / "m", to=to)
    texts = ["the kitten", "a hound!", "cat"]
    theirs = model2vec.StaticModel.from_pretrained(tmp_path / "m")
    np.testing.assert_allclose(theirs.encode(texts), means(made, texts, without=1), atol=1e-6)


def test_a_table_without_a_tokenizer_reads_its_words(tmp_path: Path) -> None:
    foreign = Vectors(Vocabulary(["the", "sea"]), np.eye(2, 3))
    for made in (foreign, embzip.compress(foreign, "int8")):
        written = export_static(made, tmp_path / "m")
        theirs = model2vec.StaticModel.from_pretrained(tmp_path / "m")
        expected = [[0.5, 0.5, 0], [0, 1, 0]]
        np.testing.assert_allclose(theirs.encode(["The SEA", "sea"]), expected, atol=1e-6)
        assert written.dtype == ("float32" if made is foreign else "int8")


def test_a_tokenizer_of_hugging_face_neither_pads_nor_cuts(tmp_path: Path) -> None:
    import tokenizers

    library = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 2}, "[UNK]"))
    library.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    library.enable_truncation(2)
    library.enable_padding()
    library.save(str(tmp_path / "tokenizer.json"))
    loaded = embzip.load_tokenizer(tmp_path / "tokenizer.json")
    made = table(loaded)  # with a row that no token has, and rows for padding and unknown tokens
    written = export_static(made, tmp_path / "m")
    assert (written.rows, written.differs) == (3, ())
    theirs = model2vec.StaticModel.from_pretrained(tmp_path / "m")
    np.testing.assert_allclose(theirs.encode(["a a b"]), means(made, ["a a b"]), atol=1e-6)


def classifier(config: embzip.MeanConfig | embzip.CnnConfig) -> embzip.Classifier:
    arrays = {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}
    arrays |= {"dense.kernel": np.eye(config.features, 2), "dense.bias": np.zeros(2)}
    return embzip.Classifier(embzip.compress(table(WORDS), "int8"), ("x", "y"), config, arrays)


def test_the_command(tmp_path: Path) -> None:
    embzip.save(embzip.compress(table(WORDS), "int8"), tmp_path / "t.embz")
    classifier(embzip.MeanConfig(6, 9)).save(tmp_path / "c.embz")
    out = tmp_path / "folder"
    for name, more in (("t.embz", []), ("c.embz", ["texts of more than 9 tokens are not cut"])):
        options = ("--to", "model2vec", "-o", out, "--json")
        record = json.loads(stdout_of("export", tmp_path / name, *options))
        assert (record["rows"], record["dim"], record["dtype"]) == (9, 6, "int8")
        assert record["differs"] == [*more, UNKNOWN]
        assert record["bytes_after"] == sum(each.stat().st_size for each in out.iterdir())
    told = stdout_of("export", tmp_path / "t.embz", "--to", "sentence-transformers", "-o", out)
    assert "9 rows of 6 in float32" in told
    options = ("--to", "model2vec", "-o", tmp_path / "other")
    wrong = outcome("export", tmp_path / "t.embz", *options, "--kernels", "int8")
    assert (wrong.code, "--kernels does not go with" in wrong.stderr) == (2, True)
    (tmp_path / "other").mkdir()
    wrong = outcome("export", tmp_path / "t.embz", *options)
    assert (wrong.code, "not a folder that contains" in wrong.stderr) == (1, True)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="this classifier's encoder is 'cnn'"):
        export_static(classifier(embzip.CnnConfig(6, 9, windows=(1,), filters=2)), tmp_path / "m")
    with pytest.raises(SpecError, match="model2vec, sentence-transformers"):
        export_static(table(WORDS), tmp_path / "m", to="spacy")
    with pytest.raises(TokenizerError, match="kind 'fasttext' has no form"):
        export_static(table(FastTextTokenizer(["</s>", "a"])), tmp_path / "m")
    (tmp_path / "m").write_text("a file")
    with pytest.raises(OutputError, match="already exists"):
        export_static(table(WORDS), tmp_path / "m")
    stemmed = WordTokenizer(["distil"], Normalization(), stems=True)
    made = embzip.export(table(stemmed), tmp_path / "stems", to="sentence-transformers")
    assert made.differs == (
        "unknown words that embzip reads as a known one of the same stem are unknown",
    )
