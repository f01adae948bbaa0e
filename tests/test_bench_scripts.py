"""The pure parts of the benchmark scripts: names, tables, intervals, readers."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from embzip.codecs import parse_codec
from embzip.evaluation.bounds import GaussianBound, norm_conditioned_bound, pooled_bound
from scripts.bench_codecs import bounds_of, codecs_for
from scripts.bench_codecs_child import decoded_snr, nearest, overlap, rows_per_second
from scripts.bench_codecs_plot import draw, family
from scripts.bench_codecs_tables import bits, markdown, nearest_rows
from scripts.bench_peers import PEERS, Coded, encode
from scripts.bench_serving import _made
from scripts.bench_tables import check_integrity, table_name, wink_rows
from scripts.bench_task import spec_of
from scripts.bench_task_tables import (
    Outcome,
    change,
    detail_table,
    paired_interval,
    summary_table,
)
from scripts.bench_texts import train_and_dev
from scripts.bench_winners import Candidate, Verdict, family_table, winner_table

TABLE = np.random.default_rng(0).normal(size=(600, 10)).astype(np.float32)
WHITE = GaussianBound(np.ones(4), np.ones(4), 4.0, 4)


def outcome(codec: str, lost: list[int], seed: int = 0, won: Sequence[int] = ()) -> Outcome:
    """Return an outcome on four texts, of which the uncompressed model knows all but the third."""
    size = 40_000 if codec == "float32" else 10_000
    accuracy = (3 + len(won) - len(lost)) / 4
    return Outcome(
        "news", "words", seed, codec, codec, 10_000, size, size + 500, 4, accuracy, 0.25, 0.75,
        won, lost,
    )  # fmt: skip


def test_a_change_is_the_mean_over_seeds_with_its_error() -> None:
    found = change([outcome("int8", [0]), outcome("int8", [], 1)])
    assert found.difference == pytest.approx(-0.125)
    assert found.error == pytest.approx(0.125)  # of -0.25 and 0
    assert (found.agreement, found.kl) == (0.75, 0.25)
    low, high = found.interval  # one of four texts loses half a point a seed
    assert low == pytest.approx(-0.375, abs=0.01)
    assert high == 0


def test_the_paired_interval_is_near_the_normal_one() -> None:
    rng = np.random.default_rng(1)
    gains = rng.choice([-1 / 3, 0, 1 / 3, 1], 5000, p=[0.1, 0.7, 0.15, 0.05])
    width = norm.ppf(0.975) * gains.std() / np.sqrt(len(gains))
    low, high = paired_interval(gains)
    assert low == pytest.approx(gains.mean() - width, abs=width / 10)
    assert high == pytest.approx(gains.mean() + width, abs=width / 10)


def test_task_tables() -> None:
    made = [outcome("float32", []), outcome("svd:64|int8", [1]), outcome("@2.2", [], won=[2])]
    made += [outcome("auto@1", [0, 1])]
    seeds = [*made, *(replace(each, seed=1) for each in made)]
    assert "| 75.00 | -25.00 ± 0.00 | +25.00 ± 0.00 |" in summary_table(seeds)
    summary = summary_table(made).splitlines()
    assert summary[0].endswith("| svd:64\\|int8 | svd\\|tcq at 2.2 bits | auto at 1 bits |")
    assert "| 75.00 | -25.00 | +25.00 | -50.00 |" in summary[2]
    rows = detail_table(made).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    assert "| float32 | 32.00 | 40 | 1.0x | 75.00 |" in rows[2]
    assert "| 8.00 | 10 | 3.9x | 50.00 | -25.00 |" in rows[3]


@pytest.mark.parametrize("wanted", [2.2, 1.2, 0.7])
@pytest.mark.parametrize("rows", [1_691, 38_602])
def test_tcq_gets_so_many_bits_that_all_bytes_take_the_rate(wanted: float, rows: int) -> None:
    spec = spec_of(f"@{wanted}", rows, 300).removeprefix("svd|")
    stored = 8 * parse_codec(spec).layout(rows, 300).nbytes / (rows * 300)
    assert wanted - 0.01 < stored <= wanted


def test_dev_is_its_own_file_or_a_part_of_train(tmp_path: Path) -> None:
    lines = [f"a\ttext number {index}\n" for index in range(200)]
    (tmp_path / "train.tsv").write_text("".join(lines))
    train, dev = train_and_dev(tmp_path)
    assert len(train) + len(dev) == 200
    assert 5 < len(dev) < 40
    (tmp_path / "dev.tsv").write_text(lines[0])
    assert [len(part) for part in train_and_dev(tmp_path)] == [200, 1]


def test_bounds_come_back_from_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", TABLE)
    for _ in range(2):
        pooled, by_norm = bounds_of(tmp_path / "table.npy", tmp_path / "kept.npz")
        assert pooled.snr_db(1.5) == pooled_bound(TABLE).snr_db(1.5)
        assert by_norm.snr_db(1.5) == norm_conditioned_bound(TABLE, classes=16).snr_db(1.5)


def test_the_snr_is_counted_from_the_mean_and_rows_are_decoded_in_order() -> None:
    shifted = TABLE + 5
    off = np.float32(0.1)
    coded = Coded(1, lambda ids: shifted[ids] + off)
    decoded = np.empty_like(TABLE)
    expected = 10 * np.log10(shifted.var(axis=0, dtype=np.float64).sum() / (10 * 0.01))
    assert decoded_snr(shifted, coded, decoded) == pytest.approx(expected, abs=1e-3)
    np.testing.assert_allclose(decoded, shifted + off)
    assert rows_per_second(Coded(1, lambda ids: TABLE[ids]), len(TABLE)) > 0


def test_nearest_rows_are_those_of_a_full_scan_without_the_row_itself() -> None:
    found = nearest(TABLE.copy())
    queries = np.random.default_rng(0).choice(600, 600, False)
    unit = TABLE / np.linalg.norm(TABLE, axis=1, keepdims=True)
    scores = unit[queries] @ unit.T
    scores[np.arange(600), queries] = -2
    expected = np.argsort(-scores, axis=1)[:, :10]
    assert overlap(expected, found) > 0.999
    assert not (found == queries[:, None]).any()


def test_equal_rows_that_crowd_out_the_query_leave_ten_neighbours() -> None:
    assert nearest(np.ones((50, 3), np.float32)).shape == (50, 10)


@pytest.mark.parametrize(
    "codec", ["int8", "faiss-pq:5", "faiss-opq:5", "faiss-rq:2", "faiss-sq:8bit", "faiss-rabitq:4",
              "faiss-turboquant:4"]
)  # fmt: skip
def test_codecs_of_the_base_environment_are_counted_and_decode(codec: str) -> None:
    coded = encode(codec, TABLE)
    decoded = coded.rows(np.arange(600))
    assert decoded.shape == TABLE.shape
    assert np.square(decoded - TABLE).mean() < 0.7
    np.testing.assert_allclose(coded.rows(np.array([7, 3])), decoded[[7, 3]], rtol=1e-5, atol=1e-6)
    expected = {
        "int8": 600 * 14,
        "faiss-pq:5": 600 * 5 + 256 * 10 * 4,
        "faiss-opq:5": 600 * 5 + 256 * 10 * 4 + 400,
        "faiss-rq:2": 600 * 2 + 2 * 256 * 10 * 4,
        "faiss-sq:8bit": 600 * 10 + 2 * 10 * 4,
        "faiss-rabitq:4": 600 * 26 + 40 + 400,  # faiss keeps factors beside the bits
        "faiss-turboquant:4": 600 * (5 + 4) + 400,
    }
    assert coded.nbytes == expected[codec]


@pytest.mark.parametrize("dim", [50, 100, 300])
def test_every_codec_of_embzip_that_is_compared_fits_the_table(dim: int) -> None:
    for codec in codecs_for(dim):
        kind, _, argument = codec.partition(":")
        if kind in ("faiss-pq", "faiss-opq"):
            assert dim % int(argument) == 0
        elif kind not in PEERS:
            whole = codec.replace("svd|", f"svd:{dim}|")
            parsed = parse_codec(whole)
            if not parsed.resolved:
                continue
            chain = replace(parsed, quantizer=parsed.quantizer.sized(20_000, dim))
            assert chain.layout(20_000, dim).nbytes > 0


def test_codec_table_and_picture(tmp_path: Path) -> None:
    results = [
        {
            "table": "t", "codec": codec, "rows": 1000, "dim": 4, "memory_bytes": size,
            "file_bytes": None if "faiss" in codec else size + 9, "seconds": 1.5,
            "rows_per_second": 2e6, "snr_db": 5.0, "overlap": 0.5, "peak_bytes": 7_000_000,
        }
        for codec, size in (("svd|tcq:2", 1000), ("faiss-pq:2", 500))
    ]  # fmt: skip
    assert bits(results[0]) == 2.0
    lines = markdown(results, WHITE, WHITE).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert lines[2].startswith("| faiss-pq:2 | 0.50 | 1.00 | 5.00 | 6.02 | 1.02 | 6.02 | 1.02 |  |")
    assert lines[3].startswith(
        "| `svd\\|tcq:2` | 1.00 | 2.00 | 5.00 | 12.04 | 7.04 | 12.04 | 7.04 | 1.01 | 7.15 |"
    )
    assert nearest_rows("t, 1,000 x 4", results, WHITE).splitlines() == [
        "| t, 1,000 x 4 | 0.5 | none |  |  | none |  |  | none |  |  |",
        "| t, 1,000 x 4 | 1 | none |  |  | faiss-pq:2 | 1.00 | 1.02 | none |  |  |",
        "| t, 1,000 x 4 | 2 | `svd\\|tcq:2` | 2.00 | 7.04 | none |  |  "
        "| `svd\\|tcq:2` | 2.02 | 7.15 |",
        "| t, 1,000 x 4 | 4 | none |  |  | none |  |  | none |  |  |",
    ]
    draw(results, WHITE, WHITE, tmp_path / "plot.svg")
    svg = (tmp_path / "plot.svg").read_text()
    assert "faiss PQ" in svg
    assert "svd|tcq" in svg
    assert len(svg) < 60_000
    assert family("sklearn-svd:3") is None


def test_wink_rows_stand_by_their_ids_whatever_the_words_hold() -> None:
    vectors = {'"]}': [1.5, 2, 9, 1], "a": [0, -1, 9, 0]}
    text = '{"precision":8,' + json.dumps({"size": 2, "dimensions": 2, "vectors": vectors})[1:]
    compact = text.replace(", ", ",").replace(": ", ":")
    assert wink_rows(compact).tolist() == [[0, -1], [1.5, 2]]
    missing = compact.replace('"size":2', '"size":3')
    with pytest.raises(SystemExit, match="1 of 3 rows"):
        wink_rows(missing)


def test_an_archive_of_another_digest_is_refused() -> None:
    check_integrity(b"", "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    with pytest.raises(SystemExit, match="digest is sha256-"):
        check_integrity(b"x", "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")


def test_table_names() -> None:
    assert table_name("bench/words.embz") == "words"
    assert table_name("x/model-debian-topic-bpe-2-0a1b/model.embz") == "model-debian-topic-bpe-2"


def test_serving_files_are_kept_for_the_same_data_only(tmp_path: Path) -> None:
    record = {"wanted": ["news", "100", "int8"], "figures": {"head_mb": 0.5}}
    (tmp_path / "made.json").write_text(json.dumps(record))
    assert _made(tmp_path, "news", "100", "int8") == {"head_mb": 0.5}
    with pytest.raises(SystemExit, match="name another folder"):
        _made(tmp_path, "news", "100", "int4")


def test_the_winner_is_chosen_within_the_budget_and_tables_say_by_how_much() -> None:
    best = Candidate("tcq", "svd|tcq:1", 400_000, 0.02, 0.81)
    least = {"tcq": 0.02, "svd, int8": 0.05}
    verdicts = [
        Verdict("r8-bpe-0", 25, best, least, 0.97, 0.965, (-0.01, 0.002)),
        Verdict("r8-words-0", 25, best, {"tcq": 0.02, "svd, int8": 0.03}, 0.97, 0.97, (0.0, 0.0)),
    ]
    _, _, row = family_table(verdicts).splitlines()
    assert "2 (1.0)" in row
    assert "0 (2.0)" in row  # the median of 2.5 and 1.5
    first = winner_table(verdicts).splitlines()[2]
    assert first == (
        "| r8-bpe | 25x | `svd\\|tcq:1` | 400 | 0.0200 | 97.00 | 96.50 | -0.50 | -1.00 to +0.20 |"
    )
