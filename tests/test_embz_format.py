"""The .embz file: exact round trips, and every way it can be broken."""

import json
import os
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import embzip
from embzip.classifier import load_model
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.embz.container import read_header, read_tensor, write_container
from embzip.errors import FileFormatError, MissingFileError, OutputError
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.base import Normalization
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary
from tests.models import tiny_classifier

WORDS = ["able", "ably", "about", "café", "zoo"]


def table(spec: str = "svd:3|int8", *, seed: int = 0) -> CompressedEmbedding:
    tokenizer = WordTokenizer(WORDS, Normalization())
    matrix = np.random.default_rng(seed).normal(size=(7, 4)).astype(np.float32)
    counts = np.arange(7)
    return compress(Vectors(tokenizer.vocabulary, matrix, counts, tokenizer), spec)


def assert_same(first: CompressedEmbedding, second: CompressedEmbedding) -> None:
    assert first.codec == second.codec
    assert first.vocabulary == second.vocabulary
    for ours, theirs in ((first.codes, second.codes), (first.params, second.params)):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("spec", ["float32", "float16", "int8", "center|svd:2|int8:scale=column"])
@pytest.mark.parametrize("mmap", [False, True])
def test_round_trip(tmp_path: Path, spec: str, mmap: bool) -> None:
    small = table(spec)
    embzip.save(small, tmp_path / "a.embz", counts=True)
    loaded = embzip.load(tmp_path / "a.embz", mmap=mmap)
    assert_same(small, loaded)
    np.testing.assert_array_equal(loaded.counts, small.counts)
    assert loaded.encode(["Able zoo unheard"]) == [[2, 6, 1]]
    loaded.verify()


def test_counts_stay_out_unless_asked_for(tmp_path: Path) -> None:
    embzip.save(table(), tmp_path / "a.embz")
    assert embzip.load(tmp_path / "a.embz").counts is None


def test_foreign_tables_keep_their_order_and_have_no_special_rows(tmp_path: Path) -> None:
    words = ["zoo", "able", "a b", "line\nbreak"]
    small = compress(Vectors(Vocabulary(words), np.eye(4, dtype=np.float32)), "float32")
    embzip.save(small, tmp_path / "a.embz")
    loaded = embzip.load(tmp_path / "a.embz")
    assert list(loaded.vocabulary) == words
    assert loaded.pad_id is None
    np.testing.assert_array_equal(loaded.decode(), np.eye(4))


def test_bare_matrices_have_no_vocabulary(tmp_path: Path) -> None:
    embzip.save(compress(np.eye(3), "int8"), tmp_path / "a.embz")
    loaded = embzip.load(tmp_path / "a.embz")
    assert loaded.vocabulary is None
    with pytest.raises(embzip.EmbzipError, match="no tokenizer"):
        loaded.encode(["text"])


def test_same_content_same_bytes(tmp_path: Path) -> None:
    for name in ("a.embz", "b.embz"):
        embzip.save(table(), tmp_path / name)
    assert (tmp_path / "a.embz").read_bytes() == (tmp_path / "b.embz").read_bytes()


def test_the_safetensors_library_reads_it(tmp_path: Path) -> None:
    small = compress(np.random.default_rng(0).normal(size=(2100, 40)), "center|svd:30|int8")
    embzip.save(small, tmp_path / "a.embz")
    with safe_open(tmp_path / "a.embz", framework="np") as file:
        assert file.metadata().keys() == {"embzip"}
        assert set(file.keys()) == {"codes.scale", "codes.values", "params.1.components", "small"}
        np.testing.assert_array_equal(file.get_tensor("codes.values"), small.codes["values"])
        np.testing.assert_array_equal(
            file.get_tensor("params.1.components"), small.params["1.components"]
        )
        # Of fewer than 4096 bytes is the mean alone.
        mean = file.get_tensor("small").view(np.float32)
        np.testing.assert_array_equal(mean, small.params["0.mean"])


@pytest.mark.parametrize("order", ["fortran", "transposed", "sliced", "reversed", "big-endian"])
@pytest.mark.parametrize("rows", [3, 300])  # of a small tensor, and of one of its own
def test_case_51_52_any_memory_order_round_trips(tmp_path: Path, order: str, rows: int) -> None:
    values = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
    twisted = {
        "fortran": np.asfortranarray(values),
        "transposed": np.ascontiguousarray(values.T).T,
        "sliced": np.repeat(values, 2, axis=1)[:, ::2],
        "reversed": values[::-1][::-1],
        "big-endian": values.astype(">f4"),
    }[order]
    plain = compress(values, "float32")
    small = CompressedEmbedding(plain.codec, {"values": twisted}, {}, rows, 4)
    embzip.save(small, tmp_path / "a.embz")
    np.testing.assert_array_equal(embzip.load(tmp_path / "a.embz").decode(), values)


def test_inspect_parts_add_up_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.embz"
    tiny_classifier().save(path)
    record = embzip.inspect(path).to_json()
    sizes = record["bytes"]
    assert sizes["total"] == path.stat().st_size
    assert sum(v for k, v in sizes.items() if k != "total") == sizes["total"]
    assert {k for k, v in sizes.items() if not v} == {"optimizer", "graph_constants"}
    roles = {tensor["name"]: tensor["role"] for tensor in record["tensors"]}
    assert roles["heads.0.config"] == "other_variables"
    assert roles["tokenizer"] == "vocabulary"
    assert roles["codes.values"] == "embedding"


def test_classifiers_round_trip_and_their_files_are_embeddings_too(tmp_path: Path) -> None:
    model = tiny_classifier()
    model.save(tmp_path / "model.embz")
    loaded = load_model(tmp_path / "model.embz")
    texts = ["able zoo", "", "unheard words here"]
    np.testing.assert_array_equal(loaded.probabilities(texts), model.probabilities(texts))
    assert len(embzip.load(tmp_path / "model.embz")) == len(model.embedding)
    embzip.save(table(), tmp_path / "table.embz")
    with pytest.raises(FileFormatError, match="expected a classifier"):
        load_model(tmp_path / "table.embz")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.embz", tmp_path):
        with pytest.raises(MissingFileError, match=str(tmp_path)):
            embzip.load(path)


def test_case_53_every_prefix_is_refused(tmp_path: Path) -> None:
    embzip.save(table(), tmp_path / "a.embz")
    whole = (tmp_path / "a.embz").read_bytes()
    broken = tmp_path / "b.embz"
    for length in range(len(whole)):
        broken.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            embzip.load(broken)


def test_case_54_every_flipped_byte_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    small = table()
    embzip.save(small, tmp_path / "a.embz")
    whole = bytearray((tmp_path / "a.embz").read_bytes())
    broken = tmp_path / "b.embz"
    for index in range(len(whole)):
        for flip in (0x01, 0x80):
            whole[index] ^= flip
            broken.write_bytes(whole)
            whole[index] ^= flip
            try:
                loaded = embzip.load(broken)
            except FileFormatError:
                continue
            assert_same(small, loaded)


def rewritten(path: Path, change) -> Path:
    """Change the header of a file as parsed JSON, keeping the data."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8 : 8 + length])
    text = change(head)
    text = (json.dumps(head) if text is None else text).encode()
    other = path.with_name("changed.embz")
    other.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    return other


@pytest.fixture
def path(tmp_path: Path) -> Path:
    embzip.save(table(), tmp_path / "a.embz")
    return tmp_path / "a.embz"


def test_case_55_duplicate_keys_holes_overlaps_trailing_bytes(path: Path) -> None:
    def twice(head):
        text = json.dumps(head)
        return text[:-1] + ', "small": ' + json.dumps(head["small"]) + "}"

    with pytest.raises(FileFormatError, match="twice"):
        embzip.load(rewritten(path, twice))

    def shifted(by: int):
        def change(head):
            start, end = head["small"]["data_offsets"]
            head["small"]["data_offsets"] = [start + by, end + by]

        return change

    for by in (1, 2**40):
        with pytest.raises(FileFormatError, match=r"holes|bytes"):
            embzip.load(rewritten(path, shifted(by)))
    longer = path.with_name("longer.embz")
    longer.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(FileFormatError, match="after its end"):
        embzip.load(longer)


@pytest.mark.parametrize("length", [2**63, 101_000_000, 10_000, 0, 1])
def test_case_56_header_lengths_are_refused_at_once(path: Path, length: int) -> None:
    raw = path.read_bytes()
    path.write_bytes(length.to_bytes(8, "little") + raw[8:])
    started = time.perf_counter()
    with pytest.raises(FileFormatError, match="header"):
        embzip.load(path)
    assert time.perf_counter() - started < 5  # a guard against hanging, not a measurement


@pytest.mark.parametrize("shape", [[2**62, 2**62], [7, 2**40], [7], [-1, 3], [7, 3.5], [1] * 99])
def test_case_57_shapes_that_do_not_fit_are_refused(path: Path, shape: list) -> None:
    with pytest.raises(FileFormatError, match=r"fit"):
        embzip.load(rewritten(path, lambda head: head["small"].update(shape=shape)))


def edited_record(head, **changes) -> None:
    record = json.loads(head["__metadata__"]["embzip"])
    record.update(changes)
    head["__metadata__"]["embzip"] = json.dumps(record)


@pytest.mark.parametrize("version", [0, 2])
def test_case_58_another_version_is_refused_in_one_line(path: Path, version: int) -> None:
    says = rf"^\S+: a file in version {version} of the .embz format, .* version 1 only: make .*"
    with pytest.raises(FileFormatError, match=says) as caught:
        embzip.load(rewritten(path, lambda head: edited_record(head, version=version)))
    assert "\n" not in str(caught.value)


def test_case_58_a_codec_that_is_edited(path: Path) -> None:
    with pytest.raises(FileFormatError, match="digest"):
        embzip.load(rewritten(path, lambda head: edited_record(head, codec="tcq9000:1")))


def test_case_58_unknown_codec_with_a_right_digest(tmp_path: Path) -> None:
    from embzip.embz.container import write_container

    record = {"version": 1, "codec": "tcq9000:1", "rows": 1, "dim": 1}
    with (tmp_path / "a.embz").open("wb") as file:
        write_container(file, record, {"codes.x": np.zeros(3, np.uint8)})
    with pytest.raises(FileFormatError, match="unknown codec stage 'tcq9000'"):
        embzip.load(tmp_path / "a.embz")


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_case_59_scales_that_encoding_never_makes(tmp_path: Path, scale: float) -> None:
    for spec, kind in (("int8", "codes"), ("int8:scale=column", "params")):
        small = table(spec)
        arrays = dict(getattr(small, kind))
        name = next(name for name in arrays if name.endswith("scale"))
        arrays[name] = arrays[name].copy()
        arrays[name][2] = scale
        changed = CompressedEmbedding(
            small.codec,
            arrays if kind == "codes" else small.codes,
            arrays if kind == "params" else small.params,
            7,
            4,
        )
        embzip.save(changed, tmp_path / "a.embz")
        with pytest.raises(FileFormatError, match=r"scale|finite"):
            embzip.load(tmp_path / "a.embz")


def test_case_60_killed_during_200_saves_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, random, signal, sys, time
        import numpy as np
        import embzip
        path = sys.argv[1]
        tables = [embzip.compress(np.full((20000, 8), v), "float32") for v in (1.0, 2.0)]
        embzip.save(tables[0], path)
        random.seed(0)
        seen = []
        for _ in range(200):
            saved, told = os.pipe()
            child = os.fork()
            if child == 0:
                while True:
                    for table in reversed(tables):
                        embzip.save(table, path)
                        os.write(told, b".")
            for _ in range(random.randint(1, 2)):  # however slow the machine is
                os.read(saved, 1)
            time.sleep(random.uniform(0, 0.01))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(saved)
            os.close(told)
            seen.append(float(embzip.load(path)[0][0]))
        print(sorted(set(seen)))
    """)
    path = tmp_path / "a.embz"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[1.0, 2.0]\n"


def test_case_61_no_space_left_keeps_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    code = textwrap.dedent("""
        import resource, signal, sys, numpy as np, embzip
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        try:
            embzip.save(embzip.compress(np.ones((20000, 8)), "float32"), sys.argv[1])
        except embzip.EmbzipError as error:
            print(type(error).__name__, error)
    """)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("OutputError")
    assert str(path) in done.stdout
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["a.embz"]


def test_saving_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="missing"):
        embzip.save(table(), tmp_path / "missing" / "a.embz")


@pytest.mark.parametrize("mmap", [False, True])
def test_case_62_load_then_save_to_the_same_path(path: Path, mmap: bool) -> None:
    before = path.read_bytes()
    embzip.save(embzip.load(path, mmap=mmap), path)
    assert path.read_bytes() == before


def test_case_63_links_and_modes_are_kept(path: Path) -> None:
    link = path.with_name("link.embz")
    link.symlink_to(path.name)
    path.chmod(0o640)
    embzip.save(table(seed=1), link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    np.testing.assert_array_equal(embzip.load(path)[2], table(seed=1)[2])
    old = os.umask(0o022)
    try:
        embzip.save(table(), path.with_name("new.embz"))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.with_name("new.embz").stat().st_mode) == 0o644


def test_case_64_a_file_truncated_after_loading_does_no_harm(path: Path) -> None:
    loaded = embzip.load(path)
    expected = loaded.decode()
    os.truncate(path, path.stat().st_size - 10)
    np.testing.assert_array_equal(loaded.decode(), expected)
    with pytest.raises(FileFormatError, match="cut short"):
        embzip.load(path)


def test_mapped_files_offer_verify(path: Path) -> None:
    embzip.save(compress(np.ones((1100, 4)), "int8"), path)
    whole = bytearray(path.read_bytes())
    length = int.from_bytes(whole[:8], "little")
    head = json.loads(whole[8 : 8 + length])
    whole[8 + length + head["codes.values"]["data_offsets"][0]] ^= 1
    path.write_bytes(whole)
    loaded = embzip.load(path, mmap=True)
    with pytest.raises(FileFormatError, match=r"codes\.values"):
        loaded.verify()


def test_case_65_a_tensor_above_4_gb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """A sparse file: 5.2 GB long, a few kilobytes on the disk."""
    code = textwrap.dedent("""
        import json, os, sys
        import numpy as np
        import embzip
        from scripts.peaks import peak_growth
        from embzip.embz.container import _header_digest, _json
        rows, dim, path = 13_000_000, 100, sys.argv[1]
        entry = {"dtype": "F32", "shape": [rows, dim], "data_offsets": [0, rows * dim * 4]}
        record = {"version": 1, "codec": "float32", "rows": rows, "dim": dim,
                  "digests": ["0" * 32]}
        record["header_digest"] = _header_digest(record, {"codes.values": entry})
        head = json.dumps({"__metadata__": {"embzip": _json(record)}, "codes.values": entry})
        text = head.encode() + b" " * (-len(head) % 8)
        with open(path, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.seek(4 * dim * (rows - 1), os.SEEK_CUR)
            file.write(np.arange(dim, dtype="<f4").tobytes())
        grown = peak_growth()
        table = embzip.load(path, mmap=True)
        assert table[[0, rows - 1]].sum() == 4950, table[[0, rows - 1]]
        middle = table[rows // 2 : rows // 2 + 20_000]
        assert middle.shape == (20_000, dim) and not middle.any()
        print(grown() / 1e6)
    """)
    path = tmp_path / "large.embz"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert path.stat().st_size > 5e9
    assert float(done.stdout) < 50


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pad_id", "0"),
        ("pad_id", True),
        ("pad_id", -1),
        ("pad_id", 5),
        ("unk_id", "x"),
        ("unk_id", 1.0),
        ("unk_id", []),
        ("unk_id", None),
        ("special_ids", -1),
        ("special_ids", "01"),
        ("special_ids", ["0"]),
        ("special_ids", [True]),
        ("special_ids", [5]),
        ("special_ids", {"0": 1}),
        ("special_ids", None),
    ],
)
@pytest.mark.parametrize("missing", [False, True])
def test_special_rows_of_a_foreign_table_are_whole_numbers(
    tmp_path: Path, key: str, value: object, missing: bool
) -> None:
    """The digests are right, as a forger's would be."""
    path = tmp_path / "foreign.embz"
    embzip.save(compress(Vectors(Vocabulary(WORDS), np.ones((5, 3))), "int8"), path)
    with path.open("rb") as file:
        header = read_header(file, path)
        tensors = {name: read_tensor(file, path, header, name, mmap=False) for name in header.specs}
    record = {**header.record.values, key: value}
    if missing:
        del record[key]
    with path.open("wb") as file:
        write_container(file, record, tensors)
    if value is None and not missing and key == "unk_id":
        assert embzip.load(path).unk_id is None
        return
    for mmap in (False, True):
        with pytest.raises(FileFormatError, match=r"foreign\.embz: .*special|foreign.*_id"):
            embzip.load(path, mmap=mmap)


def test_a_key_that_stands_twice_is_found_in_one_pass(tmp_path: Path) -> None:
    """A count of every key was quadratic: a header of 6 MB would have taken an hour."""
    keys = ",".join(f'"k{index}":0' for index in range(500_000))
    text = f'{{{keys},"z":0,"z":1}}'.encode()
    path = tmp_path / "twice.embz"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(FileFormatError, match="'z' stands twice"):
        embzip.load(path)
