"""Measures the time of each operator of a file on synthetic inputs. This runs the file's graph.

A SavedModel or frozen graph runs in one thread of a TensorFlow session, whose trace times every
node. LiteRT's Python package has no profiler: there the model is cut after each operator and timed,
and an operator's time is the difference from the model that is cut one operator earlier.
"""

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf

from embzip.errors import InputError
from embzip.foreign.formats.graphs import Flow
from embzip.foreign.formats.kinds import kind_of
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.foreign.formats.tensor_protos import shape_of
from embzip.foreign.graph.flat_graphs import FlatGraph, flat_graph
from embzip.foreign.graph.writing import input_specs
from embzip.foreign.tflite_timing import time_operators

_TOKENS = 50  # replaces a free length; a free batch size becomes 1
_MOST_NUMBERS = 2**24  # limit for one input, because a damaged file may demand any size


@dataclass(frozen=True)
class OperatorTime:
    """One operator: the median of its times, in milliseconds."""

    name: str
    kind: str
    ms: float


@dataclass(frozen=True)
class Profile:
    """The times of the operators, slowest first.

    Attributes
    ----------
    method
        How they were measured.
    inputs
        How many synthetic inputs were timed; one more ran before them as a warm-up.
    total_ms
        The median time of a whole run, including the overhead of tracing.
    """

    method: str
    inputs: int
    total_ms: float
    operators: tuple[OperatorTime, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the profile as plain numbers, strings, lists and dicts."""
        return asdict(self) | {"operators": [asdict(each) for each in self.operators]}


def profile(path: str | Path, inputs: int, *, seed: int = 0) -> Profile:
    """Time the operators of a SavedModel, a frozen graph or a .tflite file.

    Parameters
    ----------
    inputs
        How many inputs to time. Integers are random ids below the rows of the smallest table,
        floats are normally distributed. A free batch size becomes 1, other free lengths 50.

    Raises
    ------
    InputError
        For a file of another kind, and for inputs that cannot be generated, such as text.
    """
    if inputs < 1:
        raise InputError(f"inputs must be at least 1, received {inputs}")
    kind, own = kind_of(path)
    rng = np.random.default_rng(seed)
    if kind == "tflite":
        timed = time_operators(own, inputs, partial(synthetic, rng))
        method = "LiteRT, 1 thread, built-in kernels; differences of models cut after each"
        operators = [OperatorTime(*each) for each in timed.operators]
        total = timed.total_ms
    elif kind in ("savedmodel", "frozen"):
        method = "TensorFlow session, 1 thread, its trace of every node"
        total, operators = _traced(own, inputs, rng)
    else:
        raise InputError(
            f"{own}: profiling needs a graph, and a {kind} file has none: export it as a "
            "SavedModel or .tflite first"
        )
    ordered = sorted(operators, key=lambda each: (-each.ms, each.name))
    return Profile(method, inputs, total, tuple(ordered))


def synthetic(
    rng: np.random.Generator, name: str, shape: tuple[int, ...], dtype: Any, rows: int
) -> Any:
    """Return one synthetic input, ids below `rows`; -1 in `shape` is a free length."""
    filled = tuple(n if n >= 0 else 1 if axis == 0 else _TOKENS for axis, n in enumerate(shape))
    kind = np.dtype(dtype).kind
    if math.prod(filled) > _MOST_NUMBERS:
        raise InputError(
            f"inputs of at most {_MOST_NUMBERS:,} numbers can be generated, and the input {name!r} "
            f"has shape {shape}"
        )
    if kind in "iu":
        return rng.integers(0, min(rows, np.iinfo(dtype).max), filled).astype(dtype)
    if kind == "f":
        return rng.normal(size=filled).astype(dtype)
    if kind == "b":
        return np.ones(filled, dtype)
    raise InputError(
        "inputs of integers, floats or booleans can be generated, and the input "
        f"{name!r} is of type {np.dtype(dtype).name}"
    )


def _traced(path: Path, inputs: int, rng: np.random.Generator) -> tuple[float, list[OperatorTime]]:
    v1 = tf.compat.v1
    flat = flat_graph(path).optimized().with_constants()
    graph = flat.graph
    signature = flat.signatures.get("serving_default") or next(iter(flat.signatures.values()))
    nodes = Flow(graph.node)
    rows = least_rows(flat)
    specs = input_specs(graph, signature)
    times: dict[str, list[float]] = defaultdict(list)
    totals = []
    config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with tf.Graph().as_default() as scope, v1.Session(graph=scope, config=config) as session:
        tf.graph_util.import_graph_def(graph, name="")
        for number in range(inputs + 1):
            fed = {
                signature.inputs[name]: synthetic(
                    rng, name, _free(spec.shape), spec.dtype.as_numpy_dtype, rows
                )
                for name, spec in specs.items()
            }
            trace = v1.RunMetadata()
            options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
            try:
                session.run(list(signature.outputs.values()), fed, options, trace)
            except LIBRARY_ERRORS as error:
                why = " ".join(str(error).split())[:200]
                raise InputError(f"{path}: TensorFlow cannot run this graph ({why})") from error
            if number == 0:
                continue
            spans = [stats for device in trace.step_stats.dev_stats for stats in device.node_stats]
            first = min(span.all_start_micros for span in spans)
            last = max(span.all_start_micros + span.all_end_rel_micros for span in spans)
            totals.append((last - first) / 1000)
            once: dict[str, float] = defaultdict(float)
            for span in spans:
                taken = span.op_end_rel_nanos - span.op_start_rel_nanos
                once[span.node_name.partition(":")[0]] += max(taken, 0) / 1e6
            for name, taken_ms in once.items():
                times[name].append(taken_ms)
    found = [
        OperatorTime(name, nodes.nodes[name].op, median(spent))
        for name, spent in times.items()
        if name in nodes.nodes
    ]
    return median(totals), found


def least_rows(flat: FlatGraph) -> int:
    """Return the rows of the smallest table: ids below it are valid in all."""
    nodes = Flow(flat.graph.node)
    shapes = []
    for _, table in nodes.gathered():
        if table in flat.lazy:
            shapes.append(flat.lazy[table].shape)
        elif nodes.nodes[table].op == "Const":
            shapes.append(shape_of(nodes.nodes[table].attr["value"].tensor.tensor_shape))
    return min((shape[0] for shape in shapes if shape), default=2)


def _free(shape: Any) -> tuple[int, ...]:
    if shape.rank is None:
        return (-1, -1)
    return tuple(-1 if length is None else int(length) for length in shape)
