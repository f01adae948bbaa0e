"""The time each operator of a file takes on synthetic inputs. This runs the graph of the file.

A SavedModel or frozen graph runs in one thread of a TensorFlow session, whose own trace times every
node. LiteRT's Python package has no profiler: there a model cut off behind each operator is timed,
and an operator takes what its model takes longer than the one before it.
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
from embzip.foreign.formats.tensor_protos import shape_of
from embzip.foreign.graph.flat_graphs import flat_graph
from embzip.foreign.graph.writing import input_specs
from embzip.foreign.tflite_timing import time_operators

_TOKENS = 50  # where a length is free; a batch is 1
_MOST_NUMBERS = 2**24  # of one input: a damaged file may ask for any


@dataclass(frozen=True)
class OperatorTime:
    """One operator: the median of its times, in milliseconds."""

    name: str
    kind: str
    ms: float


@dataclass(frozen=True)
class Profile:
    """Operators, slowest first.

    Attributes
    ----------
    method
        How they were timed.
    inputs
        How many synthetic inputs ran; one more ran before them, untimed.
    total_ms
        The median of a whole run, which tracing makes longer.
    """

    method: str
    inputs: int
    total_ms: float
    operators: tuple[OperatorTime, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts."""
        return asdict(self) | {"operators": [asdict(each) for each in self.operators]}


def profile(path: str | Path, inputs: int, *, seed: int = 0) -> Profile:
    """Time the operators of a SavedModel, a frozen graph or a .tflite file.

    Parameters
    ----------
    inputs
        How many; random ids below the rows of the smallest table, normal numbers elsewhere. A
        free batch is 1, other free lengths are 50.

    Raises
    ------
    InputError
        For a file of another kind, and for inputs that cannot be made up, such as text.
    """
    if inputs < 1:
        raise InputError(f"profiling takes 1 input or more, received {inputs}")
    kind, own = kind_of(path)
    rng = np.random.default_rng(seed)
    if kind == "tflite":
        timed = time_operators(own, inputs, partial(_synthetic, rng))
        method = "LiteRT, 1 thread, built-in kernels; differences of models cut off behind each"
        operators = [OperatorTime(*each) for each in timed.operators]
        total = timed.total_ms
    elif kind in ("savedmodel", "frozen"):
        method = "TensorFlow session, 1 thread, its trace of every node"
        total, operators = _traced(own, inputs, rng)
    else:
        raise InputError(
            f"{own}: a {kind} file has no graph to time: export a SavedModel or .tflite of it"
        )
    ordered = sorted(operators, key=lambda each: (-each.ms, each.name))
    return Profile(method, inputs, total, tuple(ordered))


def _synthetic(
    rng: np.random.Generator, name: str, shape: tuple[int, ...], dtype: Any, rows: int
) -> Any:
    """Return one input; -1 stands for a length that is free."""
    filled = tuple(n if n >= 0 else 1 if axis == 0 else _TOKENS for axis, n in enumerate(shape))
    kind = np.dtype(dtype).kind
    if math.prod(filled) > _MOST_NUMBERS:
        raise InputError(
            f"the input {name!r} is of shape {shape}, above {_MOST_NUMBERS:,} numbers: nothing "
            "is made up for it"
        )
    if kind in "iu":
        return rng.integers(0, min(rows, np.iinfo(dtype).max), filled).astype(dtype)
    if kind == "f":
        return rng.normal(size=filled).astype(dtype)
    if kind == "b":
        return np.ones(filled, dtype)
    raise InputError(
        f"the input {name!r} is of type {np.dtype(dtype).name}, for which nothing can be made up"
    )


def _traced(path: Path, inputs: int, rng: np.random.Generator) -> tuple[float, list[OperatorTime]]:
    v1 = tf.compat.v1
    flat = flat_graph(path).optimized().with_constants()
    graph = flat.graph
    signature = flat.signatures.get("serving_default") or next(iter(flat.signatures.values()))
    nodes = Flow(graph.node)
    tables = {table for _, table in nodes.gathered() if nodes.nodes[table].op == "Const"}
    rows = min(
        (shape_of(nodes.nodes[t].attr["value"].tensor.tensor_shape)[0] for t in tables), default=2
    )
    specs = input_specs(graph, signature)
    times: dict[str, list[float]] = defaultdict(list)
    totals = []
    config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with tf.Graph().as_default() as scope, v1.Session(graph=scope, config=config) as session:
        tf.graph_util.import_graph_def(graph, name="")
        for number in range(inputs + 1):
            fed = {
                signature.inputs[name]: _synthetic(
                    rng, name, _free(spec.shape), spec.dtype.as_numpy_dtype, rows
                )
                for name, spec in specs.items()
            }
            trace = v1.RunMetadata()
            options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
            try:
                session.run(list(signature.outputs.values()), fed, options, trace)
            except (tf.errors.OpError, ValueError, TypeError) as error:
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


def _free(shape: Any) -> tuple[int, ...]:
    if shape.rank is None:
        return (-1, -1)
    return tuple(-1 if length is None else int(length) for length in shape)
