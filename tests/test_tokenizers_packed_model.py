"""A model as columns: comes back exactly, and damage is told."""

import random

import numpy as np
import pytest

from embzip.errors import EmbzipError, FileFormatError, TokenizerError
from embzip.tokenizers import YttmModel
from embzip.tokenizers.packed_model import pack, unpack
from embzip.vocabulary import compress

PLAIN = b"3 2\n97 5\n98 6\n9601 4\n5 6 7\n4 7 8\n1 0 2 3\n"
MODEL = YttmModel.parse(PLAIN, "tiny")
ROWS = 9
FIELDS: dict[str, object] = {"lowercase": True, "unicode": "NFC"}


def test_by_eye() -> None:
    header = np.array([3, 2, 1, 0, 2, 3], "<i4").tobytes()
    codepoints = bytes([97, 98, 9601 & 255, 0, 0, 9601 >> 8]) + bytes(6)
    # The ids 5, 6, 4 are 5, 0 and -3 more than expected after -1, 5, 6.
    ids = bytes([5, 0, 253]) + bytes([0, 0, 255]) * 3
    left, right, new = bytes([5, 4]) + bytes(6), bytes([6, 7]) + bytes(6), bytes([7, 0]) + bytes(6)
    assert pack(MODEL, None) == header + codepoints + ids + left + right + new


@pytest.mark.parametrize("fields", [None, FIELDS, {}])
def test_round_trip_keeps_the_order_of_lines(fields: dict[str, object] | None) -> None:
    model, found = unpack(pack(MODEL, fields), ROWS)
    assert (model.to_bytes(), found) == (PLAIN, fields)


def test_a_model_without_begin_and_end_or_merges() -> None:
    content = b"2 0\n97 3\n9601 2\n1 0 -1 -1\n"
    model, _ = unpack(pack(YttmModel.parse(content, "tiny"), None), 4)
    assert model.to_bytes() == content


def test_columns_are_smaller_than_lines() -> None:
    chance = random.Random(0)
    merges: dict[str, tuple[int, int, int]] = {}
    pieces = ["▁", *"abcdefghijklmnopqrstuvwxyz"]
    while len(merges) < 2000:
        left = int(chance.random() ** 2 * len(pieces))
        right = int(chance.random() ** 2 * len(pieces))
        piece = pieces[left] + pieces[right]
        if piece not in merges and len(piece) < 30:
            merges[piece] = (4 + left, 4 + right, 4 + len(pieces))
            pieces.append(piece)
    alphabet = tuple((ord(piece), 4 + place) for place, piece in enumerate(pieces[:27]))
    model = YttmModel(alphabet, tuple(merges.values()))
    assert unpack(pack(model, None), len(model.pieces()))[0] == model
    assert len(compress(pack(model, None))) < 0.7 * len(compress(model.to_bytes()))


def test_every_prefix_is_refused_but_the_one_without_a_record() -> None:
    content = pack(MODEL, FIELDS)
    whole = len(pack(MODEL, None))
    for end in range(len(content)):
        if end == whole:  # the bytes are compressed, and have a digest, in the file they stand in
            continue
        with pytest.raises(FileFormatError):
            unpack(content[:end], ROWS)


def test_every_edited_byte_is_refused_or_another_valid_model() -> None:
    content = pack(MODEL, FIELDS)
    for at in range(len(content)):
        for flip in (1, 64, 128, 255):
            try:
                model, _ = unpack(
                    content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :], ROWS
                )
            except EmbzipError:
                continue
            assert len(set(model.pieces())) == len(model.pieces())


@pytest.mark.parametrize("record", [b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_a_record_that_is_none(record: bytes) -> None:
    with pytest.raises(
        FileFormatError,
        match=r"the record of the BPE model (is not|is JSON nested|must be a) ",
    ):
        unpack(pack(MODEL, None) + record, ROWS)


def test_case_35_a_huge_header_is_refused_before_allocation() -> None:
    for n, m in ((2**31 - 1, 0), (0, 2**31 - 1), (-1, 0), (0, -1)):
        header = np.array([n, m, 1, 0, 2, 3], "<i4").tobytes()
        with pytest.raises(FileFormatError, match=r"declares .* are too few"):
            unpack(header + bytes(100), ROWS)
    with pytest.raises(TokenizerError):
        unpack(np.array([0, 0, 1, 0, 2, 3], "<i4").tobytes(), 4)
