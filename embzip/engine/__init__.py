"""Work over blocks: rows of a table or texts of a corpus, a bounded number at a time.

A function is given a block and returns what it found there; from here it is run over every block,
and the answers come back in order, or combined. That is a plain loop, or a Dask cluster where one
is named by `on_cluster`; nothing else in the package knows which.
"""

from embzip.engine.clusters import Cluster, active, on_cluster
from embzip.engine.counts import Counts
from embzip.engine.opening import opened
from embzip.engine.rows import (
    BLOCK_BYTES,
    Table,
    fill_rows,
    map_parts,
    map_rows,
    reduce_rows,
    spans,
    sum_rows,
)
from embzip.engine.texts import count_texts, map_texts, reduce_texts

__all__ = [
    "BLOCK_BYTES",
    "Cluster",
    "Counts",
    "Table",
    "active",
    "count_texts",
    "fill_rows",
    "map_parts",
    "map_rows",
    "map_texts",
    "on_cluster",
    "opened",
    "reduce_rows",
    "reduce_texts",
    "spans",
    "sum_rows",
]
