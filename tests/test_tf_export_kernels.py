"""Kernels stay in an export as the classifier's file stores them, with the same answers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from onnx import numpy_helper

from embzip.classifier import Classifier, Encoder, Kit
from embzip.classifier.storage import SCALED
from embzip.cli import main
from embzip.tf.export import export
from embzip.tf.export.kernels import content_of, contents
from tests.models import SHAPES, classifiers, tiny_classifier

TARGETS = ["litert", "savedmodel", "frozen", "onnx"]


def stored(path: Path, target: str) -> list[Any]:
    """The arrays that stand in an exported file; what is made of them at run time does not."""
    if target == "onnx":
        return [numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    if target == "frozen":
        graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        tensors = [node.attr["value"].tensor for node in graph.node if node.op == "Const"]
        return [tf.make_ndarray(tensor) for tensor in tensors]
    if target == "savedmodel":
        reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
        return [np.array(reader.get_tensor(key)) for key in reader.get_variable_to_shape_map()]
    interpreter = Interpreter(str(path))
    kept = []
    for details in interpreter.get_tensor_details():
        try:
            kept.append(interpreter.get_tensor(details["index"]))
        except ValueError:  # computed, not stored
            continue
    return kept


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("encoder", SHAPES)
@pytest.mark.parametrize("form", ["float16", *SCALED])
def test_stored_kernels_stay(
    tmp_path: Path, target: str, encoder: type[Encoder], form: str
) -> None:
    model = replace(tiny_classifier("pq:2,bits=2", encoder=encoder), kernels=form)
    made = export(model, tmp_path / "model", to=target)
    assert made.max_difference < 1e-6
    assert made.kernels == (form,)
    arrays = stored(tmp_path / "model", target)
    floats = [array for array in arrays if array.dtype == np.float32]
    assert not contents([model]) & {content_of(array) for array in floats}, "no kernel is float32"
    kernels = [array for name, array in model.arrays.items() if name.endswith("kernel")]
    dtype = "float16" if form == "float16" else "int8"
    small = sum(array.size for array in arrays if array.dtype == dtype)
    assert small >= sum(kernel.size for kernel in kernels)


@pytest.mark.parametrize("target", TARGETS)
def test_a_kit_keeps_the_form_of_each_classifier(tmp_path: Path, target: str) -> None:
    forms = dict(zip(classifiers(), ("int8", "float32", "float16", "int4"), strict=True))
    kit = Kit.of({name: replace(c, kernels=forms[name]) for name, c in classifiers().items()})
    made = export(kit, tmp_path / "model", to=target)
    assert made.max_difference < 1e-6
    assert set(made.kernels) == {"float32", "float16", "int8", "int4"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("form", SCALED)
def test_a_form_that_is_asked_for(tmp_path: Path, target: str, form: str) -> None:
    model = replace(tiny_classifier("int8", dim=300), kernels=form)
    kept = export(model, tmp_path / "kept", to=target)
    wide = export(model, tmp_path / "wide", to=target, kernels="float32")
    assert wide.max_difference < 1e-6
    kernels = sum(array.nbytes for name, array in model.arrays.items() if name.endswith("kernel"))
    assert kept.nbytes < wide.nbytes - 0.4 * kernels
    again = export(model, tmp_path / "again", to=target, kernels=form)
    assert again.nbytes == pytest.approx(kept.nbytes, rel=0.05)
    assert again.max_difference < (0.05 if target == "litert" else 1e-6)


def test_the_command_says_how_kernels_are_stored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model: Classifier = replace(tiny_classifier("int8", dim=300), kernels="int8")
    model.save(tmp_path / "model.embz")
    texts = []
    for options in ([], ["--kernels", "float32"], ["--json"]):
        with pytest.raises(SystemExit) as end:
            main(["export", str(tmp_path / "model.embz"), "-o", str(tmp_path / "a.pb"), *options])
        assert end.value.code == 0
        texts.append(capfd.readouterr().out)
    assert "times larger, kernels float32, probabilities within" in texts[1]
    record = json.loads(texts[2])
    assert record["kernels"] == ["int8"]
    assert f"{record['bytes_before']:,} -> {record['bytes_after']:,} bytes" in texts[0]
    assert "kernels int8, probabilities within" in texts[0]
