"""Print the tables `recipes` of RESULTS.md from the reports of the benchmark recipes.

    for name in ru_avito tagmynews debian-topic ru_ok_toxic; do
        embzip run scripts/recipes/$name.toml -o bench/$name
    done
    python -m scripts.bench_main bench/*/report.json

(a) BPE of min(30,000, a third of the words) against the full-vocabulary word baseline, both
float32 and trainable. (b) The svd|int8 candidate that is best on dev among those at least 25 times
smaller than that baseline, against the float32 candidate that is best on dev. Nothing is chosen by
the test columns.
"""

import argparse
import json
from pathlib import Path
from typing import Any

RATIO = 25


def main() -> None:
    """Read report.json files and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", type=Path)
    named = [
        (path.parent.name, json.loads(path.read_text())) for path in parser.parse_args().reports
    ]
    print(shape_table(named))
    print()
    print(small_table(named))


def shape_table(reports: list[tuple[str, dict[str, Any]]]) -> str:
    """Return table (a)."""
    lines = [
        "| data | words: rows, MB | accuracy, macro-F1 | BPE: rows, MB | accuracy, macro-F1 "
        "| difference [95 %] | smaller | epoch shorter |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, report in reports:
        words, bpe = _named(report, "words"), _named(report, "bpe")
        lines.append(
            f"| {name} | {_size(words)} | {_quality(words)} | {_size(bpe)} | {_quality(bpe)} "
            f"| {_difference(bpe)} | {bpe['compression_ratio']:.1f}x "
            f"| {1 / bpe['epoch_ratio']:.1f}x |"
        )
    return "\n".join(lines)


def small_table(reports: list[tuple[str, dict[str, Any]]]) -> str:
    """Return table (b)."""
    lines = [
        "| data | best float32 on dev | accuracy | best svd\\|int8 on dev | MB | smaller "
        "| accuracy | points lost | macro-F1 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, report in reports:
        plain = [c for c in report["candidates"] if c["codec"] == "float32"]
        small = [
            c
            for c in report["candidates"]
            if c["codec"].startswith("svd") and c["compression_ratio"] >= RATIO
        ]
        best = max(plain, key=_by_dev)
        chosen = max(small, key=_by_dev)
        lines.append(
            f"| {name} | {best['name']} | {best['accuracy']:.4f} | {chosen['name']}: "
            f"`{_escaped(chosen['codec'])}`{', tuned' if chosen['tune'] else ''} "
            f"| {chosen['bytes']['total'] / 1e6:.2f} | {chosen['compression_ratio']:.1f}x "
            f"| {chosen['accuracy']:.4f} | {100 * (best['accuracy'] - chosen['accuracy']):+.2f} "
            f"| {best['macro_f1']:.4f} -> {chosen['macro_f1']:.4f} |"
        )
    return "\n".join(lines)


def _by_dev(candidate: dict[str, Any]) -> tuple[float, float]:
    # Equal accuracies on dev: the smaller file is preferred.
    return candidate["dev_accuracy"], -candidate["bytes"]["total"]


def _named(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in report["candidates"] if c["name"] == name)
    return found


def _escaped(spec: str) -> str:
    # A bar would end the table's cell.
    return spec.replace("|", "\\|")


def _size(candidate: dict[str, Any]) -> str:
    return f"{candidate['rows']:,}, {candidate['bytes']['total'] / 1e6:.1f}"


def _quality(candidate: dict[str, Any]) -> str:
    return f"{candidate['accuracy']:.4f}, {candidate['macro_f1']:.4f}"


def _difference(candidate: dict[str, Any]) -> str:
    low, high = candidate["difference_ci95"]
    return f"{candidate['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
