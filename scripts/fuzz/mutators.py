"""Damage: functions that change the bytes of a file, by a seeded generator. They know no embzip.

Bytes: `flip_bits`, `set_bytes`, `truncate`, `insert`, `drop`, `swap`, `repeat`, `inflate`. What has
a form keeps it, so that damage reaches what lies behind the first check: `edit_json`, `edit_lines`,
`edit_zip_members` (with right CRCs), `edit_zip_fields`, `edit_protobuf` (with right lengths).
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Mutator = Callable[[bytes, Random], bytes]

_NUMBERS = (
    0,
    1,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
_DIGITS = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_ODD_TEXTS = (
    b"-1", b"0", b"2147483647", b"2147483648", b"9223372036854775808", b"9" * 26, b"9" * 400,
    b"1e400", b"-0.0", b"nan", b"inf", b"1e-400", b"0x10", b"1_000", b"", b" ", b"\xd9\xa3",
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31 - 1, 2**63, 10**26, -(10**26), 0.5, 1e308, float("nan"),
    float("inf"), "", "a", "\0", "\ud800", "a\nb", "x" * 5000, [], {}, [[]], [None], {"": None},
    {"name": "a"}, ["a", "a"], [1, 2, 3],
)  # fmt: skip


def flip_bits(content: bytes, rng: Random) -> bytes:
    """Flip one to three bits."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def set_bytes(content: bytes, rng: Random) -> bytes:
    """Set one to four bytes that follow each other."""
    at = rng.randrange(len(content) + 1)
    new = rng.randbytes(rng.randint(1, 4)) if rng.random() < 0.5 else b"\xff" * rng.randint(1, 4)
    return content[:at] + new + content[at + len(new) :]


def truncate(content: bytes, rng: Random) -> bytes:
    """Cut the end off."""
    return content[: rng.randrange(len(content) + 1)]


def insert(content: bytes, rng: Random) -> bytes:
    """Put some bytes somewhere."""
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.choice((1, 1, 2, 8, 100))) + content[at:]


def drop(content: bytes, rng: Random) -> bytes:
    """Take some bytes out."""
    at = rng.randrange(len(content) + 1)
    return content[:at] + content[at + rng.choice((1, 1, 2, 8, 100)) :]


def swap(content: bytes, rng: Random) -> bytes:
    """Let two parts of equal length change places."""
    length = rng.choice((1, 2, 4, 8, 64))
    if len(content) < 2 * length:
        return flip_bits(content, rng)
    first, second = sorted(rng.randrange(len(content) - length + 1) for _ in range(2))
    if second < first + length:
        return flip_bits(content, rng)
    one, two = content[first : first + length], content[second : second + length]
    between = content[first + length : second]
    return content[:first] + two + between + one + content[second + length :]


def repeat(content: bytes, rng: Random) -> bytes:
    """Write a part of it once more, or often."""
    at = rng.randrange(len(content) + 1)
    part = content[at : at + rng.choice((1, 8, 100, 1000))]
    return content[:at] + part * rng.choice((2, 3, 50)) + content[at + len(part) :]


def inflate(content: bytes, rng: Random) -> bytes:
    """Write a large or odd whole number over one, in binary or in digits."""
    found = list(_DIGITS.finditer(content)) if rng.random() < 0.5 else []
    if found:
        chosen = rng.choice(found)
        return content[: chosen.start()] + rng.choice(_ODD_TEXTS) + content[chosen.end() :]
    width = rng.choice((1, 2, 4, 8))
    at = rng.randrange(max(1, len(content) - width))
    at -= at % width if rng.random() < 0.7 else 0
    number = rng.choice(_NUMBERS) % (1 << 8 * width)
    return content[:at] + number.to_bytes(width, "little") + content[at + width :]


PLAIN: tuple[Mutator, ...] = (
    flip_bits, flip_bits, set_bytes, truncate, insert, drop, swap, repeat, inflate, inflate,
)  # fmt: skip


def edit_lines(content: bytes, rng: Random) -> bytes:
    """Change whole lines, fields, separators and line ends of a text."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    fields = re.split(rb"([\t ,=])", lines[at])
    odd = (
        b"",
        b" ",
        b"\t",
        b"\0",
        b"\r",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b'"',
        b"'''",
    )
    match rng.randrange(8):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[rng.randrange(len(lines))])
        case 2:
            lines[at] = b""
        case 3:
            fields[rng.randrange(len(fields))] = rng.choice((*_ODD_TEXTS, *odd))
            lines[at] = b"".join(fields)
        case 4:
            rng.shuffle(fields)
            lines[at] = b"".join(fields)
        case 5:
            lines[at] = rng.choice(odd) + lines[at] + rng.choice(odd)
        case 6:
            return content.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"")))
        case _:
            lines[at] += b"\t" + rng.choice(_ODD_TEXTS)
    return b"\n".join(lines)


def edit_json(content: bytes, rng: Random) -> bytes:
    """Change a key or a value anywhere in a JSON text."""
    try:
        changed = json.dumps(edited(json.loads(content), rng), ensure_ascii=rng.random() < 0.5)
    except (ValueError, RecursionError):  # it was edited before
        return flip_bits(content, rng)
    text = changed.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:  # deeper than any record
        depth = rng.choice((40, 900, 5000))
        text = text[:-1] + b',"deep":' + b"[" * depth + b"]" * depth + text[-1:]
    return text


def edited(value: Any, rng: Random) -> Any:
    """Return a parsed JSON value with one thing changed; the value itself may be changed."""
    places = list(_places(value))
    if not places:
        return rng.choice(_ODD_VALUES)
    holder, key = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        case 2:
            other, name = rng.choice(places)
            if name in other if isinstance(other, dict) else name < len(other):
                holder[key] = json.loads(json.dumps(other[name]))
        case 3 if isinstance(holder, list):
            holder.insert(key, rng.choice(_ODD_VALUES))
        case 4 if isinstance(holder[key], int | float):
            holder[key] = rng.choice((holder[key] + 1, -holder[key], holder[key] * 2, 10**12))
        case _:
            holder[key] = rng.choice(_ODD_VALUES)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = list(value.items()) if isinstance(value, dict) else []
    items = list(enumerate(value)) if isinstance(value, list) else items
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def edit_zip_fields(content: bytes, rng: Random) -> bytes:
    """Change a byte in what a zip archive says of its members: names, sizes, offsets, CRCs."""
    marks = [found.start() for found in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", content)]
    at = rng.choice(marks or [0]) + rng.randrange(46)
    return content[:at] + rng.choice((b"\xff", b"\0", rng.randbytes(1))) + content[at + 1 :]


def edit_zip_members(content: bytes, rng: Random, inner: Mutator = flip_bits) -> bytes:
    """Change, rename or leave out a member of a zip archive, and write it anew with right CRCs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {each.filename: archive.read(each) for each in archive.infolist()}
            begin = min(each.header_offset for each in archive.infolist())
    except Exception:  # noqa: BLE001 - zipfile raises many, and such a file is damaged enough
        return flip_bits(content, rng)
    name = rng.choice(sorted(members))
    match rng.randrange(5):
        case 0 if len(members) > 1:
            del members[name]
        case 1:
            members[rng.choice(("../x", "/x", "a" * 300, name + "x"))] = members.pop(name)
        case _:
            members[name] = inner(members[name], rng)
    whole = io.BytesIO(content[:begin])
    how = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(whole, "a", how) as made:
        for each, inside in members.items():
            made.writestr(zipfile.ZipInfo(each, (1980, 1, 1, 0, 0, 0)), inside)
    return whole.getvalue()


def edit_protobuf(content: bytes, rng: Random) -> bytes:
    """Change one field of a protocol buffer, at any depth; the lengths around it stay right."""
    fields = list(_fields(content))
    if not fields:
        return flip_bits(content, rng)
    start, at, end, wire = rng.choice(fields)
    tag, body = content[start:at], content[at:end]
    if wire == 2:
        _, begin = _varint(content, at)
        inside = content[begin:end]
        nested = any(True for _ in _fields(inside))
        if nested and rng.random() < 0.8:
            inside = edit_protobuf(inside, rng)
        elif rng.random() < 0.7:
            inside = rng.choice((flip_bits, set_bytes, truncate, insert, inflate))(inside, rng)
        size = rng.choice(_NUMBERS) if rng.random() < 0.05 else len(inside)
        body = _coded(size) + inside
    elif wire == 0:
        body = _coded(rng.choice(_NUMBERS))
    else:
        body = rng.randbytes(len(body))
    match rng.randrange(8):
        case 0:
            return content[:start] + content[end:]
        case 1:
            return content[:end] + tag + body + content[end:]
        case 2:
            tag = _coded((rng.randint(1, 20) << 3) | wire)
    return content[:start] + tag + body + content[end:]


def _fields(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, start of the value, end, wire type) of each field, if all of it is fields."""
    found, at = [], 0
    while at < len(content):
        start = at
        tag, at = _varint(content, at)
        wire, value = tag & 7, at
        if wire == 0:
            _, at = _varint(content, at)
        elif wire == 2:
            length, at = _varint(content, at)
            at += length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            return
        if not 0 < tag >> 3 < 1000 or at > len(content):
            return
        found.append((start, value, at, wire))
    yield from found


def _varint(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(content) and shift < 70:
        byte = content[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    return 0, len(content) + 1


def _coded(number: int) -> bytes:
    coded = bytearray()
    while number > 0x7F:
        coded.append(number & 0x7F | 0x80)
        number >>= 7
    coded.append(number)
    return bytes(coded)
