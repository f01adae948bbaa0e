"""Damage under right digests: what a forger would write, which only checks of the content find."""

import io
import json
import lzma
import struct
import zipfile
import zlib
from random import Random
from typing import Any

from embzip.files.reading import digest
from scripts.fuzz.mutators import PLAIN, edit_json, edited, flip_bits, inflate

_FILTERS = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}]
_FLOATS = (0.0, -0.0, 1e-45, -1.0, 3e38, -3e38, float("inf"), float("-inf"), float("nan"), 1e18)


def reseal_embz(content: bytes, rng: Random) -> bytes:
    """Change the record, a shape, or the bytes of a tensor of a .embz file."""
    (length,) = struct.unpack_from("<Q", content)
    head = json.loads(content[8 : 8 + length])
    record = json.loads(head.pop("__metadata__")["embzip"])
    data = content[8 + length :]
    tensors = {name: data[slice(*entry["data_offsets"])] for name, entry in head.items()}
    for _ in range(rng.choice((1, 1, 1, 2))):
        if rng.random() < 0.35:
            kept = {key: record.pop(key) for key in ("digests", "header_digest") if key in record}
            record = edited(record, rng) | kept
        else:
            name = rng.choice(sorted(tensors))
            if name == "small" and rng.random() < 0.7:
                tensors[name] = _configured(tensors[name], record, rng)
            else:
                tensors[name] = _changed(name, head[name]["dtype"], tensors[name], record, rng)
    if rng.random() < 0.15:
        head = edited(head, rng)
    return _sealed(record, head, tensors)


def _configured(content: bytes, record: Any, rng: Random) -> bytes:
    """Return small tensors with another configuration of a classifier, whose length is told."""
    lengths = record.get("heads") if isinstance(record, dict) else None
    if not isinstance(lengths, list) or not all(isinstance(length, int) for length in lengths):
        return content
    which = rng.randrange(len(lengths)) if lengths else 0
    first = len(content) - sum(lengths[which:])
    if not lengths or first < 0 or lengths[which] < 0:
        return content
    changed = edit_json(content[first : first + lengths[which]], rng)
    after = content[first + lengths[which] :]
    lengths[which] = len(changed)
    return content[:first] + changed + after


def _changed(name: str, dtype: str, content: bytes, record: Any, rng: Random) -> bytes:
    """Return another content of a tensor; what is compressed is changed inside."""
    if name in ("tokenizer", "vocabulary") and rng.random() < 0.8:
        bpe = record.get("tokenizer") == "bpe"
        packed = content if bpe else content[4:]
        try:
            plain = lzma.decompress(packed, lzma.FORMAT_RAW, filters=_FILTERS)
        except lzma.LZMAError:
            return flip_bits(content, rng)
        made = rng.choice(PLAIN)(plain, rng)
        packed = lzma.compress(made, lzma.FORMAT_RAW, filters=_FILTERS)
        return packed if bpe else zlib.crc32(packed).to_bytes(4, "little") + packed
    if dtype == "F32" and len(content) >= 4 and rng.random() < 0.6:
        at = 4 * rng.randrange(len(content) // 4)
        number = struct.pack("<f", rng.choice(_FLOATS))
        if rng.random() < 0.2:
            return number * (len(content) // 4)
        return content[:at] + number + content[at + 4 :]
    return rng.choice(PLAIN)(content, rng)


def _sealed(record: Any, head: dict[str, Any], tensors: dict[str, bytes]) -> bytes:
    """Return a file of these parts whose digests and offsets are right where there are any."""
    at, parts = 0, []
    for name, entry in head.items():
        part = tensors.get(name, b"")
        parts.append(part)
        if isinstance(entry, dict) and "data_offsets" in entry:
            entry["data_offsets"] = [at, at + len(part)]
            one = isinstance(entry.get("shape"), list) and len(entry["shape"]) == 1
            if one and entry.get("dtype") in ("U8", "I8"):
                entry["shape"] = [len(part)]
        at += len(part)
    if isinstance(record, dict):
        record = {key: value for key, value in record.items() if key != "header_digest"}
        record["digests"] = [digest(part) for part in parts]
        covered = {"record": record, "tensors": head}
        record["header_digest"] = digest(_json(covered).encode("utf-8", "surrogatepass"))
    whole = {"__metadata__": {"embzip": _json(record)}, **head}
    text = json.dumps(whole, separators=(",", ":"))
    coded = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(coded)) + coded + b"".join(parts)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def reseal_model(content: bytes, rng: Random) -> bytes:
    """Change a BPE model in front of its record, or the record, and write the digest anew."""
    model, newline, line = content.rstrip(b"\n").rpartition(b"\n")
    record = json.loads(line)
    record.pop("digest")
    model += newline
    if rng.random() < 0.3:
        record = edited(record, rng)
    else:
        model = rng.choice((*PLAIN, inflate, inflate))(model, rng)
    coded = json.dumps(record, sort_keys=True).encode()
    record["digest"] = digest(model + coded)
    return model + json.dumps(record, sort_keys=True).encode() + b"\n"


def reseal_tflite(content: bytes, rng: Random) -> bytes:
    """Change a .tflite or a file attached to it, and write the archive with right CRCs."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        begin = min(each.header_offset for each in archive.infolist())
    model = content[:begin]
    if rng.random() < 0.3:
        model = rng.choice(PLAIN)(model, rng)
        config = json.loads(members["config.json"])
        config |= {"model_bytes": len(model), "model_crc32": zlib.crc32(model)}
        members["config.json"] = json.dumps(config).encode()
    name = rng.choice(sorted(members)) if model == content[:begin] else ""
    if name == "tokenizer":
        members[name] = _changed(name, "U8", members[name], {"tokenizer": "words"}, rng)
    elif name:
        members[name] = edit_json(members[name], rng)
    whole = io.BytesIO(model)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as made:
        for each, inside in members.items():
            made.writestr(zipfile.ZipInfo(each, (1980, 1, 1, 0, 0, 0)), inside)
    return whole.getvalue()
