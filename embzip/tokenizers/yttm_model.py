"""Reads, checks, writes and converts the model file of YouTokenToMe (YTTM).

The file is ASCII text: a line `n m`; n lines `codepoint id`; m lines `left right new`, the merges
in priority order; a line `unk pad bos eos`. YTTM reads nothing after that, so embzip adds one more
line, a JSON record with the normalization and a digest of everything else in the file.

YTTM itself checks nothing: a broken file crashes it, or yields the id -1, which would read the
last row of a table. So every file is parsed here before YTTM sees it. Nothing is trained here, and
youtokentome is not imported.

References
----------
Sennrich, Haddow, Birch (2016), Neural Machine Translation of Rare Words with Subword Units.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embzip.errors import TokenizerError
from embzip.files.reading import digest
from embzip.files.records import parse_json, shown

if TYPE_CHECKING:
    import tokenizers

SPACE_MARK = "\u2581"
# The characters that separate words for YTTM: the white space of C's isspace, and the mark itself.
SEPARATORS = "\t\n\x0b\x0c\r " + SPACE_MARK
MAX_PIECES = 1 << 24
# Each merge may double the length of a piece: forty lines could make a terabyte of text.
MAX_CHARACTERS = 1 << 24
_MAX_BYTES = 1 << 29
_FORMAT, _VERSION = "embzip-bpe", 1
_SPECIAL_NAMES = ("<UNK>", "<PAD>", "<BOS>", "<EOS>")
_INTEGER = re.compile("0|-1|[1-9][0-9]{0,9}")


@dataclass(frozen=True)
class YttmModel:
    """A checked YTTM model.

    Attributes
    ----------
    codepoints
        (code point, id) of each character of the alphabet.
    merges
        (left id, right id, new id), in priority order.
    unk_id, pad_id, bos_id, eos_id
        The special ids; pad_id is always 0, bos_id and eos_id are -1 if absent.

    Examples
    --------
    >>> model = YttmModel.parse(b"3 1\\n9601 4\\n97 5\\n98 6\\n4 5 7\\n1 0 2 3\\n", "tiny")
    >>> model.pieces()[4:]
    ['▁', 'a', 'b', '▁a']
    >>> model.to_tokenizers().encode("ab ca").ids
    [7, 6, 4, 1, 5]
    """

    codepoints: tuple[tuple[int, int], ...]
    merges: tuple[tuple[int, int, int], ...]
    unk_id: int = 1
    pad_id: int = 0
    bos_id: int = 2
    eos_id: int = 3
    _pieces: list[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pieces", _check(self, "the model"))

    @staticmethod
    def parse(content: bytes, where: str) -> "YttmModel":
        """Return the model in the bytes of a file; `where` names it in messages.

        Raises
        ------
        TokenizerError
            For an incomplete or inconsistent model. The message names the line.
        """
        if len(content) > _MAX_BYTES:
            raise TokenizerError(
                f"{where}: a model has at most {_MAX_BYTES:,} bytes, found {len(content):,}"
            )
        end = content.find(b"\n")
        n, m = _integers(content[: end if 0 <= end < 100 else 100], 2, where, 1)
        lines = content.count(b"\n")
        if n < 1 or m < 0 or n + m + 2 > lines:
            raise TokenizerError(
                f"{where}, line 1: {n} characters and {m} merges take {n + m + 2} lines, found "
                f"{lines} complete ones: the file is cut short, or is not a YTTM model"
            )
        rows = content.split(b"\n", n + m + 2)
        read_record(content, where)
        codepoints = [_integers(row, 2, where, 2 + i) for i, row in enumerate(rows[1 : n + 1])]
        merges = [
            _integers(row, 3, where, n + 2 + i) for i, row in enumerate(rows[n + 1 : n + m + 1])
        ]
        unk, pad, bos, eos = _integers(rows[n + m + 1], 4, where, n + m + 2)
        try:
            return YttmModel(
                tuple((a, b) for a, b in codepoints),
                tuple((a, b, c) for a, b, c in merges),
                unk,
                pad,
                bos,
                eos,
            )
        except TokenizerError as error:
            raise TokenizerError(f"{where}: {error}") from error

    def to_bytes(self) -> bytes:
        """Return the bytes of the model's file, without a record; `parse` undoes it."""
        rows: list[tuple[int, ...]] = [(len(self.codepoints), len(self.merges))]
        rows += self.codepoints
        rows += self.merges
        rows.append((self.unk_id, self.pad_id, self.bos_id, self.eos_id))
        return "".join(" ".join(map(str, row)) + "\n" for row in rows).encode()

    def pieces(self) -> list[str]:
        """Return the text of each id; U+2581 starts a word, special ids are `<PAD>` etc."""
        return list(self._pieces)

    def special_ids(self) -> tuple[int, ...]:
        """Return the special ids that are present, in ascending order."""
        named = (self.unk_id, self.pad_id, self.bos_id, self.eos_id)
        return tuple(sorted(index for index in named if index >= 0))

    def to_tokenizers(self) -> "tokenizers.Tokenizer":
        """Return a Hugging Face tokenizer that gives the same ids for every text."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        names = list(self._pieces)
        for index in self.special_ids():
            # No piece contains a space, so no text and no merge can make one of these names.
            names[index] = f" {names[index]}"
        model = models.BPE(
            vocab={name: index for index, name in enumerate(names)},
            merges=[(names[left], names[right]) for left, right, _ in self.merges],
            unk_token=names[self.unk_id],
            fuse_unk=True,
        )
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(f"[{SEPARATORS}]+"), "removed"),
                pre_tokenizers.Metaspace(SPACE_MARK, prepend_scheme="always", split=False),
            ]
        )
        tokenizer.decoder = decoders.Metaspace(SPACE_MARK, prepend_scheme="always", split=False)
        return tokenizer


def with_record(model: bytes, fields: Mapping[str, object]) -> bytes:
    """Return a model file with a JSON line of `fields` and a digest of all the rest."""
    record = {"format": _FORMAT, "version": _VERSION, **fields}
    record["digest"] = digest(model + _canonical(record))
    return model + _canonical(record) + b"\n"


def read_record(content: bytes, where: str) -> dict[str, object] | None:
    """Return the JSON record after a model, or None for a bare YTTM model.

    Raises
    ------
    TokenizerError
        If the model is followed by anything else, or the digest does not match.
    """
    n, m = _integers(content[: content.find(b"\n")], 2, where, 1)
    rest = content.split(b"\n", n + m + 2)[-1]
    if not rest:
        return None
    line = n + m + 3
    begins = rest.startswith(b"{")
    record = parse_json(rest, f"{where}, line {line}", error=TokenizerError) if begins else None
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise TokenizerError(
            f"{where}, line {line}: expected the end of the file or one JSON line written by "
            f"embzip, found {rest[:60]!r}"
        )
    if record.get("version") != _VERSION:
        raise TokenizerError(
            f"{where}, line {line}: this embzip reads version {_VERSION} of BPE models, found "
            f"version {shown(record.get('version'))}: install a newer embzip"
        )
    found = record.pop("digest", None)
    model = content[: len(content) - len(rest)]
    expected = digest(model + _canonical(record))
    if found != expected or rest != _canonical({**record, "digest": found}) + b"\n":
        raise TokenizerError(
            f"{where}: the digest in line {line} is {shown(found)}, but that of the file is "
            f"{expected!r}: the file was edited or damaged; restore it from a copy (training again "
            "may give other ids, which a trained model cannot use)"
        )
    return record


def _canonical(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, sort_keys=True).encode()


def _integers(row: bytes, count: int, where: str, line: int) -> list[int]:
    fields = row.decode("latin-1").split(" ")
    if len(fields) != count or not all(map(_INTEGER.fullmatch, fields)):
        raise TokenizerError(
            f"{where}, line {line}: expected {count} integers, found {row[:60]!r}: this is not a "
            "YTTM model, or it is damaged"
        )
    return [int(text) for text in fields]


def _check(model: YttmModel, where: str) -> list[str]:
    """Return the piece of each id, or raise for the first rule that is broken."""
    specials = (model.unk_id, model.pad_id, model.bos_id, model.eos_id)
    named = model.special_ids()
    rows = len(model.codepoints) + len(model.merges) + len(named)
    special_line = f"line {len(model.codepoints) + len(model.merges) + 2}"
    if rows > MAX_PIECES:
        raise TokenizerError(f"{where}: a model has at most {MAX_PIECES} pieces, found {rows}")
    if model.pad_id != 0 or model.unk_id < 0:
        raise TokenizerError(
            f"{special_line}: `unk pad bos eos` must have pad 0 and unk above 0, found "
            f"{specials}: with another padding id, YTTM loses the word mark"
        )
    if len(set(named)) != len(named) or named[-1] >= rows:
        raise TokenizerError(
            f"{special_line}: special ids must be distinct and below {rows}, found {specials}"
        )
    pieces: list[str] = [""] * rows
    for name, index in zip(_SPECIAL_NAMES, specials, strict=True):
        if index >= 0:
            pieces[index] = name
    seen: dict[str, int] = {}
    characters = 0

    def put(index: int, piece: str, line: int) -> None:
        nonlocal characters
        if not 0 <= index < rows or pieces[index]:
            raise TokenizerError(
                f"line {line}: the id {index} is outside 0..{rows - 1} or already taken"
            )
        if piece in seen:
            raise TokenizerError(
                f"line {line}: the piece {piece[:40]!r} already has the id {seen[piece]}"
            )
        characters += len(piece)
        if characters > MAX_CHARACTERS:
            raise TokenizerError(
                f"line {line}: all pieces together may have at most {MAX_CHARACTERS} characters"
            )
        pieces[index] = piece
        seen[piece] = index

    for line, (codepoint, index) in enumerate(model.codepoints, start=2):
        if not 0 <= codepoint <= 0x10FFFF or 0xD800 <= codepoint <= 0xDFFF:
            raise TokenizerError(f"line {line}: {codepoint} is not the code point of a character")
        piece = chr(codepoint)
        if piece in SEPARATORS and piece != SPACE_MARK:
            raise TokenizerError(
                f"line {line}: a character must not be white space, found code point {codepoint}"
            )
        put(index, piece, line)
    if SPACE_MARK not in seen:
        raise TokenizerError("the alphabet lacks U+2581 (9601), which marks the start of a word")
    special = set(named)
    pairs: set[tuple[int, int]] = set()
    for line, (left, right, new) in enumerate(model.merges, start=len(model.codepoints) + 2):
        for part in (left, right):
            if not 0 <= part < rows or part in special or not pieces[part]:
                raise TokenizerError(
                    f"line {line}: the merge ({left}, {right}) uses the id {part}, which no "
                    "earlier line defines"
                )
        if (left, right) in pairs:
            raise TokenizerError(f"line {line}: the merge ({left}, {right}) occurs twice")
        pairs.add((left, right))
        if len(pieces[left]) + len(pieces[right]) > MAX_CHARACTERS:
            raise TokenizerError(
                f"line {line}: a piece may have at most {MAX_CHARACTERS} characters"
            )
        put(new, pieces[left] + pieces[right], line)
    return pieces
