"""Records for tests of reports; not a test itself."""

from typing import Any

TOTAL = 41_234_567


def candidate(name: str, total: int, **known: Any) -> dict[str, Any]:
    """Return a candidate of `total` bytes with the values that are known."""
    vocabulary, classifier, header = total // 50, total // 9, 2_000
    return {
        "name": name,
        "tokenizer": "bpe:10000",
        "codec": "float32",
        "rows": 10_000,
        "dim": 300,
        "bytes": {
            "vocabulary": vocabulary,
            "embedding": max(0, total - vocabulary - classifier - header),
            "classifier": classifier,
            "header": header,
            "total": total,
        },
        "compression_ratio": TOTAL / total,
        "accuracy": None,
        "macro_f1": 0.8123,
        "log_loss": 0.5432,
        "calibration_error": 0.0345,
        "unknown_rate": 0.0,
        "difference": None,
        "difference_ci95": None,
        "mcnemar_p": None,
        "epoch_seconds": None,
        "load_seconds": 0.05,
        "rss_mb": 92.4,
        "latency_ms": {"p50": 0.214, "p99": 0.492},
        **known,
    }


def usual_record() -> dict[str, Any]:
    """Return a record such as `embzip run` makes."""
    return {
        "baseline": "words",
        "candidates": [
            candidate(
                "words",
                TOTAL,
                tokenizer="words:min_count=1",
                rows=33_120,
                accuracy=0.8251,
                unknown_rate=0.031,
                epoch_seconds=48.2,
                dev_accuracy=0.831,
            ),
            candidate(
                "bpe-10k",
                13_126_000,
                accuracy=0.8272,
                difference=0.0021,
                difference_ci95=[-0.006, 0.0102],
                mcnemar_p=0.62,
                epoch_seconds=12.4,
                dev_accuracy=0.832,
            ),
            candidate(
                "words-svd48",
                2_072_400,
                codec="svd:48|int8",
                accuracy=0.8221,
                difference=-0.003,
                difference_ci95=[-0.011, 0.0042],
                mcnemar_p=0.47,
                dev_accuracy=0.829,
            ),
            candidate(
                "bpe-10k-svd48",
                756_400,
                codec="svd:48|int8",
                accuracy=0.8219,
                difference=-0.0032,
                difference_ci95=[-0.0113, 0.004],
                mcnemar_p=0.44,
                dev_accuracy=0.830,
                chosen=True,
                tune=True,
            ),
            candidate(
                "bpe-4k-svd16",
                166_400,
                codec="svd:16|int8",
                accuracy=0.7941,
                difference=-0.031,
                difference_ci95=[-0.042, -0.0201],
                mcnemar_p=3e-7,
                dev_accuracy=0.801,
                notes=["rank 16 holds 41 % of the table's energy"],
            ),
        ],
        "controls": [
            {"name": "words, random initialization", "accuracy": 0.8243, "epoch_seconds": 13.1},
            {"name": "words, random initialization", "accuracy": 0.7812, "notes": "no word2vec"},
        ],
        "choice": "the smallest file whose accuracy on dev is at most 0.01 below that of words",
        "corpus": {"name": "news", "train_rows": 26_083, "dev_rows": 2_900, "test_rows": 3_259},
        "environment": {"embzip": "0.1.0", "python": "3.11.2", "system": "Linux", "cores": 2},
        "seed": 0,
    }


def empty_record() -> dict[str, Any]:
    """Return a record in which nothing was measured."""
    nothing = dict.fromkeys(candidate("", 1))
    return {
        "baseline": "before",
        "candidates": [
            {"name": "before"},
            {**nothing, "name": "after", "latency_ms": {"p50": None, "p99": None}, "bytes": {}},
        ],
        "corpus": None,
        "environment": None,
        "seed": None,
    }


def hostile_record() -> dict[str, Any]:
    """Return a record with many crowded candidates, whose names would be markup elsewhere."""
    names = [
        "<script>alert(1)</script>",
        "$\\frac{1}{2}$ | `code` **bold** [link](x)",
        "[red]rich[/red] \x1b[31m \u202e",
        "слова-с-очень-длинным-именем-без-единого-пробела-и-переноса-" * 2,
        "深層学習の単語埋め込み",
        '&amp; ]]> " onload="alert(1)',
        "\udc80surrogate",
        *(f"crowded-candidate-number-{number}" for number in range(9)),
    ]
    entries = [
        candidate(
            name,
            40_000_000 - 37_000_000 * (index > 2) - 50_000 * index,
            codec="center|svd:48|int8:scale=column" if index % 2 else "float32",
            accuracy=0.80 + 0.001 * (index % 5),
            difference=None if index == 0 else 0.001 * (index % 5),
            difference_ci95=None if index == 0 else [-0.01, 0.013],
            chosen=index == 3,
            notes="<b>bold</b> " + "x" * 300 if index == 4 else None,
        )
        for index, name in enumerate(names)
    ]
    return {
        "baseline": names[0],
        "candidates": entries,
        "corpus": "<img src=http://example.invalid/x.png>",
        "environment": {"path": "/a/very/long/path/" * 20},
        "seed": 0,
    }
