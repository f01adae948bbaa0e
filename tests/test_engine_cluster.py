"""The same work on a Dask cluster of real processes: the same bytes, also where processes die."""

import bz2
import errno
import gzip
import lzma
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard as zstd
from numpy.typing import NDArray

import embzip
import embzip.corpus
from embzip.engine import (
    map_rows,
    map_texts,
    on_cluster,
    opened,
    reduce_texts,
    shipping,
    sum_rows,
    texts,
)
from embzip.engine.clusters import Cluster, active
from embzip.errors import ClusterError, InputError, SpecError
from embzip.files import line_parts
from embzip.threads import threads_wanted
from embzip.vectors import singular
from tests.servers import forget_http, read_http_by_requests, serving


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    import dask

    # Else a machine that needs 15 seconds to start a worker again sees it closed as it comes.
    patient = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.deploy.lost-worker-timeout": "1 hour",
    }
    with dask.config.set(patient), opened("local:2") as client:
        yield client


def pids(client: Any) -> list[int]:
    """Wait until both workers answer, which one that was just killed does not."""
    while len(found := client.run(os.getpid, on_error="ignore")) < 2:
        time.sleep(0.1)
    return list(found.values())


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts of 70 blocks: two groups and a part of one."""
    monkeypatch.setattr(texts, "_TEXTS", 4)
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(200)]
    return [" ".join(rng.choice(words, 12)) for _ in range(280)]


def dying(items: Any, client: Any, at: int) -> Iterator[Any]:
    """Yield items, and kill a worker before one of them."""
    for index, item in enumerate(items):
        if index == at:
            os.kill(pids(client)[0], signal.SIGKILL)
        yield item


class DyingTable:
    """A table of which reading one block kills a worker."""

    def __init__(self, rows: NDArray[Any], client: Any, at: int) -> None:
        self._rows, self._client, self._at = rows, client, at
        self._read = 0

    shape = property(lambda self: self._rows.shape)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        self._read += 1
        if self._read == self._at:
            os.kill(pids(self._client)[0], signal.SIGKILL)
        return self._rows[rows]


def test_blocks_are_worked_on_elsewhere_and_come_back_in_order(client: Any) -> None:
    with on_cluster(client):
        assert active() is not None
        found = list(map_rows(lambda first, rows: (first, os.getpid()), np.zeros((9, 500_000))))
    assert active() is None
    assert [first for first, _ in found] == list(range(0, 9, 8))
    assert {pid for _, pid in found} <= set(pids(client)) - {os.getpid()}


@pytest.mark.parametrize("blocks", [1, 31, 32, 33, 64, 70])
def test_the_order_of_a_sum_is_that_of_one_process(
    client: Any, corpus: list[str], blocks: int
) -> None:
    given = corpus[: 4 * blocks]
    joined = "({} {})".format
    alone = reduce_texts(lambda block: block[0][:4], joined, given)
    with on_cluster(client):
        assert reduce_texts(lambda block: block[0][:4], joined, given) == alone


def test_words_pieces_and_vectors_are_those_of_one_process(
    client: Any, corpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singular, "_NUMBERS", 1000)  # several blocks of pairs

    def made() -> tuple[Any, ...]:
        words = embzip.build_words(embzip.Texts(corpus))
        pieces = embzip.build_bpe(embzip.Texts(corpus), vocab=60)
        vectors = embzip.train_vectors(embzip.Texts(corpus), words, dim=8)
        return words.counts.tolist(), pieces.model, vectors.matrix.tobytes()

    alone = made()
    with on_cluster(client):
        assert made() == alone


@pytest.mark.parametrize(
    "codec",
    ["svd|tcq:1", "center|int8:scale=column", "svd:8|coarse:16|mixed:2", "ectcq:2",
     "normalize|pq:4", "sparse:3", "int4", "rows:8"],
)  # fmt: skip
@pytest.mark.parametrize("kept", ["in memory", "mapped"])
def test_codes_are_those_of_one_process(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, kept: str
) -> None:
    from embzip.engine import rows

    monkeypatch.setattr(rows, "BLOCK_BYTES", 4 * 16 * 700)
    monkeypatch.setattr(shipping, "_CARRIED", 10_000)
    table = np.random.default_rng(1).normal(size=(3000, 16)).astype(np.float32)
    table[7] = 0
    if kept == "mapped":
        np.save(tmp_path / "table.npy", table)
        table = np.load(tmp_path / "table.npy", mmap_mode="r")
    alone = embzip.compress(table, codec)
    with on_cluster(client):
        apart = embzip.compress(table, codec)
        more = apart.append(table[:100] * 0.9) if codec == "svd|tcq:1" else None
    for name, array in {**alone.codes, **alone.params}.items():
        np.testing.assert_array_equal({**apart.codes, **apart.params}[name], array, err_msg=name)
    if more is not None:
        again = alone.append(table[:100] * 0.9)
        np.testing.assert_array_equal(more.codes["stream"], again.codes["stream"])


def test_a_mapped_table_is_read_where_it_is_needed_and_is_not_sent(tmp_path: Path) -> None:
    rows = np.zeros((1000, 1000), np.float32)
    assert not shipping.can_be_carried(rows)
    np.save(tmp_path / "rows.npy", rows + np.arange(1000, dtype=np.float32)[:, None])
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for part in (mapped, mapped[10:], np.asarray(mapped)[100:200], mapped.T):
        assert shipping.can_be_carried(part)
        content, sender = shipping.packed(lambda part=part: part)
        again = shipping.Shipped(content, sender)()
        assert isinstance(again, np.memmap)
        np.testing.assert_array_equal(again, part)
    content, sender = shipping.packed(lambda: mapped)
    np.save(tmp_path / "rows.npy", rows[:5])
    with pytest.raises(ClusterError, match="a worker finds another file there"):
        shipping.Shipped(content, sender)()
    (tmp_path / "rows.npy").unlink()
    with pytest.raises(ClusterError, match="put it on a file system that all machines share"):
        shipping.Shipped(content, sender)()


def test_large_files_are_read_by_workers_as_by_one_process(
    client: Any, corpus: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_parts, "_BYTES", 500)
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*corpus, "", "the last\u2028end"]).encode())
    gathered = embzip.corpus.read_texts([path, path])
    parts = list(gathered.parts())
    assert len(parts) > 40
    assert all(isinstance(part, line_parts.LinePart) for part in parts)
    assert [text for part in parts for text in part()] == list(gathered)  # type: ignore[operator]
    with on_cluster(client):
        words = embzip.build_words([path, path])
        answers = [text for block in map_texts(list, gathered) for text in block]
    assert words.counts.tolist() == embzip.build_words([path, path]).counts.tolist()
    assert answers == list(gathered)


def test_compressed_files_are_read_by_workers_a_file_each(
    client: Any, corpus: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain.txt").write_text("".join(f"{text}\n" for text in corpus))
    for number, pack in enumerate((gzip.compress, bz2.compress, lzma.compress, zstd.compress)):
        lines = "\r\n".join(corpus[70 * number : 70 * number + 70]).encode()
        Path(f"{number}.packed").write_bytes(pack(b"\xef\xbb\xbf" * (number == 0) + lines + b"\n"))
    Path("9.packed").write_bytes(gzip.compress(b""))
    gathered = embzip.corpus.read_texts("*.packed")
    assert all(isinstance(part, line_parts.FilePart) for part in gathered.parts())
    told: list[tuple[int, int]] = []
    with on_cluster(client):
        words = embzip.build_words("*.packed", progress=lambda *done: told.append(done))
        vectors = embzip.train_vectors(f"file://{tmp_path}/*.packed", words, dim=8)
        answers = [text for block in map_texts(list, gathered) for text in block]
        monkeypatch.setattr(texts, "_MOST", 10)  # then files are read here, a block at a time
        again = [text for block in map_texts(list, gathered) for text in block]
    assert again == answers == corpus
    assert told[-1] == (sum(path.stat().st_size for path in Path().glob("*.packed")),) * 2
    alone = embzip.build_words("plain.txt")
    assert words.counts.tolist() == alone.counts.tolist()
    whole = embzip.train_vectors("plain.txt", alone, dim=8)
    assert vectors.matrix.tobytes() == whole.matrix.tobytes()


def test_what_is_wrong_with_a_compressed_file_is_said_as_by_one_process(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = gzip.compress("".join(f"a text {number}\n" for number in range(5000)).encode())
    Path("a.gz").write_bytes(good)
    bad = {"b.gz": good[:-20], "c.gz": gzip.compress(b"a\n" * 2000 + b"caf\xe9\n")}
    for name, content in bad.items():
        Path(name).write_bytes(content)
        with pytest.raises(InputError, match=f"^{name}") as alone:
            embzip.build_words(["a.gz", name])
        with on_cluster(client), pytest.raises(InputError) as apart:
            embzip.build_words(["a.gz", name])
        assert str(apart.value) == str(alone.value)
    part = next(embzip.corpus.read_texts(["a.gz", "a.gz"]).parts())
    Path("a.gz").unlink()
    with pytest.raises(ClusterError, match="put it on a file system that all machines share"):
        list(part())  # type: ignore[operator]


def test_files_elsewhere_are_read_by_workers(
    client: Any, corpus: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("".join(f"{text}\n" for text in corpus[:100]))
    packed = gzip.compress("".join(f"{text}\n" for text in corpus[100:]).encode())
    (tmp_path / "b.txt.gz").write_bytes(packed)
    pids(client)
    client.run(read_http_by_requests)
    read_http_by_requests()
    with serving(tmp_path) as (address, handler):
        urls = [f"{address}/a.txt", f"{address}/b.txt.gz"]
        parts = list(embzip.corpus.read_texts(urls).parts())
        assert all(isinstance(part, line_parts.FilePart) for part in parts)
        with on_cluster(client):
            words = embzip.build_words(urls)
        assert words.counts.tolist() == embzip.build_words(embzip.Texts(corpus)).counts.tolist()
        handler.cut = 200
        with on_cluster(client), pytest.raises(InputError, match=r"a\.txt: (cannot be|ends)"):
            embzip.build_words(urls)
        handler.cut = None
        (tmp_path / "a.txt").write_text("another\n")
        with pytest.raises(ClusterError, match="a worker finds another file there"):
            list(parts[0]())  # type: ignore[operator]
    forget_http()
    client.run(forget_http)


def test_a_table_that_is_mapped_from_a_copy_is_sent(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "_CARRIED", 10_000)
    rows = np.random.default_rng(2).normal(size=(500, 16)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    packed = gzip.compress((tmp_path / "rows.npy").read_bytes())
    (tmp_path / "rows.npy.gz").write_bytes(packed)
    (tmp_path / "words.txt").write_text("".join(f"w{number}\n" for number in range(500)))
    table = embzip.read_vectors(tmp_path / "rows.npy.gz", words=tmp_path / "words.txt")
    with on_cluster(client):
        found = embzip.compress(table, "int8")
    np.testing.assert_array_equal(
        found.codes["values"], embzip.compress(rows, "int8").codes["values"]
    )


def test_what_is_wrong_with_a_large_file_is_said_as_by_one_process(
    client: Any, corpus: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_parts, "_BYTES", 500)
    monkeypatch.chdir(tmp_path)
    lines = [text.encode() for text in corpus]
    lines[200] = b"caf\xe9"
    Path("latin.txt").write_bytes(b"\n".join(lines))
    Path("labelled.txt").write_text("".join(f"l{n % 2}\t{text}\n" for n, text in enumerate(corpus)))
    with pytest.raises(InputError, match=r"latin\.txt, line 201, offset") as alone:
        embzip.build_words("latin.txt")
    with on_cluster(client):
        with pytest.raises(InputError) as apart:
            embzip.build_words("latin.txt")
        with pytest.warns(UserWarning, match="they were read as part of the text"):
            embzip.build_words("labelled.txt")
        with pytest.warns(UserWarning, match="they were read as part of the text"):
            first = next(embzip.corpus.read_texts("labelled.txt").parts())
        Path("labelled.txt").write_text("another\n")
        with pytest.raises(ClusterError, match="a worker finds another file there"):
            first()  # type: ignore[operator]
    assert str(apart.value) == str(alone.value)


def test_a_worker_may_die_while_texts_are_counted(client: Any, corpus: list[str]) -> None:
    alone = embzip.build_words(embzip.Texts(corpus)).counts.tolist()
    for at in (3, 270):
        with on_cluster(client):
            found = embzip.build_words(embzip.Texts(dying(corpus, client, at)))
        assert found.counts.tolist() == alone


def test_a_worker_may_die_while_rows_are_encoded(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embzip.engine import rows

    monkeypatch.setattr(rows, "BLOCK_BYTES", 4 * 16 * 700)
    monkeypatch.setattr(shipping, "_CARRIED", 10_000)
    table = np.random.default_rng(1).normal(size=(20_000, 16)).astype(np.float32)

    def coded(given: Any) -> dict[str, bytes]:
        codec = embzip.parse_codec("svd|tcq:1").resolve(given)
        return {name: part.tobytes() for name, part in codec.fit(given).encode().items()}

    alone = coded(table)
    with on_cluster(client):
        assert coded(DyingTable(table, client, 60)) == alone


def test_a_worker_may_die_while_texts_are_labelled(client: Any, corpus: list[str]) -> None:
    with on_cluster(client):
        blocks = map_texts(
            lambda block: [text.upper() for text in block], dying(corpus, client, 99)
        )
        assert [text for block in blocks for text in block] == [text.upper() for text in corpus]


def test_what_is_wrong_with_a_block_is_said_as_by_one_process(client: Any) -> None:
    table = np.zeros((10, 3))
    table[6, 1] = np.inf
    with on_cluster(client), pytest.raises(InputError, match=r"row 6: .* finite .* found inf"):
        sum_rows(lambda first, block: (block.sum(),), table)


def test_an_error_of_the_system_on_a_worker_is_not_the_schedulers(client: Any) -> None:
    def full(block: list[str]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/a")

    with on_cluster(client), pytest.raises(OSError, match=r"No space left .*: '/scratch/a'"):
        list(map_texts(full, ["a"]))


def test_tasks_are_counted(client: Any, corpus: list[str]) -> None:
    told: list[tuple[int, int]] = []
    with on_cluster(client, progress=lambda *tasks: told.append(tasks)):
        list(map_texts(len, corpus))
        assert (told[0], told[-1]) == ((1, 4), (70, 70))
        reduce_texts(len, int.__add__, corpus)
    assert [done for done, _ in told[70:]] == [102, 134, 140]
    assert told[-1] == (140, 140)


def test_a_search_does_not_wait_for_workers_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client, Event, LocalCluster

    monkeypatch.setattr("embzip.engine.clusters._ANSWERS_IN", 1)
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False}
    with (
        LocalCluster(**options, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        begun = Event("begun")

        def waits() -> None:
            begun.set()
            Event("never").wait(timeout=5)

        done = Cluster(client).each(waits, [(), ()], lambda: bool(cluster.scale(0)) or True)
        with pytest.raises(ClusterError, match="all workers are lost, and none came within 1 sec"):
            list(done)


def test_a_client_need_not_be_the_default(
    client: Any, corpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client
    from distributed.client import default_client

    monkeypatch.setattr("distributed.client._global_clients", {})

    def counted() -> int:
        with Client(client.scheduler.address, set_as_default=False) as other, on_cluster(other):
            with pytest.raises(ValueError, match="No clients found"):
                default_client()
            return sum(map_texts(len, corpus))

    assert Context().run(counted) == len(corpus)  # that of the fixture is the default in this one


def test_two_clients_work_at_once(client: Any, corpus: list[str]) -> None:
    from distributed import Client

    def length(block: list[str]) -> int:
        return len(block)

    with Client(client.scheduler.address, set_as_default=False) as other, on_cluster(client):
        first = map_texts(length, corpus)
        assert next(first) == 4
        with on_cluster(other):
            assert sum(map_texts(length, corpus)) == len(corpus)
        assert sum(first) == len(corpus) - 4


def test_a_block_that_ends_every_worker_is_given_up(client: Any, corpus: list[str]) -> None:
    def fatal(block: list[str]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with on_cluster(client), pytest.raises(ClusterError, match="is there too little memory"):
        list(map_texts(fatal, corpus[:4]))


def test_other_versions_are_refused(client: Any) -> None:
    def pretend(version: str) -> str:
        before, np.__version__ = np.__version__, version
        return before

    pids(client)
    before = next(iter(client.run(pretend, "1.0").values()))
    try:
        with (
            pytest.raises(ClusterError, match=f"same versions, found NumPy 1.0 there and {before}"),
            on_cluster(client),
        ):
            raise AssertionError
        # A worker that joins later is not asked: it refuses what it is given.
        with pytest.raises(ClusterError, match=f"sends the work: .* {before} there and 1.0 here"):
            client.submit(
                shipping.called, client.submit(shipping.Shipped, *shipping.packed(len)), "a"
            ).result()
    finally:
        client.run(pretend, before)


def test_other_source_files_are_refused(client: Any) -> None:
    def pretend(digest: str) -> str:
        from embzip.engine import shipping

        before = shipping.source_digest()
        shipping.source_digest = lambda: digest
        return before

    here = shipping.source_digest()
    told = f"found source files of embzip with digest 01234567 there and {here[:8]} here"
    pids(client)
    client.run(pretend, "0123456789")
    try:
        with pytest.raises(ClusterError, match=told), on_cluster(client):
            raise AssertionError
    finally:
        client.run(pretend, here)


def test_a_worker_that_is_lost_when_asked_for_its_versions_is_passed_over(client: Any) -> None:
    def doomed() -> None:
        from embzip.engine import shipping

        shipping.identity = lambda: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[return-value,assignment]

    before = pids(client)
    client.run(doomed, workers=[next(iter(client.run(os.getpid)))])
    with on_cluster(client):
        assert sum(map_texts(len, ["a", "b"])) == 2
    assert len({*before} & {*pids(client)}) == 1


@pytest.mark.parametrize("name", ["lokal", "local:0", "local:x", "host:8786", "http://host"])
def test_what_is_no_cluster_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="tcp://host:8786, received"), on_cluster(name):
        raise AssertionError


@pytest.mark.parametrize("name", ["tcp://127.0.0.1", "tcp://", "tcp://127.0.0.1:x"])
def test_an_address_that_leads_nowhere_is_named(name: str) -> None:
    told = f"{name}: no scheduler can be reached by this address .* such as tcp://host:8786"
    with pytest.raises(ClusterError, match=told), on_cluster(name):
        raise AssertionError


def test_workers_of_this_machine_have_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with opened("local:1") as client:
        assert client.submit(threads_wanted).result() == 1
    assert os.environ["OMP_NUM_THREADS"] == "4"
    assert threads_wanted() == 4


def test_a_worker_that_dask_had_not_met_may_be_lost() -> None:
    with opened("local:2") as client:
        client.wait_for_workers(2)
        worker, process = next(iter(client.run(os.getpid).items()))
        client.cluster.scheduler_info["workers"].pop(worker)
        os.kill(process, signal.SIGKILL)
        while not client.cluster._watch_worker_status_task.done():  # it ended with a KeyError
            time.sleep(0.1)
    assert client.cluster.status.name == "closed"


def test_counts_of_no_texts_are_none(client: Any) -> None:
    with on_cluster(client), texts.count_texts(Counter, []) as counts:
        assert list(counts.items()) == []
