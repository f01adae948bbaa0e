"""Inputs elsewhere: in fsspec's memory, and on a real HTTP server, which may fail in the middle."""

import gzip
import lzma
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow
import pytest
import zstandard
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import register_implementation
from pyarrow import parquet

import embzip
from embzip.corpus import read_examples, read_texts
from embzip.errors import ClusterError, EmbzipError, InputError, MissingFileError
from embzip.files.locations import files_at
from embzip.files.reading import digest
from embzip.files.remote import nbytes_of
from embzip.files.seen import SeenFile, SeenFiles
from embzip.vectors.base import read_vectors
from tests.commands import outcome, stdout_of, write_inputs
from tests.servers import Handler, forget_http, read_http_by_requests, serving

LINES = "".join(f"line {number} of a text\n" for number in range(200_000)).encode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, type[Handler]]]:
    """The address of an HTTP server, its folder, and its handler."""
    read_http_by_requests()
    with serving(tmp_path) as (address, handler):
        yield address, tmp_path, handler
    forget_http()


def zipped(content: bytes) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("inside.txt", content)
    return made.getvalue()


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lzma.compress, zstandard.compress, zipped],
    ids=["plain", "gzip", "xz", "zstd", "zip"],
)  # fmt: skip
def test_compression_is_told_by_content_elsewhere_too(memory: Any, pack: Any) -> None:
    memory.pipe("/corpus.bin", pack("größe\tein Satz\n".encode() * 1000))
    assert list(read_texts("memory://corpus.bin", labelled=True)) == ["ein Satz"] * 1000
    assert read_examples("memory://corpus.bin")[-1].label == "größe"


def test_patterns_elsewhere_are_sorted(memory: Any) -> None:
    for name in ("b.txt", "a.txt.gz", "deep/c.txt"):
        text = f"{name}\n".encode()
        memory.pipe(f"/corpus/{name}", gzip.compress(text) if name.endswith("gz") else text)
    assert list(read_texts("memory://corpus/*")) == ["a.txt.gz", "b.txt"]
    assert list(read_texts("memory://corpus/**/*.txt")) == ["b.txt", "deep/c.txt"]
    assert list(read_texts("simplecache::memory://corpus/b.txt")) == ["b.txt"]
    with pytest.raises(MissingFileError, match=r"memory://corpus/\*\.zip: no file matches"):
        list(read_texts("memory://corpus/*.zip"))


def test_patterns_in_chains_stand_in_the_first_address(memory: Any) -> None:
    memory.pipe({"/a.zip": zipped(b"one\n"), "/b.zip": zipped(b"two\n"), "/text": b"three\n"})
    for url in ("zip://*.txt::memory://a.zip", "zip://in*::simplecache::memory://a.zip"):
        assert list(read_texts(url)) == ["one"]
    assert files_at("zip://**::memory://a.zip") == ["zip://inside.txt::memory://a.zip"]
    assert list(read_texts("simplecache::memory://te*")) == ["three"]
    for url, said in (
        ("zip://inside.txt::memory://*.zip", "in memory://*.zip: name that file itself"),
        ("zip://*.csv::memory://a.zip", "no file matches this pattern"),
        ("zip://*.txt::memory://c.zip", "no such file"),
        ("zip://*.txt::memory://text", "cannot be read (File is not a zip file)"),
    ):
        with pytest.raises(EmbzipError) as caught:
            list(read_texts(url))
        assert str(caught.value).startswith(f"{url}: "), caught.value
        assert said in str(caught.value)


def test_parquet_and_csv_elsewhere(memory: Any) -> None:
    made = BytesIO()
    parquet.write_table(pyarrow.table({"label": ["a"], "text": ["one"]}), made)
    memory.pipe({"/t.parquet": made.getvalue(), "/t.csv": b'label,text\na,"one"\n'})
    assert read_examples("memory://t.parquet") == read_examples("memory://t.csv")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_vectors_of_every_kind_elsewhere(memory: Any, tmp_path: Path, pack: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    table = embzip.Vectors(embzip.Vocabulary(["a", "b", "c"]), rows)
    memory.pipe("/words", b"a\nb\nc\n")
    for name in ("t.vec", "t.bin", "t.npy", "t.safetensors"):
        embzip.convert(
            table, tmp_path / name, {"t.vec": "text", "t.bin": "binary"}.get(name, name[2:])
        )
        memory.pipe(f"/{name}", pack((tmp_path / name).read_bytes()))
        words = "memory://words" if name in ("t.npy", "t.safetensors") else None
        found = read_vectors(f"memory://{name}", words=words)
        np.testing.assert_array_equal(found.matrix, rows)
        assert list(found.vocabulary) == ["a", "b", "c"]
    embzip.save(embzip.compress(table, "float32"), tmp_path / "t.embz")
    memory.pipe("/t.embz", (tmp_path / "t.embz").read_bytes())
    np.testing.assert_array_equal(embzip.load("memory://t.embz").decode(), rows)
    with pytest.raises(InputError, match="a file is mapped on this machine: copy it here first"):
        embzip.load("memory://t.embz", mmap=True)


def test_what_is_wrong_elsewhere_names_the_url(memory: Any) -> None:
    memory.pipe({"/latin.txt": b"caf\xe9\n", "/cut.gz": gzip.compress(LINES)[:-9]})
    memory.pipe({"/t.npy": b"\x93NUMPY\1\0", "/t.embz": b"\x08" + bytes(7) + b"{}      "})
    memory.pipe("/bad.vec", b"2 2\na 1 2\nb 1\n")
    for read, url, said in (
        (read_texts, "memory://latin.txt", "line 1, offset 3: expected UTF-8"),
        (read_texts, "memory://cut.gz", "cannot be decompressed as gzip"),
        (read_texts, "memory://none.txt", "no such file"),
        (read_texts, "memory://t.npy", "expected text, one text a line, found an array of NumPy"),
        (read_vectors, "memory://bad.vec", ""),
        (read_vectors, "memory://t.npy", "pass --words"),
        (embzip.load, "memory://t.embz", "not a .embz file"),
    ):
        with pytest.raises(EmbzipError) as caught:
            list(read(url))  # type: ignore[operator, call-overload]
        assert str(caught.value).startswith(url), caught.value
        assert said in str(caught.value)
        assert "copied" not in str(caught.value)


def test_commands_read_urls(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    memory.pipe("/corpus/b.txt", b"the sea\nthe sun\n")
    memory.pipe("/corpus/a.gz", gzip.compress(b"a ship\n"))
    memory.pipe("/v.vec", b"2 2\nsea 1 2\nsun 3 4\n")
    stdout_of("build-words", "memory://corpus/*", "--min-count", 1, "-o", "w.tsv")
    Path("all.txt").write_text("a ship\nthe sea\nthe sun\n")
    stdout_of("build-words", "all.txt", "--min-count", 1, "-o", "all.tsv")
    assert Path("w.tsv").read_bytes() == Path("all.tsv").read_bytes()
    said = stdout_of(
        "compress", "memory://v.vec", "--codec", "int8", "--texts", "memory://corpus/*"
    )
    assert said.endswith("v.compressed.embz\n")
    assert ", from 20: " in said, "the bytes of the file elsewhere"
    done = outcome("compress", "memory://none.vec", "--codec", "int8")
    assert (done.code, done.stderr) == (1, "embzip: error: memory://none.vec: no such file\n")


def test_files_must_stay_what_their_digests_say(memory: Any, tmp_path: Path) -> None:
    here = tmp_path / "a.txt"
    for content in (b"one\n", b"two\n"):
        memory.pipe("/a.txt", content)
        here.write_bytes(content)
        seen = SeenFiles.of([here, "memory://a.txt"])
        assert seen.digests == (digest(content),) * 2
    with seen.unchanged():
        assert list(read_texts(seen.paths)) == ["two", "two"]
    with pytest.raises(InputError, match=r"memory://a\.txt: was changed while"), seen.unchanged():
        memory.pipe("/a.txt", b"six\n")
    with pytest.raises(InputError, match=r"/a\.txt: was changed while"), seen.unchanged():
        here.unlink()
    with pytest.raises(MissingFileError, match=r"/a\.txt: no such file"):
        SeenFiles.of([here])


def test_what_a_listing_said_is_asked_again(memory: Any) -> None:
    """Systems such as s3fs keep listings; a file that changed since must not look the same."""
    register_implementation("listing", Listing, clobber=True)
    memory.pipe("/corpus/a.txt", b"one\n")
    assert list(read_texts("listing://corpus/*")) == ["one"]
    before = SeenFile.of("listing:///corpus/a.txt")
    memory.pipe("/corpus/a.txt", b"another\n")
    memory.pipe("/corpus/b.txt", b"two\n")
    with pytest.raises(ClusterError, match="finds another file"), before.found():
        raise AssertionError
    assert list(read_texts("listing://corpus/*")) == ["another", "two"]


class Listing(MemoryFileSystem):
    """What is in memory, as it was said to be before, until that is dropped."""

    protocol = "listing"
    kept: ClassVar[dict[str, Any]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("listing://", "memory://"))  # type: ignore[no-any-return]

    def glob(self, path: str, **options: Any) -> Any:
        if path not in self.kept:
            self.kept[path] = super().glob(path, **options)
        return self.kept[path]

    def info(self, path: str, **options: Any) -> Any:
        if path not in self.kept:
            self.kept[path] = super().info(path, **options)
        return self.kept[path]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.kept.clear()


def test_classifiers_elsewhere(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    for name in ("model.embz", "test.tsv"):
        memory.pipe(f"/{name}", Path(name).read_bytes())
    here = stdout_of("predict", "model.embz", "corpus.txt")
    assert stdout_of("predict", "memory://model.embz", "corpus.txt") == here
    stdout_of("gate", "memory://model.embz", "model.embz", "memory://test.tsv", "--max-drop", 100)
    assert embzip.load_model("memory://model.embz").predict(["the goal"])
    memory.pipe("/model.embz", Path("test.tsv").read_bytes())
    for command, said in (
        ("predict memory://none.embz corpus.txt", "memory://none.embz: no such file"),
        ("predict memory://model.embz corpus.txt", "memory://model.embz: expected a classifier"),
        ("rebuild memory://a.embz --codec int8", "this is a URL, and a file of this machine is"),
    ):
        done = outcome(*command.split())
        assert (done.code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
        assert said in done.stderr


def test_http(server: tuple[str, Path, type[Handler]]) -> None:
    address, folder, _ = server
    (folder / "a.txt").write_bytes(LINES * 3)  # three blocks of fsspec's
    (folder / "b.txt.gz").write_bytes(gzip.compress(LINES))
    assert nbytes_of(f"{address}/a.txt") == 3 * len(LINES)
    assert len(list(read_texts(f"{address}/a.txt"))) == 600_000
    assert len(list(read_texts(f"{address}/b.txt.gz?version=1"))) == 200_000
    assert len(list(read_texts(f"{address}/*.txt.gz"))) == 200_000
    with pytest.raises(MissingFileError, match=r"http.*none\.txt: no such file"):
        list(read_texts(f"{address}/none.txt"))
    with pytest.raises(MissingFileError, match=r"secret: no such file, or .* reached \(403 "):
        list(read_texts(f"{address}/secret"))


@pytest.mark.parametrize("cut", [1000, 6_000_000])
def test_a_connection_that_is_lost_in_the_middle(
    server: tuple[str, Path, type[Handler]], tmp_path: Path, cut: int
) -> None:
    address, folder, handler = server
    (folder / "a.txt").write_bytes(LINES * 3)
    handler.cut = cut
    with pytest.raises(InputError, match=r"a\.txt: (cannot be read|ends after)") as caught:
        list(read_texts(f"{address}/a.txt"))
    assert len(str(caught.value).splitlines()) == 1
    done = outcome("build-words", f"{address}/a.txt", "-o", tmp_path / "w.tsv")
    assert done.code == 1
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "w.tsv").exists()


def test_nobody_listens() -> None:
    with pytest.raises(InputError, match=r"^ftp://127\.0\.0\.1:9/a: cannot be read \("):
        list(read_texts("ftp://127.0.0.1:9/a"))
