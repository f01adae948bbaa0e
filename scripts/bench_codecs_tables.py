"""The tables of `scripts.bench_codecs`: every codec of a table, or the nearest at each rate."""

from collections.abc import Iterable
from typing import Any

from embzip.evaluation.bounds import GaussianBound
from scripts.bench_peers import PEERS

RATES = (0.5, 1, 2, 4)  # bits a number
_NEAR = 1.3  # times more or fewer bits still count as a rate


def markdown(
    results: Iterable[dict[str, Any]], pooled: GaussianBound, by_norm: GaussianBound
) -> str:
    """Return a Markdown table, by rising bits."""
    lines = [
        "| codec | bytes a row | bits | SNR | pooled | gap | by norm | gap | file | file gap "
        "| near | encode s | decode M rows/s | peak MB |",
        "|---" * 14 + "|",
    ]
    for result in sorted(results, key=lambda r: (bits(r), r["codec"])):
        rate, snr = bits(result), result["snr_db"]
        bounds = [bound.snr_db(rate) for bound in (pooled, by_norm)]
        stored = result["file_bytes"]
        on_disk = ["", ""]
        if stored is not None:
            there = pooled.snr_db(8 * stored / (result["rows"] * result["dim"]))
            on_disk = [f"{stored / result['rows']:.2f}", f"{there - snr:.2f}"]
        cells = [
            title(result["codec"], result.get("chosen")),
            f"{result['memory_bytes'] / result['rows']:.2f}",
            f"{rate:.2f}",
            f"{snr:.2f}",
            *(cell for bound in bounds for cell in (f"{bound:.2f}", f"{bound - snr:.2f}")),
            *on_disk,
            f"{result['overlap']:.3f}",
            f"{result['seconds']:.1f}",
            f"{result['rows_per_second'] / 1e6:.2f}",
            f"{result['peak_bytes'] / 1e6:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


NEAREST_HEAD = (
    "| table | bits asked for | embzip | bits | gap | other libraries | bits | gap "
    "| embzip, packed | bits | gap |\n" + "|---" * 11 + "|"
)


def nearest_rows(table: str, results: Iterable[dict[str, Any]], pooled: GaussianBound) -> str:
    """Return a row for each rate: what is nearest to the pooled bound at about so many bits."""
    results = list(results)
    packed = [result for result in results if result["file_bytes"] and not _is_peer(result)]
    lines = []
    for rate in RATES:
        cells = [table, f"{rate:g}"]
        for found, kind in (
            ([result for result in results if not _is_peer(result)], "memory_bytes"),
            ([result for result in results if _is_peer(result)], "memory_bytes"),
            (packed, "file_bytes"),
        ):
            gaps = [
                (pooled.snr_db(taken) - result["snr_db"], taken, result)
                for result in found
                if rate / _NEAR <= (taken := bits(result, kind)) <= rate * _NEAR
            ]
            gap, taken, best = min(gaps, key=lambda each: each[:2], default=(0, 0, None))
            told = (
                [title(best["codec"], best.get("chosen")), f"{taken:.2f}", f"{gap:.2f}"]
                if best
                else ["none", "", ""]
            )
            cells += told
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _is_peer(result: dict[str, Any]) -> bool:
    return result["codec"].partition(":")[0] in PEERS


def bits(result: dict[str, Any], kind: str = "memory_bytes") -> float:
    """Return bits a number, of all that is held, or of the file."""
    return float(8 * result[kind] / (result["rows"] * result["dim"]))


def title(codec: str, chosen: str | None = None) -> str:
    """Return a codec's cell: embzip's specs as code, what `auto` chose, peers by name.

    >>> title("svd|tcq:2"), title("faiss-pq:25"), title("auto:6B/row", "int1")
    ('`svd\\\\|tcq:2`', 'faiss-pq:25', '`auto:6B/row`: `int1`')
    """
    if codec.partition(":")[0] in PEERS:
        return codec
    if chosen is not None:
        return f"{title(codec)}: {title(chosen)}"
    return "`" + codec.replace("|", "\\|") + "`"
