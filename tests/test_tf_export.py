"""Exports against the NumPy definition, loaded in processes that do not know embzip."""

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from embzip.classifier import Classifier, Kit, head_shapes, load_model
from embzip.classifier.factorizing import factorize
from embzip.classifier.rebuilding import rebuild
from embzip.cli import main
from embzip.errors import InputError, MissingPackageError, SpecError, UnsupportedModelError
from embzip.foreign.inspecting import inspect
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim
from embzip.tf.export import export
from embzip.tf.export.kernels import quantized_kernel
from tests.models import tiny_classifier
from tests.processes import run_tensorflow

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
)

TEXTS = ["able lion zoo", "", "people say " * 9, "tiger unheard of"]
EACH_KIND = [
    "float32", "float16", "int8", "int4", "int1", "svd:3|int2", "center|svd:4|int8:scale=column",
    "kmeans:4", "sparse:2", "rows:4", "pq:3,bits=2", "rq:2,bits=2", "normalize|int4", "tcq:5",
    "svd|tcq:5,states=128", "svd:3,components=int8|int4", "mixed:5", "topdim:1|int8",
    "opq:3,bits=2", "ectcq:4", "svd|coarse:5|tcq:4", "normalize|tcq:5", "normalize|coarse:5|int4",
]  # fmt: skip

# What a stranger does: no embzip, the ids in, the probabilities out.
LOADERS = {
    "litert": """
from ai_edge_litert.interpreter import Interpreter
run = Interpreter(model_path=path)
place = run.get_input_details()[0]["index"]
run.resize_tensor_input(place, ids.shape)
run.allocate_tensors()
run.set_tensor(place, ids)
run.invoke()
found = run.get_tensor(run.get_output_details()[0]["index"])
""",
    "savedmodel": """
import tensorflow as tf
model = tf.saved_model.load(path)
found = model.signatures["serving_default"](ids=tf.constant(ids))[output].numpy()
""",
    "frozen": """
import tensorflow as tf
graph = tf.compat.v1.GraphDef.FromString(open(path, "rb").read())
with tf.Graph().as_default() as made:
    tf.compat.v1.import_graph_def(graph, name="")
    with tf.compat.v1.Session(graph=made) as session:
        found = session.run(output + ":0", {"ids:0": ids})
""",
    "onnx": """
import onnxruntime
found = onnxruntime.InferenceSession(path).run([output + ":0"], {"ids:0": ids})[0]
""",
}


# TensorFlow's own command, `saved_model_cli show --dir model ...`.
SHOW = """
import contextlib, io, sys
from tensorflow.python.tools.saved_model_cli import main
sys.argv[1:] = "show --dir model --tag_set serve --signature_def serving_default".split()
with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
    main()
found = printed.getvalue()
"""


def by_a_stranger(target: str, path: Path, ids: Any, output: str = "probabilities") -> Any:
    """Run a file in a process where importing embzip fails."""
    code = (
        f"import sys\nassert 'embzip' not in sys.modules\nsys.modules['embzip'] = None\n"
        f"{LOADERS[target]}\nassert sys.modules['embzip'] is None"
    )
    return run_tensorflow(code, path.parent, path=str(path), ids=ids, output=output)


def padded(model: Classifier) -> Any:
    rows = model.encode(TEXTS)
    return np.array([row + [0] * (model.max_length - len(row)) for row in rows], np.int32)


@pytest.mark.parametrize("spec", EACH_KIND)
def test_codes_of_each_kind_decode_in_litert(tmp_path: Path, spec: str) -> None:
    model = tiny_classifier(spec)
    path = tmp_path / "model.tflite"
    assert export(model, path).max_difference < 1e-5
    loaded = load_model(path)
    np.testing.assert_allclose(loaded.probabilities(TEXTS), model.probabilities(TEXTS), atol=1e-5)
    assert loaded.labels == model.labels
    # The converter may store an array flat.
    tensors = Interpreter(str(path)).get_tensor_details()
    held = {(each["dtype"], int(np.prod(each["shape"]))) for each in tensors}
    for name, codes in model.embedding.codes.items():
        stored = codes if codes.dtype != np.float16 else codes.view(np.int16)
        assert (stored.dtype.type, stored.size) in held, name


@pytest.mark.parametrize("target", ["savedmodel", "frozen", "onnx"])
@pytest.mark.parametrize(
    "spec",
    [
        "float16",
        "svd:3|int4",
        "tcq:5",
        "svd|coarse:5|tcq:4",
        "coarse:5|int4",
        "svd|normalize|tcq:5",
        "normalize|coarse:5|int4",
    ],
)
def test_other_targets_equal_numpy(tmp_path: Path, target: str, spec: str) -> None:
    model = tiny_classifier(spec)
    assert export(model, tmp_path / "model", to=target).max_difference < 1e-5


@pytest.mark.parametrize("target", LOADERS)
def test_it_loads_without_embzip(tmp_path: Path, target: str) -> None:
    model = rebuild(tiny_classifier(), codec="svd:4|int8")
    path = tmp_path / "model"
    export(model, path, to=target)
    found = by_a_stranger(target, path, padded(model))
    np.testing.assert_allclose(found, model.probabilities(TEXTS), atol=1e-5)


@pytest.mark.parametrize("target", ["savedmodel", "frozen", "onnx"])
def test_a_kit_loads_without_embzip(tmp_path: Path, target: str) -> None:
    kit = Kit.of({"topic": tiny_classifier("int8"), "mood": tiny_classifier("int8", seed=0)})
    path, ids = tmp_path / "model", padded(kit.classifiers["mood"])
    export(kit, path, to=target)
    found = by_a_stranger(target, path, ids, "mood")
    np.testing.assert_allclose(found, kit.probabilities(TEXTS)["mood"], atol=1e-5)


@pytest.mark.parametrize("target", ["savedmodel", "frozen"])
def test_rebuilt_files_load_without_embzip(folder: Path, tmp_path: Path, target: str) -> None:
    ids = np.random.default_rng(2).integers(0, 50, (5, 7)).astype(np.int32)
    path = tmp_path / ("small.pb" if target == "frozen" else "small")
    rebuild_file(folder / "ref", path, codec="int8")
    slim(folder / "ref", tmp_path / "plain.pb", to="frozen")
    plain = by_a_stranger("frozen", tmp_path / "plain.pb", ids, "probs")
    assert 0 < np.abs(by_a_stranger(target, path, ids, "probs") - plain).max() < 0.02


def test_the_command_prints_the_largest_difference(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny_classifier("int8").save(tmp_path / "model.embz")
    for target in LOADERS:
        call = ["export", str(tmp_path / "model.embz"), "--to", target]
        with pytest.raises(SystemExit) as end:
            main([*call, "-o", str(tmp_path / f"out-{target}")])
        assert end.value.code == 0
        told = re.search(r"within (\S+) of the classifier's", capfd.readouterr().out)
        assert told is not None
        assert float(told[1]) < 1e-5


@pytest.mark.parametrize("target", ["litert", "savedmodel", "frozen"])
@pytest.mark.parametrize(("kernels", "tolerance"), [("float16", 0.02), ("int8", 0.9)])
def test_smaller_kernels(tmp_path: Path, target: str, kernels: str, tolerance: float) -> None:
    model = tiny_classifier("int8", dim=600)
    plain = export(model, tmp_path / "plain", to=target)
    small = export(model, tmp_path / "small", to=target, kernels=kernels)
    assert 0 < small.max_difference < tolerance
    full = sum(a.nbytes for n, a in model.arrays.items() if n.endswith("kernel"))
    share = {"float16": 0.5, "int8": 0.75}[kernels]
    # A scale a filter and a few nodes are the price.
    assert small.nbytes < plain.nbytes - share * full + 12_000


def with_windows(windows: tuple[int, ...], spec: str, **options: Any) -> Classifier:
    """Return a folded classifier with other windows."""
    model = tiny_classifier(dim=12, **options)
    config = replace(model.config, windows=windows)
    rng = np.random.default_rng(1)
    shapes = head_shapes(config, len(model.labels))
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return rebuild(replace(model, config=config, arrays=arrays), codec=spec)


@pytest.mark.parametrize("spec", ["svd:4|int8", "center|svd:4|int8"])
@pytest.mark.parametrize(
    ("windows", "widths"), [((1, 1, 2, 3), 3), ((2, 1, 2, 3, 1), 3), ((2, 2), 1), ((3,), 1)]
)
def test_windows_of_equal_width_are_one_convolution(
    tmp_path: Path, windows: tuple[int, ...], widths: int, spec: str
) -> None:
    model = with_windows(windows, spec)
    path = tmp_path / "model.tflite"
    assert export(model, path).max_difference < 1e-5
    operators = [o["op_name"] for o in Interpreter(str(path))._get_ops_details()]
    assert operators.count("CONV_2D") == widths
    assert export(model, path, kernels="int8").max_difference < 0.2
    small = {d["dtype"] for d in Interpreter(str(path)).get_tensor_details() if d["shape"].size > 3}
    assert np.int8 in small
    assert export(model, path, calibrate=TEXTS).max_difference < 0.3


@pytest.mark.parametrize("target", ["litert", "savedmodel", "frozen", "onnx"])
def test_a_factorized_dense_layer_reads_features_in_their_new_order(
    tmp_path: Path, target: str
) -> None:
    model = factorize(with_windows((2, 1, 2), "int8"), rank=1)
    assert export(model, tmp_path / "model", to=target).max_difference < 1e-5


def test_only_kernels_become_int8(tmp_path: Path) -> None:
    """Tables and components stay float32 whatever their size: the converter would take them."""
    model = rebuild(tiny_classifier(dim=40), codec="svd:8|pq:8,bits=2", fold=False)
    path = tmp_path / "model.tflite"
    export(model, path, kernels="int8")
    details = Interpreter(str(path)).get_tensor_details()
    whole = {tuple(d["shape"]) for d in details if d["dtype"] == np.int8}
    assert whole == {(5, 1, window, 40) for window in (1, 2, 3)} | {(2, 15)}
    real = {tuple(d["shape"]) for d in details if d["dtype"] == np.float32}
    assert (40, 8) in real or (8, 40) in real  # the components


def test_int8_arithmetic(tmp_path: Path) -> None:
    model = tiny_classifier("int8", dim=16)
    result = export(model, tmp_path / "model.tflite", calibrate=TEXTS)
    assert 0 < result.max_difference < 0.15
    details = Interpreter(str(tmp_path / "model.tflite")).get_tensor_details()
    ranges = [d for d in details if d["dtype"] == np.int8 and d["quantization"][0] > 0]
    assert ranges, "inputs and outputs have one scale each"


def test_quantized_kernels_are_nearest() -> None:
    kernel = np.array([[1.27, -0.5, 0.004], [0, 0, 0]], np.float32)
    levels, scale = quantized_kernel(kernel)
    assert levels.tolist() == [[127, -50, 0], [0, 0, 0]]
    np.testing.assert_allclose(scale, [0.01, 2**-16], rtol=2**-10)


def test_case_66_a_savedmodel_stores_each_weight_once(tmp_path: Path) -> None:
    model = tiny_classifier("float32", dim=60_000)
    result = export(model, tmp_path / "model", to="savedmodel")
    payload = model.embedding.nbytes + sum(array.nbytes for array in model.arrays.values())
    assert payload < result.nbytes <= 1.05 * payload
    content = b"".join(p.read_bytes() for p in (tmp_path / "model").rglob("*") if p.is_file())
    assert b"optimizer" not in content.lower()
    shown = run_tensorflow(SHOW, tmp_path)
    assert "inputs['ids'] tensor_info" in shown
    assert "outputs['probabilities']" in shown


def test_case_68_more_than_2_gb_is_refused_before_it_is_built(tmp_path: Path) -> None:
    model = tiny_classifier("int8:scale=none")
    rows = len(model.embedding)
    codes = {"values": np.broadcast_to(np.int8(0), (rows, 2**31 // rows))}
    huge = replace(model.embedding, codes=codes)
    object.__setattr__(model, "embedding", huge)
    for target in ("litert", "frozen", "onnx"):
        with pytest.raises(UnsupportedModelError, match="at most 2 GB"):
            export(model, tmp_path / "model", to=target)
    assert list(tmp_path.iterdir()) == []


def test_attached_files_are_a_zip_that_unzip_reads(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    export(tiny_classifier("int8"), path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["config.json", "labels.json", "tokenizer"]
        assert json.loads(archive.read("labels.json")) == [["animals", "people"]]
    listed = subprocess.run(["unzip", "-t", path], capture_output=True, text=True)
    assert listed.returncode <= 1  # 1: bytes before the archive, which it names and reads past
    assert "No errors detected" in listed.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": "coreml"}, "unknown target 'coreml': the known ones are litert, savedmodel"),
        ({"kernels": "int3"}, "unknown type of kernels 'int3' .*: the known ones are float32"),
        ({"to": "frozen", "calibrate": ["lion"]}, "only litert can compute in int8"),
    ],
)
def test_choices_that_cannot_be(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        export(tiny_classifier(), tmp_path / "model", **options)


@pytest.mark.parametrize(
    ("target", "missing", "command"),
    [
        ("litert", "ai_edge_litert", "pip install 'ai-edge-litert>=2.0'"),
        ("onnx", "tf2onnx", "pip install 'tf2onnx>=1.17'"),
    ],
)
def test_case_72_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, missing: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingPackageError) as raised:
        export(tiny_classifier(), tmp_path / "model", to=target)
    assert command in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_inspecting_an_export_tells_table_and_tokenizer_from_the_head(tmp_path: Path) -> None:
    model, path = tiny_classifier("int8"), tmp_path / "model.tflite"
    export(model, path)
    record = inspect(path).to_json()
    with zipfile.ZipFile(path) as archive:
        attached = {m.filename: m.compress_size for m in archive.infolist()}
    assert record["bytes"]["vocabulary"] == attached["tokenizer"] + attached["labels.json"]
    rows, dim = model.embedding.rows, model.embedding.dim
    assert record["bytes"]["embedding"] == rows * (dim + 4)  # and a float32 scale a row
    assert sum(record["bytes"].values()) == 2 * path.stat().st_size


def test_inspecting_an_export_whose_attachment_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    export(tiny_classifier("int8"), path)
    content = path.read_bytes()
    at = content.rindex(b"PK\x01\x02")
    path.write_bytes(content[:at] + b"PK\x09\x09" + content[at + 4 :])
    with pytest.raises(InputError, match="files attached to the model are damaged"):
        inspect(path)
