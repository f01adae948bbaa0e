"""Times a .tflite operator by operator, by running the model cut after each operator.

Delegates are off, because they would merge operators. So the sum of the times is larger than the
time of the whole model in use.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
from tensorflow.lite.python import schema_py_generated as schema

from embzip.errors import InputError, MissingPackageError
from embzip.foreign.formats.tflite import inspect_tflite

_MOST_OPERATORS = 1000
Synthetic = Callable[[str, tuple[int, ...], Any, int], Any]


@dataclass(frozen=True)
class Timed:
    """The (name, kind, ms) of each operator, and the ms of a whole run."""

    total_ms: float
    operators: tuple[tuple[str, str, float], ...]


def time_operators(path: Path, inputs: int, synthetic: Synthetic) -> Timed:
    """Return the median times of the operators, over inputs that `synthetic` makes.

    Raises
    ------
    InputError
        For a model that LiteRT cannot run, or with custom operators.
    """
    try:
        return _timed(path, inputs, synthetic)
    except (struct.error, IndexError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        why = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: LiteRT cannot run this model ({why}): the file is damaged"
        ) from error


def _timed(path: Path, inputs: int, synthetic: Synthetic) -> Timed:
    record = inspect_tflite(path)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    operators = list(graph.operators)
    if len(operators) > _MOST_OPERATORS:
        raise InputError(
            f"{path}: models of at most {_MOST_OPERATORS:,} operators can be profiled, this one "
            f"has {len(operators):,}"
        )
    rows = min((t.shape[0] for t in record.tensors if t.role == "embedding"), default=2)
    model.signatureDefs = None
    cut = []
    for count in range(1, len(operators) + 1):
        graph.operators = operators[:count]
        graph.outputs = operators[count - 1].outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        cut.append(_interpreter(bytes(builder.Output()), path))
    spent: list[list[float]] = [[] for _ in cut]
    for number in range(inputs + 1):
        made: dict[str, Any] = {}
        for place, interpreter in enumerate(cut):
            _feed(interpreter, made, rows, synthetic)
            started = perf_counter()
            interpreter.invoke()
            if number:
                spent[place].append((perf_counter() - started) * 1000)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    until = [0.0, *(median(each) for each in spent)]
    found = []
    for place, operator in enumerate(operators):
        code = model.operatorCodes[operator.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        name = graph.tensors[int(operator.outputs[0])].name.decode("utf-8", "replace")
        found.append((name, kind, max(0.0, until[place + 1] - until[place])))
    return Timed(until[-1], tuple(found))


def _interpreter(content: bytes, path: Path) -> Any:
    try:
        from ai_edge_litert import interpreter as litert  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingPackageError(
            f"profiling a .tflite needs LiteRT, and importing it failed ({error}): "
            "`pip install 'ai-edge-litert>=2.0'`, or `uv sync --extra serve` from a checkout"
        ) from error
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        return litert.Interpreter(
            model_content=content, num_threads=1, experimental_op_resolver_type=plain
        )
    except (ValueError, RuntimeError) as error:
        why = str(error).strip().partition("\n")[0][:200]
        raise InputError(f"{path}: LiteRT cannot run this model ({why})") from error


def _feed(interpreter: Any, made: dict[str, Any], rows: int, synthetic: Synthetic) -> None:
    for each in interpreter.get_input_details():
        if each["name"] not in made:
            shape = tuple(int(n) for n in each["shape_signature"])
            made[each["name"]] = synthetic(each["name"], shape, each["dtype"], rows)
        if tuple(each["shape"]) != made[each["name"]].shape:
            interpreter.resize_tensor_input(each["index"], made[each["name"]].shape)
    interpreter.allocate_tensors()  # does nothing if they are allocated already
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], made[each["name"]])
