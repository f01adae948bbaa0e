"""The page on the file format is enough to write a reader, as this one was, without embzip."""

import json
import lzma
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import embzip
from embzip.classifier import Classifier
from embzip.vocabulary import encode_tokens
from scripts.make_golden import CLASSIFIER
from tests.models import tiny_classifier

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def checksum(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the record and the tensors of a file, all digests compared."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    record = json.loads(header.pop("__metadata__")["embzip"])
    assert record["version"] == 1
    stated = record.pop("header_digest")
    covered = json.dumps(
        {"record": record, "tensors": header},
        sort_keys=True, separators=(",", ":"), ensure_ascii=False,
    )  # fmt: skip
    assert checksum(covered.encode()) == stated
    tensors = {}
    order = sorted(header, key=lambda name: header[name]["data_offsets"])
    for name, digest in zip(order, record["digests"], strict=True):
        entry = header[name]
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        assert checksum(raw[first:last]) == digest
        numbers = np.frombuffer(raw[first:last], TYPES[entry["dtype"]])
        tensors[name] = numbers.reshape(entry["shape"])
    small = tensors.pop("small").tobytes()
    for name, dtype, shape in sorted(layout_of(record)):
        size = int(np.dtype(dtype).itemsize * np.prod(shape))
        if name not in tensors and size < 4096:
            tensors[name] = np.frombuffer(small[:size], dtype).reshape(shape)
            small = small[size:]
    for index, size in enumerate(record.get("heads", [])):
        tensors[f"heads.{index}.config"] = np.frombuffer(small[:size], np.uint8)
        small = small[size:]
    assert not small
    return record, tensors


def layout_of(record: dict[str, Any]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return name, type and shape of all codes and params."""
    *transforms, quantizer = record["codec"].split("|")
    rows, columns = record["rows"], record["dim"]
    found: list[tuple[str, str, tuple[int, ...]]] = []
    for index, stage in enumerate(transforms):
        if stage == "center":
            found.append((f"params.{index}.mean", "<f4", (columns,)))
            continue
        rank = int(stage.removeprefix("svd:").partition(",")[0])
        if stage.endswith(",components=int8"):
            found.append((f"params.{index}.octets", "i1", (rank, columns)))
            found.append((f"params.{index}.scale", "<f4", (rank,)))
        else:
            found.append((f"params.{index}.components", "<f4", (rank, columns)))
        columns = rank
    kind = {"float32": "<f4", "float16": "<f2"}.get(quantizer, "i1")
    found.append(("codes.values", kind, (rows, columns)))
    if quantizer == "int8":
        found.append(("codes.scale", "<f4", (rows,)))
    elif quantizer == "int8:scale=column":
        found.append((f"params.{len(transforms)}.scale", "<f4", (columns,)))
    return found


def table_of(record: dict[str, Any], tensors: dict[str, np.ndarray]) -> np.ndarray:
    """Decode every row."""
    *transforms, quantizer = record["codec"].split("|")
    rows = tensors["codes.values"].astype(np.float32)
    if quantizer == "int8":
        rows = rows * tensors["codes.scale"][:, None]
    elif quantizer == "int8:scale=column":
        rows = rows * tensors[f"params.{len(transforms)}.scale"]
    else:
        assert quantizer in ("float32", "float16")
    for index, stage in reversed(list(enumerate(transforms))):
        if stage == "center":
            rows = rows + tensors[f"params.{index}.mean"]
        elif stage.endswith(",components=int8"):
            octets = tensors[f"params.{index}.octets"].astype(np.float32)
            rows = rows @ (octets * tensors[f"params.{index}.scale"][:, None])
        else:
            rows = rows @ tensors[f"params.{index}.components"]
    pad = 0 if "tokenizer" in record else record.get("pad_id")
    if pad is not None:
        rows[pad] = 0
    return rows


def tokens_of(content: bytes) -> list[str]:
    """Decode a coded list of tokens."""
    assert struct.unpack_from("<I", content)[0] == crc32(content[4:])
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}]
    plain = lzma.decompress(content[4:], lzma.FORMAT_RAW, filters=filters)
    tokens: list[bytes] = []
    at = 0
    while at < len(plain):
        number = 0
        while plain[at] == 0x1F:
            number, at = number + 31, at + 1
        number, at = number + plain[at], at + 1
        before = tokens[-1] if tokens else b""
        text = bytearray(before[: len(before) - number + 1] if number else b"")
        while at < len(plain) and plain[at] >= 0x20:
            if plain[at] == 0xFF:
                at += 1
            text.append(plain[at] - 0x40 if plain[at - 1] == 0xFF else plain[at])
            at += 1
        tokens.append(bytes(text))
    return [token.decode() for token in tokens]


def head_of(tensors: dict[str, np.ndarray], index: int) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the configuration and the float32 arrays of a CNN."""
    config = json.loads(tensors[f"heads.{index}.config"].tobytes())
    content = tensors[f"heads.{index}.arrays"].tobytes()
    form, filters = config.get("kernels", "float32"), config["filters"]
    columns, labels = config["columns"], len(config["labels"])
    shapes = {"dense.kernel": (filters * len(config["windows"]), labels), "dense.bias": (labels,)}
    for window, width in enumerate(config["windows"]):
        shapes[f"conv.{window}.kernel"] = (width, columns, filters)
        shapes[f"conv.{window}.bias"] = (filters,)
    bits = {"float32": 32, "float16": 16, "int8": 8, "int4": 4, "int2": 2}[form]
    at, arrays = 0, {}
    for name, shape in sorted(shapes.items()):
        count = int(np.prod(shape))
        if bits <= 8 and name.endswith(".kernel"):
            scale = np.frombuffer(content, "<f2", shape[-1], at).astype(np.float32)
            at += 2 * shape[-1]
            octets = np.frombuffer(content, np.uint8, -(-count * bits // 8), at)
            at += len(octets)
            codes = octets[:, None] >> np.arange(0, 8, bits) & (2**bits - 1)
            middle = 127 if bits == 8 else (2**bits - 1) / 2
            levels = codes.reshape(-1)[:count].reshape(shape) - np.float32(middle)
            arrays[name] = scale * levels.astype(np.float32)
        else:
            kind = np.dtype("<f4" if bits == 32 else "<f2")
            arrays[name] = np.frombuffer(content, kind, count, at).reshape(shape)
            at += count * kind.itemsize
    assert at == len(content)
    return config, arrays


@pytest.mark.parametrize("kernels", ["float32", "float16", "int8", "int4", "int2"])
@pytest.mark.parametrize("spec", ["int8", "svd:4|int8", "center|svd|int8:scale=column", "float16"])
def test_a_reader_written_from_the_page(spec: str, kernels: str, tmp_path: Path) -> None:
    plain = tiny_classifier(spec)
    Classifier(
        plain.embedding, plain.labels, plain.config, plain.arrays, kernels=kernels
    ).save(tmp_path / "a.embz")  # fmt: skip
    assert_read(tmp_path / "a.embz")


def test_it_reads_the_golden_classifier() -> None:
    assert_read(CLASSIFIER)


def assert_read(path: Path) -> None:
    model = embzip.load_model(path)
    assert isinstance(model, Classifier)
    record, tensors = read(path)
    table = model.embedding
    assert (record["rows"], record["dim"]) == table.shape
    np.testing.assert_allclose(table_of(record, tensors), table.decode(), rtol=1e-6, atol=1e-6)
    assert tokens_of(tensors["tokenizer"].tobytes()) == list(table.vocabulary)[2:]
    config, arrays = head_of(tensors, 0)
    assert tuple(config["labels"]) == model.labels
    assert config["windows"] == list(model.config.windows)
    assert arrays.keys() == model.arrays.keys()
    for name, array in model.arrays.items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize(
    "tokens",
    [
        ["able", "ably", "zoo"],
        ["zoo", "a\x01b\x1f", "café", "caf\U0001f600", "x" * 100, "x" * 3 + "y" * 80, "x"],
    ],
)
def test_it_reads_any_list_of_tokens(tokens: list[str], tmp_path: Path) -> None:
    assert tokens_of(encode_tokens(tokens)) == tokens
    table = embzip.Vectors(embzip.Vocabulary(tokens), np.eye(len(tokens), dtype=np.float32))
    embzip.save(embzip.compress(table, "int8"), tmp_path / "a.embz")
    record, tensors = read(tmp_path / "a.embz")
    assert tokens_of(tensors["vocabulary"].tobytes()) == tokens
    np.testing.assert_allclose(table_of(record, tensors), np.eye(len(tokens)), atol=1e-6)
