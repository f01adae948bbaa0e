"""Makes kernels smaller in a finished .tflite: float16 or int8 numbers, int8 arithmetic.

Only the kernels of convolutions and dense layers change. They are found by their numbers, which the
converter reorders but does not change; so a codec's tables and components are never mistaken for
kernels.

int8 kernels are symmetric, with one scale per filter, as in a classifier's own file; those of 4
and 2 bits are int8 here too, of fewer levels. With float32 arithmetic they become float32 numbers
once, when the model is loaded, so that answers stay the same. Or LiteRT quantizes each input when
it runs ("dynamic range"), which is faster. With int8 arithmetic, representative texts determine the
ranges of inputs and outputs.

References: Jacob et al. 2018; the LiteRT 8-bit quantization specification.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.classifier.storage import whole_levels
from embzip.errors import InputError
from embzip.files.reading import digest
from embzip.litert import litert
from embzip.tf.export.flatbuffer import Model, Operator
from embzip.tf.export.graph import check_float16
from embzip.tf.export.heads import kernels_of

Heads = Sequence[Classifier]  # one classifier, or those of a kit
Ranges = dict[int, tuple[float, float]]

# The versions of CONV_2D and FULLY_CONNECTED that support int8 kernels with one scale per filter,
# with float32 inputs and with int8 inputs.
_DYNAMIC = (5, 12)
_WHOLE = (3, 4)


def float32_kernels(content: bytes, heads: Heads) -> bytes:
    """Return the model unchanged."""
    return content


def float16_kernels(content: bytes, heads: Heads) -> bytes:
    """Return the model with float16 kernels; it computes in float32."""

    def halved(kernel: NDArray[np.float32]) -> tuple[NDArray[Any], None]:
        check_float16(kernel)
        return kernel.astype(np.float16), None

    return _dequantized(content, heads, halved, 3)


def stored_levels(content: bytes, heads: Heads, *, kernels: str = "int8") -> bytes:
    """Return the model with kernels as `int8`, `int4` or `int2`; it computes in float32."""
    return _dequantized(content, heads, partial(quantized_kernel, kernels=kernels), 5)


def _dequantized(content: bytes, heads: Heads, smaller: Callable[..., Any], version: int) -> bytes:
    """Return the model with smaller kernels, and operators that make them float32 when loaded."""
    model = Model(content)
    done: set[int] = set()  # equal kernels of a kit's classifiers are stored once
    for operator, kernel in list(_kernels(model, heads)):
        index = int(operator.inputs[1])
        if index in done:
            continue
        done.add(index)
        numbers, scale = smaller(kernel)
        name = _named(model, index, numbers.dtype.name.encode())
        stored = model.add_constant(name, numbers, scale)
        model.empty(index)
        model.insert(operator, [model.convert("DEQUANTIZE", version, stored, index)])
    return model.to_bytes()


def quick_levels(content: bytes, heads: Heads, *, kernels: str = "int8") -> bytes:
    """Return the model with kernels in such a form; inputs are quantized when it runs."""
    model = Model(content)
    for operator, kernel in list(_kernels(model, heads)):
        _replace_kernel(model, operator, *quantized_kernel(kernel, kernels))
        model.set_version(operator, _DYNAMIC)
    return model.to_bytes()


def int8_arithmetic(content: bytes, heads: Heads, ids: Sequence[NDArray[np.int32]]) -> bytes:
    """Return the model with convolutions and dense layers in int8.

    Parameters
    ----------
    ids
        Representative inputs, each (1, time).
    """
    model = Model(content)
    found = list(_kernels(model, heads))
    places = {int(o.inputs[0]) for o, _ in found} | {int(o.outputs[0]) for o, _ in found}
    ranges = observed_ranges(content, ids, places)
    inputs: dict[int, int] = {}
    for operator, kernel in found:
        source, result = int(operator.inputs[0]), int(operator.outputs[0])
        if source not in inputs:
            inputs[source] = _whole_twin(model, source, ranges[source])
            model.insert(operator, [model.convert("QUANTIZE", 1, source, inputs[source])])
        levels, scale = quantized_kernel(kernel)
        _replace_kernel(model, operator, levels, scale)
        operator.inputs[0] = inputs[source]
        _replace_bias(model, operator, scale * np.float32(_scale(ranges[source])[0]))
        operator.outputs[0] = _whole_twin(model, result, ranges[result])
        model.insert_after(
            operator, model.convert("DEQUANTIZE", 2, int(operator.outputs[0]), result)
        )
        model.set_version(operator, _WHOLE)
    return model.to_bytes()


def quantized_kernel(
    kernel: NDArray[np.float32], kernels: str = "int8", *, filters: int = 0
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 levels, and a scale for each entry of the axis that counts filters."""
    levels, scale = whole_levels(np.moveaxis(kernel, filters, -1), kernels)
    return np.ascontiguousarray(np.moveaxis(levels, -1, filters)), scale


def observed_ranges(
    content: bytes, ids: Iterable[NDArray[np.int32]], tensors: Iterable[int]
) -> Ranges:
    """Return the smallest and largest number of some tensors, over representative inputs."""
    runtime = litert()
    interpreter = runtime.Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        num_threads=1,
    )
    place = interpreter.get_input_details()[0]["index"]
    ranges = dict.fromkeys(tensors, (0.0, 0.0))  # includes zero, which padding is
    seen = False
    for batch in ids:
        interpreter.resize_tensor_input(place, batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, batch)
        interpreter.invoke()
        seen = True
        for index, (low, high) in ranges.items():
            numbers = interpreter.get_tensor(index)
            ranges[index] = (min(low, float(numbers.min())), max(high, float(numbers.max())))
    if not seen:
        raise InputError("computing in int8 needs at least one representative text, received none")
    return ranges


def _kernels(model: Model, heads: Heads) -> Iterator[tuple[Operator, NDArray[np.float32]]]:
    """Yield each operator that multiplies by a kernel of a classifier, and that kernel."""
    known = contents(heads)
    for operator in model.products():
        kernel = model.constant(int(operator.inputs[1]))
        if kernel is not None and content_of(kernel) in known:
            yield operator, kernel


def contents(heads: Heads) -> set[str]:
    """Return what `content_of` says of each kernel of some classifiers."""
    return {content_of(kernel) for head in heads for kernel in kernels_of(head)}


def content_of(kernel: NDArray[np.float32]) -> str:
    """Return a digest of the numbers that does not depend on their order."""
    return digest(np.sort(kernel, axis=None).astype("<f4").tobytes())


def _replace_kernel(
    model: Model, operator: Operator, levels: NDArray[np.int8], scale: NDArray[np.float32]
) -> None:
    index = int(operator.inputs[1])
    operator.inputs[1] = model.add_constant(_named(model, index, b"int8"), levels, scale)
    if all(int(other.inputs[1]) != index for other in model.products()):
        model.empty(index)


def _replace_bias(model: Model, operator: Operator, scale: NDArray[np.float32]) -> None:
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return
    index = int(operator.inputs[2])
    bias = model.constant(index)
    if bias is None:
        return
    steps = np.rint(np.clip(bias / scale.astype(np.float64), -(2**31), 2**31 - 1))
    operator.inputs[2] = model.add_constant(
        _named(model, index, b"int32"), steps.astype(np.int32), scale
    )


def _whole_twin(model: Model, index: int, extent: tuple[float, float]) -> int:
    """Add the int8 version of a float32 tensor, and return its index."""
    tensor = model.tensor(index)
    twin = model.add_tensor(
        _named(model, index, b"int8"), "int8", tensor.shape, tensor.shapeSignature
    )
    scale, zero_point = _scale(extent)
    model.quantize(twin, [scale], [zero_point])
    return twin


def _scale(extent: tuple[float, float]) -> tuple[float, int]:
    """Return scale and zero point of 256 levels for a range that includes zero.

    >>> _scale((-64.0, 63.5))
    (0.5, 0)
    """
    low, high = extent
    scale = (high - low) / 255 or 1.0
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def _named(model: Model, index: int, kind: bytes) -> bytes:
    name: Any = model.tensor(index).name
    return bytes(name) + b"/" + kind
