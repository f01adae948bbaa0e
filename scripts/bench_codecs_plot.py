"""The picture of `scripts.bench_codecs`: SNR against bits a number, with both bounds."""

import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from embzip.evaluation.bounds import GaussianBound
from embzip.files.writing import write_bytes

MOST_BITS = 4.6
PACKED = "center|svd|ectcq, packed"  # the one that is meant for files, drawn at the file's bits
# Family of codecs -> colour, marker. Families of one kind share a colour.
FAMILIES: Mapping[str, tuple[str, str]] = {
    "svd|tcq": ("#b3261e", "o"),
    "svd|tcq, 128 states": ("#b3261e", "*"),
    "svd|coarse|tcq": ("#b3261e", "X"),
    PACKED: ("#b3261e", "P"),
    "svd|mixed": ("#b3261e", "s"),
    "svd:R|int8": ("#b3261e", "v"),
    "int4, int2, int1": ("#b3261e", "^"),
    "faiss OPQ": ("#2f5d8a", "o"),
    "faiss PQ": ("#2f5d8a", "s"),
    "faiss RQ": ("#2f5d8a", "D"),
    "faiss ScalarQuantizer": ("#2f5d8a", "^"),
    "faiss RaBitQ": ("#2f5d8a", "P"),
    "faiss TurboQuant": ("#2f5d8a", "X"),
    "compress-fasttext": ("#7a7a7a", "P"),
    "Keras int4": ("#7a7a7a", "^"),
}
_OF_PREFIX = {
    "svd|tcq:": "svd|tcq",
    "svd|coarse|tcq:": "svd|coarse|tcq",
    "center|svd|ectcq:": PACKED,
    "svd|mixed:": "svd|mixed",
    "svd:": "svd:R|int8",
    "int": "int4, int2, int1",
    "faiss-opq:": "faiss OPQ",
    "faiss-pq:": "faiss PQ",
    "faiss-rq:": "faiss RQ",
    "faiss-sq:": "faiss ScalarQuantizer",
    "faiss-rabitq:": "faiss RaBitQ",
    "faiss-turboquant:": "faiss TurboQuant",
    "compress-fasttext-": "compress-fasttext",
    "keras:": "Keras int4",
}


def family(codec: str) -> str | None:
    """Return the family a codec is drawn with; None for those that are not drawn.

    >>> family("svd|tcq:2"), family("svd:32|int8"), family("kmeans:16")
    ('svd|tcq', 'svd:R|int8', None)
    >>> family("svd|tcq:2,states=128")
    'svd|tcq, 128 states'
    """
    if codec.endswith(",states=128"):
        return "svd|tcq, 128 states" if codec.startswith("svd|tcq:") else None
    for prefix, name in _OF_PREFIX.items():
        if codec.startswith(prefix):
            return name
    return None


def draw(
    results: Iterable[dict[str, Any]], pooled: GaussianBound, by_norm: GaussianBound, path: Path
) -> None:
    """Write the picture of one table, an SVG on white."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    points: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        name = family(result["codec"])
        held = result["file_bytes" if name == PACKED else "memory_bytes"]
        rate = 8 * held / (result["rows"] * result["dim"])
        if name is not None and rate <= MOST_BITS:
            points.setdefault(name, []).append((rate, result["snr_db"]))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem, "font.size": 10}):
        figure = Figure(figsize=(8.4, 5.2), layout="constrained")
        axes = figure.add_subplot()
        rates = np.linspace(0, MOST_BITS, 60)
        for bound, label, style in (
            (by_norm, "Gaussian bound, rows by norm", "--"),
            (pooled, "Gaussian bound, pooled", "-"),
        ):
            axes.plot(rates, [bound.snr_db(r) for r in rates], style, color="#1a1a1a", label=label)
        for name, (colour, marker) in FAMILIES.items():
            if name in points:
                x, y = zip(*sorted(points[name]), strict=True)
                axes.plot(
                    x, y, marker=marker, color=colour, linewidth=0.8, markersize=5, label=name
                )
        axes.set_xlim(0, MOST_BITS)
        axes.set_ylim(0, None)
        axes.set_xlabel("bits a number, all that decoding holds counted; packed: of the file")
        axes.set_ylabel("SNR, dB")
        axes.grid(color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(frameon=False, fontsize=9, loc="upper left")
        buffer = StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    svg = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    write_bytes(path, svg.encode())
