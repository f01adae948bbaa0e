"""Files with right digests that lie, and changed ones: refused in both modes, in little memory."""

import json
import lzma
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embzip
from embzip.classifier import Kit, load_model
from embzip.compression import compress
from embzip.embz.container import read_header, read_tensor, write_container
from embzip.embz.inspecting import inspect_embz
from embzip.errors import FileFormatError, InputError, NotFiniteError
from embzip.tokenizers import AliasedWords, BpeTokenizer, Normalization, WordTokenizer, YttmModel
from embzip.tokenizers.packed_model import pack
from embzip.tokenizers.yttm_model import with_record
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary, decode_tokens, encode_tokens
from embzip.vocabulary import compress as squeeze
from tests.models import WORDS, classifiers, tiny_classifier

Tensors = dict[str, np.ndarray[Any, Any]]
TEXTS = ["able lion zoo", "", "people say café"]
BPE = b"3 2\n97 5\n98 6\n9601 4\n5 6 7\n4 7 8\n1 0 2 3\n"
MEGABYTE = 1 << 20


def bpe() -> BpeTokenizer:
    fields = Normalization().to_json()
    return BpeTokenizer(YttmModel.parse(BPE, "tiny"), Normalization(), with_record(BPE, fields))


def table(tokenizer: Any, spec: str = "int8") -> embzip.CompressedEmbedding:
    rows = len(tokenizer.vocabulary)
    matrix = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    return compress(Vectors(tokenizer.vocabulary, matrix, np.arange(rows), tokenizer), spec)


def write_words(path: Path) -> None:
    embzip.save(table(WordTokenizer(WORDS, Normalization()), "svd:3|int8"), path, counts=True)


def write_aliases(path: Path) -> None:
    words = WordTokenizer(WORDS, Normalization())
    embzip.save(table(AliasedWords(words, {"cat": 3, "dog": 2})), path)


def write_bpe(path: Path) -> None:
    embzip.save(table(bpe()), path)


def write_foreign(path: Path) -> None:
    vectors = Vectors(Vocabulary(WORDS, special_ids=[1], pad_id=0, unk_id=2), np.eye(9, 5))
    embzip.save(compress(vectors, "int8"), path)


def write_classifier(path: Path) -> None:
    tiny_classifier("svd:3|int8").save(path)


def write_int8_kit(path: Path) -> None:
    from embzip.classifier.rebuilding import rebuild

    kinds = classifiers("int8")
    Kit.of({name: rebuild(kinds[name], kernels="int8") for name in ("topic", "mood")}).save(path)


def write_packed(path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(600, 4)).round().astype(np.float32)
    embzip.save(compress(matrix, "int8:scale=none"), path, pack=True)


KINDS: dict[str, Callable[[Path], None]] = {
    "words": write_words,
    "aliases": write_aliases,
    "bpe": write_bpe,
    "foreign": write_foreign,
    "classifier": write_classifier,
    "int8 kit": write_int8_kit,
    "packed": write_packed,
}


def answers(path: Path, *, mmap: bool) -> list[Any]:
    """Everything that a file says, after it was verified."""
    found = embzip.load(path, mmap=mmap)
    found.verify()
    said = [found.codec.spec, found.shape, found.decode().tobytes(), found.pad_id, found.unk_id]
    if found.vocabulary is not None:
        said += [list(found.vocabulary), found.vocabulary.special_ids]
    if found.tokenizer is not None:
        said += [found.encode([*TEXTS, "Cat dog ABBA abab"]), found.tokenizer.normalization]
    if found.counts is not None:
        said.append(found.counts.tolist())
    if inspect_embz(path).own["heads"]:
        model = load_model(path, mmap=mmap)
        model.verify()  # type: ignore[union-attr]  # a .embz is no .tflite
        said += [model.labels, model.predict(TEXTS)]
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_that_can_change_an_answer_is_covered_in_both_modes(
    tmp_path: Path, kind: str
) -> None:
    path, broken = tmp_path / "a.embz", tmp_path / "b.embz"
    KINDS[kind](path)
    expected = [answers(path, mmap=mmap) for mmap in (False, True)]
    assert expected[0] == expected[1]
    whole = bytearray(path.read_bytes())
    with path.open("rb") as file:
        header = read_header(file, path)
    begin, spec = header.nbytes, header.specs
    small = [name for name in ("small", "tokenizer", "counts") if name in spec]
    places = [*range(8, begin, 3)]
    for name in small:
        places += range(header.offsets[name], header.offsets[name] + spec[name].nbytes, 2)
    places += [offset for name, offset in header.offsets.items() if spec[name].nbytes]
    for index in places:
        flip = (0x01, 0x08, 0x20)[index % 3]
        whole[index] ^= flip
        broken.write_bytes(whole)
        whole[index] ^= flip
        for mmap in (False, True):
            try:
                found = answers(broken, mmap=mmap)
            except FileFormatError:
                continue
            assert found == expected[0], (index, mmap)


@pytest.mark.parametrize("kind", ["classifier", "int8 kit"])
@pytest.mark.parametrize("mmap", [False, True])
def test_who_loads_the_table_alone_learns_of_changed_heads(
    tmp_path: Path, kind: str, mmap: bool
) -> None:
    path = tmp_path / "a.embz"
    KINDS[kind](path)
    whole = bytearray(path.read_bytes())
    with path.open("rb") as file:
        header = read_header(file, path)
    heads = [name for name in header.specs if name.startswith("heads.")]
    assert len(heads) == (2 if kind == "int8 kit" else 1)
    for name in [*heads, "small"]:  # which ends in configurations
        last = header.offsets[name] + header.specs[name].nbytes - 1
        whole[last] ^= 0x10
        path.write_bytes(whole)
        whole[last] ^= 0x10
        with pytest.raises(FileFormatError, match=name):
            embzip.load(path, mmap=mmap).verify()


def resealed(path: Path, change: Callable[[dict[str, Any], Tensors], None]) -> Path:
    """Write the file again, changed, with right digests."""
    with path.open("rb") as file:
        header = read_header(file, path)
        tensors = {name: read_tensor(file, path, header, name, mmap=False) for name in header.specs}
    record = json.loads(json.dumps(header.record.values))
    change(record, tensors)
    other = path.with_name("resealed.embz")
    with other.open("wb") as file:
        write_container(file, record, tensors)
    return other


def refusal(path: Path) -> str:
    """The one message of every way to read a file."""
    said = set()
    for mmap in (False, True):
        with pytest.raises(FileFormatError) as caught:
            answers(path, mmap=mmap)
        said.add(str(caught.value))
    assert len(said) == 1
    message = said.pop()
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize("key", ["codec", "rows", "dim", "heads", "normalization", "tokenizer"])
@pytest.mark.parametrize("value", ["missing", None, [[]], {"a": 1}, "\0\n", 10**30, True])
def test_a_record_of_another_shape_names_the_file_and_the_key(
    tmp_path: Path, key: str, value: Any
) -> None:
    write_classifier(tmp_path / "a.embz")

    def change(record: dict[str, Any], tensors: Tensors) -> None:
        if value == "missing":
            del record[key]
        else:
            record[key] = value

    path = resealed(tmp_path / "a.embz", change)
    message = refusal(path)
    assert key in message or value == "\0\n"
    if key in ("codec", "rows", "dim", "heads"):
        with pytest.raises(FileFormatError, match=f"^{path}: (the header: .*{key}|.*stage)"):
            inspect_embz(path)


def config_of(record: dict[str, Any], tensors: Tensors) -> Any:
    (length,) = record["heads"]
    return json.loads(tensors["small"][-length:].tobytes())


def with_config(record: dict[str, Any], tensors: Tensors, text: str) -> None:
    (length,), coded = record["heads"], text.encode("utf-8", "surrogatepass")
    kept = tensors["small"][:-length]
    tensors["small"] = np.concatenate([kept, np.frombuffer(coded, np.uint8)])
    record["heads"] = [len(coded)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda config: config.pop("labels"), "the key 'labels' is missing"),
        (lambda config: config.pop("kind"), "the key 'kind' is missing"),
        (lambda config: config.pop("windows"), "the key 'windows' is missing"),
        (lambda config: config.update(labels="ab"), "labels must be a list"),
        (lambda config: config.update(labels=["a", 1]), r"labels\[1\] must be text"),
        (lambda config: config.update(labels=["a"]), "a classifier of this shape needs"),
        (lambda config: config.update(kind=["cnn"]), "kind must be text"),
        (lambda config: config.update(kernels=4), "kernels must be text"),
        (lambda config: config.update(kernels="int3"), "unknown type of kernels 'int3'"),
        (lambda config: config.update(kernels="int4"), "a classifier of this shape needs"),
        (lambda config: config.update(kind="rnn"), "unknown encoder 'rnn'"),
        (lambda config: config.update(depth=3), "unknown key 'depth'"),
        (lambda config: config.update(name=3), "name must be text"),
        (lambda config: config.update(ranks=[1]), "ranks must be a table"),
        (lambda config: config.update(ranks={"dense": None}), "dense must be a whole number"),
        (lambda config: config.update(filters=2**31), r"filters must lie in 1\.\.65536"),
        (lambda config: config.update(max_length=2**31 - 1), r"max_length .* in 1\.\.65536"),
        (lambda config: config.update(windows=[1, 2, 10**9]), r"windows must lie in 1\.\.1024"),
        (lambda config: config.update(windows=[1] * 999), r"number of windows must lie in 1\.\.64"),
        (lambda config: config.update(windows=[]), r"number of windows must lie in 1\.\.64"),
        (lambda config: config.update(dropout=float("nan")), "dropout must lie in"),
        (lambda config: config.update(indicator="yes"), "indicator must be true or false"),
    ],
)
def test_a_configuration_of_another_shape_is_refused(
    tmp_path: Path, change: Callable[[Any], None], says: str
) -> None:
    write_classifier(tmp_path / "a.embz")

    def apply(record: dict[str, Any], tensors: Tensors) -> None:
        config = config_of(record, tensors)
        change(config)
        with_config(record, tensors, json.dumps(config))

    path = resealed(tmp_path / "a.embz", apply)
    with pytest.raises(FileFormatError, match=rf"^{path}: the classifier in this file .*{says}"):
        load_model(path)


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, "", "nul", "[]"])
def test_a_configuration_that_is_no_object_or_nested_deep(tmp_path: Path, text: str) -> None:
    write_classifier(tmp_path / "a.embz")
    path = resealed(tmp_path / "a.embz", lambda *parts: with_config(*parts, text))
    with pytest.raises(FileFormatError, match=r"heads\.0\.config"):
        load_model(path)
    nested = resealed(tmp_path / "a.embz", lambda record, tensors: record.update(more=[[[1]] * 3]))
    assert embzip.load(nested).shape == (11, 6)


def test_deep_nesting_of_the_header(tmp_path: Path) -> None:
    write_words(path := tmp_path / "a.embz")
    for text in (b"[" * 5000, b'{"__metadata__":' * 5000, b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"):
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        with pytest.raises(FileFormatError, match=rf"^{path}: not a .embz file: its header is "):
            embzip.load(path)


# Weights whose answers are no numbers


@pytest.mark.parametrize("value", [3e38, 2e19, -1e30])
def test_weights_that_are_certain_to_overflow_are_refused_when_loaded(
    tmp_path: Path, value: float
) -> None:
    path = tmp_path / "a.embz"
    write_classifier(path)

    def change(record: dict[str, Any], tensors: Tensors) -> None:
        tensors["heads.0.arrays"] = np.full_like(tensors["heads.0.arrays"], value)

    path = resealed(path, change)
    with pytest.raises(FileFormatError, match=r"2\^63|finite"):
        load_model(path)
    with pytest.raises(FileFormatError, match=r"2\^63|finite"):
        load_model(path, mmap=True).verify()  # type: ignore[union-attr]


# What a few bytes expand to


def bomb(megabytes: int) -> bytes:
    """An LZMA2 stream of zeros: chunks that begin anew stand behind each other."""
    return squeeze(bytes(16 * MEGABYTE))[:-1] * (megabytes // 16) + b"\0"


def words_of(packed: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(zlib.crc32(packed).to_bytes(4, "little") + packed, np.uint8)


def set_tokenizer(content: bytes | np.ndarray[Any, Any]) -> Callable[..., None]:
    def change(record: dict[str, Any], tensors: Tensors) -> None:
        plain = np.frombuffer(content, np.uint8) if isinstance(content, bytes) else content
        tensors["tokenizer"] = plain

    return change


def model_of(characters: int, record: int) -> bytes:
    head = struct.pack("<6i", characters, 0, 1, 0, 2, 3)
    return head + bytes(8 * characters) + b" " * record


BOMBS: dict[str, tuple[str, Callable[[], bytes | np.ndarray[Any, Any]]]] = {
    "a list of words of 1 GB": ("words", lambda: words_of(bomb(1024))),
    "words that repeat a long one": (
        "words", lambda: words_of(squeeze(b"\0" + b"a" * (4 * MEGABYTE) + b"\x01" * 8)),
    ),
    "one word of 16 MB": (
        "words",
        lambda: words_of(squeeze(b"\0a" * 8 + b"\0" + b"\xc3" * (16 * MEGABYTE - 20))),
    ),
    "a number of 16 MB": (
        "words", lambda: words_of(squeeze(b"\0a" * 8 + b"\x1f" * (15 * MEGABYTE) + b"\0a")),
    ),
    "BPE, 1 GB": ("bpe", lambda: bomb(1024)),
    "BPE, 3,000,000 characters": ("bpe", lambda: squeeze(model_of(3_000_000, 0))),
    "BPE, a long record": ("bpe", lambda: squeeze(model_of(5, 40 * MEGABYTE))),
    "2^31 names": (
        "aliases", lambda: struct.pack("<II", 2**31, 99) + words_of(bomb(16)).tobytes(),
    ),
    "3,000,000 equal names": (
        "aliases",
        lambda: struct.pack("<II", 3_000_000, len(words_of(EQUAL)))
        + words_of(EQUAL).tobytes() + squeeze(bytes(12_000_000)),
    ),
}  # fmt: skip
EQUAL = squeeze(b"\0a" + b"\x01" * 2_999_999)

PEAK = """
import sys
import embzip
from embzip.classifier import load_model
for mmap in (False, True):
    try:
        if sys.argv[1].endswith(".tflite"):
            load_model(sys.argv[1])
        else:
            embzip.load(sys.argv[1], mmap=mmap)
        print("read")
    except embzip.EmbzipError as error:
        print("refused", str(error).count(chr(10)), error)
# What getrusage says of a child is at least what its parent took when it was started.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def refused_within(path: Path, megabytes: int) -> str:
    """Read a file in a process of its own; return the message, after checking the memory."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    *lines, peak = done.stdout.splitlines()
    assert [line.partition(str(path))[0] for line in lines] == ["refused 0 "] * 2, done.stdout
    assert int(peak) < megabytes, done.stdout
    return lines[0]


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    kind, content = BOMBS[name]
    KINDS[kind](tmp_path / "a.embz")
    path = resealed(tmp_path / "a.embz", set_tokenizer(content()))
    assert path.stat().st_size < 3_000_000
    refused_within(path, 200)


def test_rows_that_the_codes_do_not_hold_are_refused_in_little_memory(tmp_path: Path) -> None:
    def change(record: dict[str, Any], tensors: Tensors) -> None:
        record["rows"] = 50_000_000
        for packing in record["packed"].values():
            packing["shape"][0] = 50_000_000

    write_packed(tmp_path / "a.embz")
    refused_within(resealed(tmp_path / "a.embz", change), 200)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels.json": b"[" + b"[]," * 10**7 + b"[]]"}, "labels.json' may have at most 4,1"),
        ({"labels.json": b"[" * 5000}, "labels.json is JSON nested"),
        ({"labels.json": b'{"a": 1}'}, "unknown key 'a'"),
        ({"labels.json": b'[["a", 1]]'}, r"labels\[1\] must be text"),
        ({"tokenizer": bytes(2**24 + 1)}, "tokenizer' may have at most 16,777,216"),
        ({"max_length": 2**31 - 1}, r"max_length must be a whole number in 1..65536"),
        ({"margin": 2**31 - 1}, r"margin must be a whole number in 1..1024"),
        ({"rows": 2**31 - 1}, r"rows must be a whole number in 1.."),
        ({"rows": None}, "rows must be a whole number, received None"),
        ({"model_bytes": -1}, "model_bytes must be a whole number in 1.."),
        ({"model_crc32": "0"}, "model_crc32 must be a whole number"),
        ({"normalization": 3}, "normalization must be a table"),
        ({"tokenizer kind": "chars"}, "a tokenizer's kind must be"),
        ({"heads": "ab"}, "heads must be a list"),
        ({"format": []}, "format must be text"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_hostile_attachments(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    from embzip.tf.export import export

    made = tmp_path / "a.tflite"
    export(tiny_classifier("int8"), made)
    with zipfile.ZipFile(made) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        start = archive.infolist()[0].header_offset
    config = json.loads(members["config.json"])
    for key, value in changes.items():
        if key in members:
            members[key] = value
        else:
            config[key.removesuffix(" kind")] = value
    members["config.json"] = json.dumps(config).encode()
    path = tmp_path / "b.tflite"
    path.write_bytes(made.read_bytes()[:start])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert says.replace("\\", "") in refused_within(path, 200).replace("\\", "")


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.embz"
    with pytest.raises(InputError, match="40 tokens takes at most 16,777,216 bytes"):
        encode_tokens([f"{'long' * 200_000}{n}" for n in range(40)])
    with pytest.raises(InputError, match="a token has at most 1,048,576 bytes, and one has 2,0"):
        encode_tokens(["a", "b" * 2_000_000])
    with pytest.raises(InputError, match="labels and options take at most 4,194,304 bytes"):
        tiny_classifier(labels=("a" * 3_000_000, "b" * 3_000_000)).save(path)
    with pytest.raises(InputError, match=r"the record of a BPE model has at most 65,536 bytes"):
        pack(YttmModel.parse(BPE, "tiny"), {"note": "a" * 70_000})
    wide = compress(np.ones((1, 70_000), np.float32), "int8:scale=none")
    with pytest.raises(InputError, match=r"dim must lie in 1\.\.65536, received 70000"):
        embzip.save(wide, path)
    model = tiny_classifier()
    for value in (np.nan, np.inf, 3e38):
        arrays = model.arrays | {"dense.bias": np.full(2, value, np.float32)}
        with pytest.raises(NotFiniteError, match=r"'dense.bias' .* up to 2\^63 in magnitude"):
            replace(model, arrays=arrays).save(path)
    assert not path.exists()


def test_ten_million_tokens_stay_possible() -> None:
    """In the order of the tokens' code; only counted here, as building them takes a minute."""
    from embzip.vocabulary import limit_of

    assert limit_of(10_000_000) == 1 << 28
    tokens = [f"{n:x}" for n in range(300_000)]  # unsorted, and so of 6 bytes in front coding
    content = encode_tokens(tokens)
    assert list(decode_tokens(content, len(tokens))) == tokens
    plain = lzma.decompress(
        content[4:], lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}]
    )
    assert len(plain) / len(tokens) * 10_000_000 < limit_of(10_000_000)
