"""What changed in the configurations of Keras models from version 2 to 3, as a table.

A configuration is changed as data, before anything is made of it. The variables of a file fit both
versions: their shapes and their order stayed.
"""

import copy
from collections.abc import Callable
from typing import Any

from embzip.errors import UnsupportedModelError
from embzip.layers.keras2_activations import hard_sigmoid_of_keras_2

# Modules of Keras 2, which was also called tf_keras, and where Keras 3 has their classes.
_MODULES = {
    "keras.src.engine.functional": "keras.src.models.functional",
    "keras.engine.functional": "keras.src.models.functional",
    "keras.src.engine.sequential": "keras",
    "keras.engine.sequential": "keras",
    "keras.src.engine.input_layer": "keras.layers",
    "keras.mixed_precision": "keras",
}
_PREFIX = ("tf_keras", "keras")
_WRAPPED = ("layer", "forward_layer", "backward_layer", "cell")  # of layers around layers
_MODELS = ("Sequential", "Functional", "Model")
_CLASSES = {"Model": "Functional"}  # until 2.2
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "Bidirectional")
# Options that are gone, by class (any where it is empty): what they may be, as Keras 3 has it.
_GONE: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (_RECURRENT, "time_major", lambda value: not value),
    (("Embedding",), "input_length", lambda value: True),
    (("BatchNormalization",), "fused", lambda value: True),
    (("BatchNormalization",), "renorm", lambda value: not value),
    (("BatchNormalization",), "virtual_batch_size", lambda value: value is None),
    (("InputLayer",), "ragged", lambda value: not value),
)
_INITIALIZERS = ("RandomUniform", "RandomNormal", "TruncatedNormal", "VarianceScaling", "Zeros",
                 "Ones", "Constant", "Orthogonal", "Identity", "GlorotUniform", "GlorotNormal",
                 "HeUniform", "HeNormal", "LecunUniform", "LecunNormal")  # fmt: skip
_ACTIVATIONS = {"activation", "recurrent_activation"}
_HARD = hard_sigmoid_of_keras_2.__name__
_OTHERS = {  # activations that Keras 3 computes differently: what is written instead
    "hard_sigmoid": {
        "module": "builtins",
        "class_name": "function",
        "config": f"embzip>{_HARD}",
        "registered_name": f"embzip>{_HARD}",
    }
}
_NO_MODEL = "save the model as a SavedModel with the Keras that made it, and pass that"


def modernized(config: Any, where: str, version: str | None = "3") -> Any:
    """Return a configuration as Keras 3 reads it; the same where nothing has changed.

    Parameters
    ----------
    config
        Of a whole model, parsed from JSON.
    version
        Of the Keras that wrote it, as files have it; None where they have none, as until 2.0.

    Raises
    ------
    UnsupportedModelError
        For a layer of Keras 2 that Keras 3 cannot compute. The message has its name, and the way.
    """
    config = copy.deepcopy(config)
    if isinstance(config, dict):
        model = config if "class_name" in config else {}
        _change(model, where, typed=isinstance(config.get("module"), str))
        if version is None or version.startswith(("1.", "2.")):
            _rename_activations(config)
    return config


def _change(part: Any, where: str, *, typed: bool) -> None:
    """Change an object and all in it; `typed` says whether the file names modules."""
    if isinstance(part, list):
        for each in part:
            _change(each, where, typed=typed)
    if not isinstance(part, dict):
        return
    kind = part.get("class_name")
    # The last versions wrote modules of layers, and none of the model in `to_json()`.
    typed = typed or isinstance(part.get("module"), str)
    if isinstance(kind, str):
        kind = _object(part, kind, where, typed=typed)
    for value in list(part.values()):
        _change(value, where, typed=typed)


def _rename_activations(part: Any) -> None:
    """Let an activation mean what it did: the function that Keras 3 calls so is another one."""
    if isinstance(part, dict):
        for role in _ACTIVATIONS & part.keys():
            if isinstance(part[role], str) and part[role] in _OTHERS:
                part[role] = copy.deepcopy(_OTHERS[part[role]])
    for value in part.values() if isinstance(part, dict) else part:
        if isinstance(value, dict | list):
            _rename_activations(value)


def _object(part: dict[str, Any], kind: str, where: str, *, typed: bool) -> str:
    module, inner = part.get("module"), part.get("config")
    if isinstance(module, str):
        if module.split(".")[0] == _PREFIX[0]:
            module = module.replace(*_PREFIX, 1)
        part["module"] = _MODULES.get(module, module)
    if kind in _CLASSES and (module is None or "functional" in str(module)):
        kind = part["class_name"] = _CLASSES[kind]
    if kind == "Sequential" and isinstance(inner, list):  # until 2.2.3
        inner = part["config"] = {"name": "sequential", "layers": inner}
    if kind == "Policy" and isinstance(inner, dict):
        part["class_name"] = "DTypePolicy"
    if not isinstance(inner, dict):
        return kind
    if kind.startswith("CuDNN"):
        raise UnsupportedModelError(
            f"{where}: the layer {inner.get('name')!r} is a {kind}, which runs on GPUs only and "
            f"orders its variables differently: {_NO_MODEL}"
        )
    for classes, option, harmless in _GONE:
        if kind in classes and option in inner:
            value = inner.pop(option)
            if not harmless(value):
                raise UnsupportedModelError(
                    f"{where}: the layer {inner.get('name')!r} ({kind}) has {option}={value!r}, "
                    f"which Keras 3 does not compute: {_NO_MODEL}"
                )
    if kind == "GRU":
        inner.setdefault("reset_after", False)  # until 2.1, which had no other
    if kind in _INITIALIZERS:
        inner.pop("dtype", None)
        if inner.get("distribution") == "normal":
            inner["distribution"] = "truncated_normal"
    if kind == "Functional":
        _renumber(inner)
    if kind == "Sequential":
        _with_input(inner)
    if typed and "batch_input_shape" in inner:  # there, an InputLayer says it too
        shape = inner.pop("batch_input_shape")
        if kind == "InputLayer":
            inner["batch_shape"] = shape
    if kind == "BatchNormalization" and isinstance(inner.get("axis"), list):
        (inner["axis"],) = inner["axis"]
    for role in _WRAPPED:
        layer = inner.get(role)
        if isinstance(layer, dict) and isinstance(layer.get("class_name"), str):
            layer.setdefault("module", _module_of(layer["class_name"]))
            layer.setdefault("registered_name", None)
    if typed and "module" not in part:  # Keras 2 left modules out inside nested models
        part["module"] = _module_of(kind)
    if typed:
        part.setdefault("registered_name", None)
    return kind


def _with_input(model: dict[str, Any]) -> None:
    """Begin a sequential model with an input layer where its first layer says the shape."""
    layers = model.get("layers")
    if not isinstance(layers, list) or not layers or not isinstance(layers[0], dict):
        return
    for layer in layers[1:]:  # an input layer before them says it
        if isinstance(layer, dict) and isinstance(layer.get("config"), dict):
            layer["config"].pop("batch_input_shape", None)
    inner = layers[0].get("config")
    if not isinstance(inner, dict) or layers[0].get("class_name") == "InputLayer":
        return
    shape = inner.pop("batch_input_shape", None)
    if shape is not None:
        start = {"batch_shape": shape, "name": f"{inner.get('name', 'first')}_input"}
        dtype = inner.get("dtype")
        start |= {"dtype": dtype} if isinstance(dtype, str) else {}
        layers.insert(0, {"class_name": "InputLayer", "config": start})


def _renumber(model: dict[str, Any]) -> None:
    """Count the calls of nested models from 0: in Keras 2 the first was the model's making."""
    layers = [each for each in model.get("layers", []) if isinstance(each, dict)]
    nested = {each.get("name"): each for each in layers if each.get("class_name") in _MODELS}
    calls = [
        call
        for each in layers
        if isinstance(each.get("inbound_nodes"), list)
        for node in each["inbound_nodes"]
        if isinstance(node, list)
        for call in node
        if isinstance(call, list) and len(call) >= 3 and call[0] in nested
    ]
    ends = model.get("output_layers")
    outputs = [
        end
        for end in (ends if isinstance(ends, list) else [])
        if isinstance(end, list) and len(end) == 3 and end[0] in nested
    ]
    for side in ("input_layers", "output_layers"):
        if isinstance(model.get(side), list) and len(model[side]) == 1:
            (model[side],) = model[side]  # one tensor, not a list of one
    for name, layer in nested.items():
        own = [call for call in calls if call[0] == name]
        last = [end for end in outputs if end[0] == name]
        if min((call[1] for call in (*own, *last)), default=0) < 1:
            continue
        # Keras 3 counts so itself where a functional model is the last layer.
        for call in own + (last if layer["class_name"] == "Sequential" else []):
            call[1] -= 1


def _module_of(kind: str) -> str:
    if kind == "Functional":
        return "keras.src.models.functional"
    if kind in _MODELS:
        return "keras"
    return "keras.initializers" if kind in _INITIALIZERS else "keras.layers"
