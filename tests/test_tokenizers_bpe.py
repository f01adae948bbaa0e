"""Byte-pair pieces: training in a child process, and the same ids from every engine."""

import os
import pickle
import random
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import youtokentome
from hypothesis import given, settings
from hypothesis import strategies as st

from embzip.errors import (
    FileFormatError,
    IdRangeError,
    InputError,
    InputTypeError,
    MissingFileError,
    OutputError,
    TokenizerError,
)
from embzip.tokenizers import (
    BpeTokenizer,
    Normalization,
    load_tokenizer,
    tokenizer_from_bytes,
)
from embzip.tokenizers.bpe import _tokenizers_encoder, _youtokentome_encoder
from embzip.tokenizers.bpe_training import covered_alphabet
from embzip.tokenizers.building import build_bpe
from embzip.tokenizers.yttm_model import read_record

CORPUS = (
    "It was a bright cold day in April, and the clocks were striking thirteen.\n"
    "The cat sat on the mat, and the dog ran after the cat.\n"
    "Кошка спит на коврике; 猫在垫子上睡觉 <PAD> <UNK> <BOS>\n"
    "café naïve 🙂 aaaa aaaaaaa ababab\n"
) * 5


def source_lines(wanted: int) -> list[str]:
    """Return lines of text that every Python installation has, distinct and not blank."""
    lines: dict[str, None] = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        lines.update((line, None) for line in path.read_text("utf-8", "replace").split("\n"))
        if len(lines) > wanted:
            break
    lines.pop("", None)
    return list(lines)[:wanted]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bpe")


@pytest.fixture(scope="session")
def corpus(folder: Path) -> Path:
    path = folder / "corpus.txt"
    path.write_text(CORPUS, "utf-8")
    return path


@pytest.fixture(scope="session")
def tokenizer(folder: Path, corpus: Path) -> BpeTokenizer:
    return build_bpe(corpus, folder / "corpus.bpe.model", vocab=150)


@pytest.fixture(scope="session")
def large(folder: Path) -> tuple[BpeTokenizer, list[str]]:
    """A model of 8,000 pieces with 100,000 real lines, half of which it was trained on."""
    lines = source_lines(100_000)
    path = folder / "sources.txt"
    path.write_text("\n".join(lines[::2]), "utf-8")
    return build_bpe(path, vocab=8000, lowercase=False, coverage=0.9999), lines


def bare(path: Path) -> "youtokentome.BPE":
    return youtokentome.BPE(model=str(path), n_threads=1)


def test_the_bare_package_loads_the_file_and_gives_the_same_ids(
    folder: Path, tokenizer: BpeTokenizer
) -> None:
    encoder = bare(folder / "corpus.bpe.model")
    assert encoder.vocab_size() == 150 == len(tokenizer.vocabulary)
    assert encoder.vocab() == list(tokenizer.vocabulary)
    texts = [text.lower() for text in CORPUS.splitlines()]
    assert tokenizer.encode(texts) == encoder.encode(texts, youtokentome.OutputType.ID)


def test_special_ids(tokenizer: BpeTokenizer) -> None:
    vocabulary = tokenizer.vocabulary
    assert (vocabulary.pad_id, vocabulary.unk_id, vocabulary.special_ids) == (0, 1, (0, 1, 2, 3))
    assert [vocabulary.token(i) for i in range(4)] == ["<PAD>", "<UNK>", "<BOS>", "<EOS>"]
    assert tokenizer.kind == "bpe"


def test_100_000_real_lines_have_the_same_ids_in_both_engines(
    large: tuple[BpeTokenizer, list[str]],
) -> None:
    tokenizer, lines = large
    assert len(lines) == 100_000
    first = _youtokentome_encoder(tokenizer.content)
    assert first is not None
    ids = first(lines)
    assert _tokenizers_encoder(tokenizer.model)(lines) == ids
    assert sum(map(len, ids)) > 500_000


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.characters()) | st.text(alphabet="abcthedog кош猫🙂é\u0301<PAD>▁\xa0\u3000\x85\0\t")
)
def test_any_string_has_the_same_ids_in_both_engines(tokenizer: BpeTokenizer, text: str) -> None:
    normalized = [tokenizer.normalization.apply(text)]
    ids = tokenizer.encode([text])
    assert _tokenizers_encoder(tokenizer.model)(normalized) == ids
    encoder = _youtokentome_encoder(tokenizer.content)
    assert encoder is not None
    assert encoder(normalized) == ids
    assert all(0 <= index < 150 for index in ids[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 149)))
def test_decoding_agrees_with_the_bare_package(
    folder: Path, tokenizer: BpeTokenizer, ids: list[int]
) -> None:
    expected = bare(folder / "corpus.bpe.model").decode([ids])[0] if ids else ""
    assert tokenizer.decode(ids) == expected


def test_known_text_is_decoded_to_itself(tokenizer: BpeTokenizer) -> None:
    text = "кошка спит on the mat, café 猫在"
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text


def test_training_is_reproducible_and_says_so(
    folder: Path, corpus: Path, tokenizer: BpeTokenizer
) -> None:
    assert tokenizer.reproducible is True
    for threads in (1, 2):
        assert build_bpe(corpus, vocab=150, threads=threads).content == tokenizer.content
    record = read_record(tokenizer.content, "")
    assert record is not None
    assert (record["engine"], record["scaled"]) == ("youtokentome", 1.0)


def test_saved_loaded_and_pickled_it_is_the_same(folder: Path, tokenizer: BpeTokenizer) -> None:
    path = folder / "corpus.bpe.model"
    assert path.read_bytes() == tokenizer.content
    copies = [
        BpeTokenizer.load(path),
        load_tokenizer(path),
        tokenizer_from_bytes("bpe", tokenizer.to_bytes(), 150, tokenizer.normalization),
        pickle.loads(pickle.dumps(tokenizer)),
    ]
    texts = CORPUS.splitlines()
    for copy in copies:
        assert copy.vocabulary == tokenizer.vocabulary
        assert copy.normalization == Normalization()
        assert copy.encode(texts) == tokenizer.encode(texts)
        assert copy.content == tokenizer.content  # type: ignore[attr-defined]
    with pytest.raises(FileFormatError, match="as many as the table has rows, found 150"):
        tokenizer_from_bytes("bpe", tokenizer.to_bytes(), 151, tokenizer.normalization)
    with pytest.raises(FileFormatError):
        BpeTokenizer.from_bytes(tokenizer.to_bytes()[:-9], 150, tokenizer.normalization)


def test_a_file_of_the_bare_package_is_read_with_a_warning(folder: Path, corpus: Path) -> None:
    path = folder / "foreign.model"
    youtokentome.BPE.train(data=str(corpus), model=str(path), vocab_size=150, n_threads=1)
    with pytest.warns(UserWarning, match="the file records no normalization"):
        foreign = BpeTokenizer.load(path)
    assert foreign.normalization == Normalization(lowercase=False, unicode="none")
    assert foreign.reproducible is None
    texts = CORPUS.splitlines()
    assert foreign.encode(texts) == bare(path).encode(texts, youtokentome.OutputType.ID)


@pytest.mark.parametrize("coverage", [1.0, 0.97])
def test_the_other_engine_trains_a_model_the_bare_package_loads(
    folder: Path, corpus: Path, coverage: float
) -> None:
    path = folder / "tokenizers.model"
    trained = build_bpe(corpus, path, vocab=150, coverage=coverage, engine="tokenizers")
    assert len(trained.vocabulary) == 150
    texts = [text.lower() for text in CORPUS.splitlines()]
    ids = bare(path).encode(texts, youtokentome.OutputType.ID)
    assert trained.encode(texts) == ids
    assert _tokenizers_encoder(trained.model)(texts) == ids
    assert any(1 in row for row in ids) == (coverage < 1)
    again = build_bpe(corpus, vocab=150, coverage=coverage, engine="tokenizers", threads=1)
    assert again.content == trained.content


@settings(max_examples=12, deadline=None)
@given(st.text(alphabet="abcde é中\n\t", min_size=1), st.sampled_from([1.0, 0.9, 0.5]))
def test_the_alphabet_is_that_of_youtokentome(
    tmp_path_factory: pytest.TempPathFactory, text: str, coverage: float
) -> None:
    folder = tmp_path_factory.mktemp("alphabet")
    alphabet = covered_alphabet(Counter(text), coverage)
    if not alphabet:
        return
    (folder / "text").write_text(text, "utf-8")
    youtokentome.BPE.train(
        data=str(folder / "text"),
        model=str(folder / "model"),
        vocab_size=5 + len(alphabet),
        coverage=coverage,
        n_threads=1,
    )
    pieces = bare(folder / "model").vocab()
    assert sorted(pieces[5:]) == sorted(alphabet)


def test_labelled_text_is_trained_without_its_labels(folder: Path, corpus: Path) -> None:
    path = folder / "labelled.tsv"
    path.write_text("".join(f"Ω\t{line}\n" for line in CORPUS.splitlines()), "utf-8")
    plain = build_bpe(corpus, vocab=100)
    assert build_bpe(path, vocab=100, labelled=True).content == plain.content


def test_case_01_and_02_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(MissingFileError):
            build_bpe(path, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", " \n\t\n", "\u2581\n"])
def test_case_03_and_04_no_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"corpus.txt: expected text, found only white space"):
        build_bpe(path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_case_05_invalid_utf8_never_reaches_the_trainer(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(CORPUS.encode() + b"\xff\n")
    with pytest.raises(InputError, match="line 21, offset"):
        build_bpe(path, vocab=100)
    with pytest.warns(UserWarning, match="1 invalid UTF-8 sequences were replaced"):
        replaced = build_bpe(path, vocab=100, errors="replace")
    assert "\ufffd" in replaced.vocabulary


def test_case_08_and_10_bom_and_crlf_give_the_same_model(tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "dressed.txt"
    path.write_bytes(b"\xef\xbb\xbf" + CORPUS.replace("\n", "\r\n").encode())
    assert build_bpe(path, vocab=100).content == build_bpe(corpus, vocab=100).content


def test_case_09_nul_is_a_character(tmp_path: Path) -> None:
    path = tmp_path / "nul.txt"
    path.write_text("a\0b ab a\0b and some more text\n" * 3)
    tokenizer = build_bpe(path, tmp_path / "model", vocab=20)
    assert "\0" in "".join(tokenizer.vocabulary)
    ids = tokenizer.encode(["a\0b"])
    assert ids == _tokenizers_encoder(tokenizer.model)(["a\0b"])
    assert BpeTokenizer.load(tmp_path / "model").decode(ids[0]) == "a\0b"


@pytest.mark.parametrize("engine", ["youtokentome", "tokenizers"])
def test_case_11_vocabulary_below_the_alphabet(corpus: Path, engine: str) -> None:
    least = len(set(CORPUS.lower()) - set(" \n")) + 5
    with pytest.raises(TokenizerError, match=f"vocab must be at least {least}, for "):
        build_bpe(corpus, vocab=least - 1, engine=engine)  # type: ignore[arg-type]
    exact = build_bpe(corpus, vocab=least, engine=engine)  # type: ignore[arg-type]
    assert len(exact.vocabulary) == least


@pytest.mark.parametrize("engine", ["youtokentome", "tokenizers"])
def test_case_12_unreachable_vocabulary(corpus: Path, engine: str) -> None:
    with pytest.warns(UserWarning, match=r"30000 pieces were .* yields only (\d+)") as seen:
        tokenizer = build_bpe(corpus, engine=engine)  # type: ignore[arg-type]
    assert str(seen[0].message).endswith(f"the vocabulary has {len(tokenizer.vocabulary)}")


@pytest.mark.parametrize("vocab", [0, -5, 4, 2**31, 2_000_000_000, 2**24 + 1])
def test_case_13_bad_vocabulary(corpus: Path, vocab: int) -> None:
    start = time.perf_counter()
    with pytest.raises(TokenizerError, match=rf"vocab must lie in 5\.\.16777216, received {vocab}"):
        build_bpe(corpus, vocab=vocab)
    assert time.perf_counter() - start < 10  # 1 s on a quiet machine; a guard against hanging


@pytest.mark.parametrize("coverage", [0, -0.1, 1.1, float("nan"), float("inf")])
def test_case_14_bad_coverage(corpus: Path, coverage: float) -> None:
    with pytest.raises(TokenizerError, match="coverage, the share of the text's characters"):
        build_bpe(corpus, coverage=coverage)


@pytest.mark.parametrize("engine", ["youtokentome", "tokenizers"])
def test_a_coverage_below_the_share_of_white_space_is_blamed(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("a b c d\n" * 50)  # half is white space
    said = "coverage of 0.1 leaves no character .* white space alone covers 0.5000 .* --coverage"
    with pytest.raises(TokenizerError, match=said):
        build_bpe(path, vocab=60, coverage=0.1, engine=engine)  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match="leaves no character"):
        build_bpe(path, vocab=60, coverage=0.49, engine=engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -7, 10_000])
def test_case_16_bad_threads(corpus: Path, threads: int) -> None:
    with pytest.raises(TokenizerError, match=rf"threads must lie in 1\.\.256, received {threads}"):
        build_bpe(corpus, threads=threads)


def test_an_unknown_engine_or_form_is_refused(corpus: Path) -> None:
    with pytest.raises(TokenizerError, match="unknown engine 'sentencepiece'"):
        build_bpe(corpus, engine="sentencepiece")  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match="unknown normal form 'UTF-8': the known"):
        build_bpe(corpus, unicode="UTF-8")  # type: ignore[arg-type]


def test_case_17_of_a_100_mb_line_words_are_counted_to_fit_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    chance = random.Random(0)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(20_000)]
    with path.open("w") as file:
        for _ in range(100):
            file.write((" ".join(words) * 8)[: 10**6])
    assert path.stat().st_size == 10**8
    start = time.perf_counter()
    tokenizer = build_bpe(path, vocab=2000, memory=10**8)
    record = read_record(tokenizer.content, "")
    assert record is not None
    assert (record["scaled"], record["left_out"]) == (pytest.approx(0.5, abs=0.01), 0)
    assert len(tokenizer.vocabulary) == 2000
    assert time.perf_counter() - start < 60


@pytest.mark.parametrize("engine", ["youtokentome", "tokenizers"])
def test_case_18_one_megabyte_of_one_character(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "one.txt"
    path.write_text("a" * 10**6)
    start = time.perf_counter()
    with pytest.warns(UserWarning, match="100 pieces were asked for"):
        tokenizer = build_bpe(path, vocab=100, engine=engine)  # type: ignore[arg-type]
    assert time.perf_counter() - start < 20
    ids = tokenizer.encode(["a" * 10**6])
    assert tokenizer.decode(ids[0]) == "a" * 10**6
    assert _tokenizers_encoder(tokenizer.model)(["a" * 10**6]) == ids


def test_case_19_output_not_writable_while_an_old_model_exists(
    tmp_path: Path, corpus: Path
) -> None:
    with pytest.raises(OutputError):
        build_bpe(corpus, tmp_path / "absent" / "model", vocab=100)
    old = tmp_path / "model"
    old.mkdir()
    (old / "inside").write_text("old")
    with pytest.raises(OutputError, match="the name of a file to write, found a directory"):
        build_bpe(corpus, old, vocab=100)
    assert (old / "inside").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("limit", "characters", "message"),
    [
        (200, 400, "temporary text for training cannot be written (File too large)"),
        (1500, 400, "training with youtokentome cannot write"),
        (15_000, 3000, "training left no valid model"),
    ],
)
def test_case_20_disk_full_during_training(
    tmp_path: Path, limit: int, characters: int, message: str
) -> None:
    # A limit of the kernel on the size of any file: the text, a probe, or the model does not fit.
    path = tmp_path / "corpus.txt"
    path.write_text("".join(map(chr, range(0x4E00, 0x4E00 + characters))), "utf-8")
    old = tmp_path / "old.model"
    old.write_text("old")
    program = (
        "import resource, sys\n"
        "from embzip.errors import OutputError\n"
        "from embzip.tokenizers.building import build_bpe\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try:\n"
        f"    build_bpe(sys.argv[1], sys.argv[2], vocab={characters + 5})\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(old)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert message in done.stdout, done
    assert old.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus.txt", "old.model"]


def test_ctrl_c_ends_the_child_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(map(str, range(500_000))))
    program = (
        "import sys; from embzip.tokenizers.building import build_bpe; build_bpe(*sys.argv[1:3])"
    )
    (tmp_path / "tmp").mkdir()
    running = subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(tmp_path / "model")],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        # Background jobs of a shell ignore the signal, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    deadline = time.monotonic() + 60
    while not (found := children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    own = Path(f"/proc/{running.pid}/cmdline").read_bytes()
    while Path(f"/proc/{found[0]}/cmdline").read_bytes() in (own, b""):  # until it is no fork
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)  # and its parent waits for it
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=10) != 0
    # What is left of it is nothing, or what process 1 has not collected yet.
    status = Path(f"/proc/{found[0]}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()
    assert not (tmp_path / "model").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_case_22_lone_surrogates(tokenizer: BpeTokenizer) -> None:
    ids = tokenizer.encode(["cat\ud800 \udfff"])[0]
    assert ids == tokenizer.encode(["cat\ufffd \ufffd"])[0]
    assert 1 in ids


def test_case_23_text_with_the_word_mark(tokenizer: BpeTokenizer) -> None:
    assert tokenizer.encode(["the▁cat", "▁▁the cat▁"]) == tokenizer.encode(["the cat"] * 2)


def test_case_24_literal_special_names_are_text(tokenizer: BpeTokenizer, tmp_path: Path) -> None:
    for encoder in (tokenizer.encode, _tokenizers_encoder(tokenizer.model)):
        for row in encoder(["<pad> <unk> <bos>"]):
            assert min(row) > 3
    path = tmp_path / "corpus.txt"
    path.write_text("<PAD> <UNK> <BOS> <EOS>\n" * 9)
    for engine in ("youtokentome", "tokenizers"):
        cased = build_bpe(path, vocab=32, lowercase=False, engine=engine)  # type: ignore[arg-type]
        text = "<PAD> <UNK> <BOS><EOS>"
        ids = cased.encode([text])
        assert "▁<PAD>" in cased.vocabulary
        assert min(ids[0]) > 3
        assert _tokenizers_encoder(cased.model)([text]) == ids
        assert cased.decode(ids[0]) == text


@pytest.mark.parametrize("space", ["\xa0", "\u3000", "\u2028", "\x85", "\u200b", "\x1c"])
def test_case_25_only_ascii_white_space_separates(tokenizer: BpeTokenizer, space: str) -> None:
    text = f"the{space}cat"
    ids = tokenizer.encode([text])
    assert ids == _tokenizers_encoder(tokenizer.model)([text])
    assert ids != tokenizer.encode(["the cat"])


@pytest.mark.parametrize("space", " \t\n\x0b\x0c\r")
def test_case_25_ascii_white_space(tokenizer: BpeTokenizer, space: str) -> None:
    text = f"{space}the{space}{space}cat{space}"
    assert tokenizer.encode([text]) == tokenizer.encode(["the cat"])
    assert _tokenizers_encoder(tokenizer.model)([text]) == tokenizer.encode(["the cat"])


def test_case_26_normal_forms_follow_the_record(corpus: Path, tokenizer: BpeTokenizer) -> None:
    assert tokenizer.encode(["CAFE\u0301"]) == tokenizer.encode(["caf\u00e9"])
    raw = build_bpe(corpus, vocab=150, unicode="none")
    assert raw.encode(["cafe\u0301"]) != raw.encode(["caf\u00e9"])
    parts = build_bpe(corpus, vocab=150, unicode="NFD")
    assert parts.encode(["cafe\u0301"]) == parts.encode(["caf\u00e9"])
    assert "é" not in "".join(parts.vocabulary)


def test_case_27_unknown_script_is_unk(tokenizer: BpeTokenizer) -> None:
    mark = tokenizer.vocabulary["▁"]
    assert tokenizer.encode(["ελληνικά ქართული"]) == [[mark, 1, mark, 1]]


def test_case_28_empty_texts_have_no_ids(tokenizer: BpeTokenizer) -> None:
    assert tokenizer.encode(["", "   ", "\n"]) == [[], [], []]
    assert _tokenizers_encoder(tokenizer.model)(["", "   ", "\n"]) == [[], [], []]
    assert tokenizer.encode([]) == []
    assert tokenizer.decode([]) == ""


def test_case_29_types(tokenizer: BpeTokenizer) -> None:
    assert tokenizer.encode(text for text in ["the"]) == tokenizer.encode(["the"])
    for received, name in (("cat", "one str"), (b"cat", "one bytes"), (None, "NoneType")):
        with pytest.raises(InputTypeError, match=name):
            tokenizer.encode(received)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match="text 1: expected str, received bytes"):
        tokenizer.encode(["cat", b"cat"])  # type: ignore[list-item]


def test_case_30_decode_checks_ids(tokenizer: BpeTokenizer) -> None:
    ids = tokenizer.encode(["the cat"])[0]
    assert tokenizer.decode(np.array(ids, np.int64)) == "the cat"
    assert tokenizer.decode([np.int64(ids[0])]) == "the"
    for outside in (-1, 150, 2**40):
        with pytest.raises(IdRangeError, match=rf"id 0: expected 0\.\.149, received {outside}"):
            tokenizer.decode([outside])
    with pytest.raises(InputTypeError, match="expected an integer, received float"):
        tokenizer.decode([1.5])  # type: ignore[list-item]


def test_case_31_a_10_mb_word_in_bounded_time(tokenizer: BpeTokenizer) -> None:
    word = "".join(random.Random(0).choices("abcdehot", k=10**7))
    start = time.perf_counter()
    ids = tokenizer.encode([word])
    assert time.perf_counter() - start < 30
    assert len(ids[0]) > 10**6
    # A tenth of it by the slower engine, about a second a megabyte.
    tenth = word[: 10**6]
    assert _tokenizers_encoder(tokenizer.model)([tenth]) == tokenizer.encode([tenth])


def test_eight_threads_and_a_fork_give_the_ids_of_one_thread(tokenizer: BpeTokenizer) -> None:
    texts = CORPUS.splitlines()
    expected = tokenizer.encode(texts)
    found: list[list[list[int]]] = []
    threads = [
        threading.Thread(target=lambda: found.append(tokenizer.encode(texts))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
    program = (
        "import os, pickle, sys\n"
        "tokenizer, texts, expected = pickle.load(sys.stdin.buffer)\n"
        "assert tokenizer.encode(texts) == expected\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(tokenizer.encode(texts) != expected)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        input=pickle.dumps((tokenizer, texts, expected)),
        check=True,
    )


def test_without_youtokentome_the_ids_are_the_same(tmp_path: Path, tokenizer: BpeTokenizer) -> None:
    # A real interpreter in which the package cannot be imported, as on a machine without it.
    program = (
        "import pickle, sys\n"
        "sys.modules['youtokentome'] = None\n"
        "tokenizer, texts = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(pickle.dumps(tokenizer.encode(texts)))\n"
    )
    texts = CORPUS.splitlines()
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((tokenizer, texts)),
        capture_output=True,
        check=True,
    )
    assert pickle.loads(done.stdout) == tokenizer.encode(texts)
