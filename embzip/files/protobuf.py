"""The fields at the beginning of a protobuf message, read without its schema."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A field of a protobuf message: its number, wire type, and number or bytes."""

    number: int
    wire: int
    value: int
    content: bytes


def fields(message: bytes) -> Iterator[Field]:
    """Yield the fields at the beginning of a message, the last cut where the bytes end."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        value, content = 0, b""
        if not 1 <= number <= 1000:
            return
        if wire == 0:
            value, at = _varint(message, at)
        elif wire == 2:
            length, at = _varint(message, at)
            content = message[at : at + length]
            at += length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            return
        yield Field(number, wire, value, content)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << (7 * shift)
        if byte < 128:
            return value, at + shift + 1
    return value, len(message)
