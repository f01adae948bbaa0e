"""Reads, checks, writes and converts the model file of YouTokenToMe (YTTM).

The file is ASCII text: a line `n m`; n lines `codepoint id`; m lines `left right new`, the merges
in priority order; a line `unk pad bos eos`. YTTM reads nothing after that, so embzip puts one more
line there, a JSON record with the normalization and a digest of everything else in the file.

YTTM itself checks nothing: a broken file crashes it, or yields the id -1, which would read the
last row of a table. So a file is parsed here before YTTM sees it. Nothing is trained here, and
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
from embzip.files import digest

if TYPE_CHECKING:
    import tokenizers

SPACE_MARK = "\u2581"
# What separates words for YTTM: the white space of C's isspace, and the mark itself.
SEPARATORS = "\t\n\x0b\x0c\r " + SPACE_MARK
MAX_PIECES = 1 << 24
# Each merge may double a piece: forty lines could ask for a terabyte of text.
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
        (code point, id) of every character of the alphabet.
    merges
        (left id, right id, new id), the most important first.
    unk_id, pad_id, bos_id, eos_id
        The special ids; pad_id is always 0, bos_id and eos_id may be -1 (absent).

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
        """Return the model in the bytes of a file; `where` names it in errors.

        Raises
        ------
        TokenizerError
            For anything but a whole and consistent model; names the line.
        """
        if len(content) > _MAX_BYTES:
            raise TokenizerError(f"{where}: {len(content)} bytes, more than any model may have")
        end = content.find(b"\n")
        n, m = _integers(content[: end if 0 <= end < 100 else 100], 2, where, 1)
        lines = content.count(b"\n")
        if n < 1 or m < 0 or n + m + 2 > lines:
            raise TokenizerError(
                f"{where}, line 1: announces {n} characters and {m} merges, which takes "
                f"{n + m + 2} lines, found {lines} whole ones: the file is cut short, or no YTTM "
                "model"
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
        """Return the model as a file without a record; `parse` undoes it."""
        rows: list[tuple[int, ...]] = [(len(self.codepoints), len(self.merges))]
        rows += self.codepoints
        rows += self.merges
        rows.append((self.unk_id, self.pad_id, self.bos_id, self.eos_id))
        return "".join(" ".join(map(str, row)) + "\n" for row in rows).encode()

    def pieces(self) -> list[str]:
        """Return the text of each id: U+2581 starts a word, special ids show as `<PAD>` etc."""
        return list(self._pieces)

    def special_ids(self) -> tuple[int, ...]:
        """Return the special ids that are present, in rising order."""
        named = (self.unk_id, self.pad_id, self.bos_id, self.eos_id)
        return tuple(sorted(index for index in named if index >= 0))

    def to_tokenizers(self) -> "tokenizers.Tokenizer":
        """Return a Hugging Face tokenizer that gives the same ids for every text."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        names = list(self._pieces)
        for index in self.special_ids():
            # No piece holds a space, so no text and no merge can make one of these.
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
    """Return a model file with the JSON line that holds `fields` and a digest of all the rest."""
    record = {"format": _FORMAT, "version": _VERSION, **fields}
    record["digest"] = digest(model + _canonical(record))
    return model + _canonical(record) + b"\n"


def read_record(content: bytes, where: str) -> dict[str, object] | None:
    """Return the JSON record after a model, or None for a bare YTTM model.

    Raises
    ------
    TokenizerError
        Where something else stands there, or the digest does not match.
    """
    n, m = _integers(content[: content.find(b"\n")], 2, where, 1)
    rest = content.split(b"\n", n + m + 2)[-1]
    if not rest:
        return None
    line = n + m + 3
    try:
        record = json.loads(rest)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise TokenizerError(
            f"{where}, line {line}: expected the end of the file, or one JSON line by embzip, "
            f"found {rest[:60]!r}"
        )
    if record.get("version") != _VERSION:
        raise TokenizerError(
            f"{where}, line {line}: version {record.get('version')!r} was written by a newer "
            "embzip: this one reads version 1"
        )
    found = record.pop("digest", None)
    model = content[: len(content) - len(rest)]
    expected = digest(model + _canonical(record))
    if found != expected or rest != _canonical({**record, "digest": found}) + b"\n":
        raise TokenizerError(
            f"{where}: the digest in line {line} is {found!r}, that of the file {expected!r}: the "
            "file was edited or damaged; take a good copy, never train again for a trained model"
        )
    return record


def _canonical(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, sort_keys=True).encode()


def _integers(row: bytes, count: int, where: str, line: int) -> list[int]:
    fields = row.decode("latin-1").split(" ")
    if len(fields) != count or not all(map(_INTEGER.fullmatch, fields)):
        raise TokenizerError(
            f"{where}, line {line}: expected {count} integers, found {row[:60]!r}: not a "
            "YTTM model, or damaged"
        )
    return [int(text) for text in fields]


def _check(model: YttmModel, where: str) -> list[str]:
    """Return the piece of each id, or raise for the first broken rule."""
    specials = (model.unk_id, model.pad_id, model.bos_id, model.eos_id)
    named = model.special_ids()
    rows = len(model.codepoints) + len(model.merges) + len(named)
    special_line = f"line {len(model.codepoints) + len(model.merges) + 2}"
    if rows > MAX_PIECES:
        raise TokenizerError(f"{where}: {rows} pieces, more than {MAX_PIECES}")
    if model.pad_id != 0 or model.unk_id < 0:
        raise TokenizerError(
            f"{special_line}: expected `unk pad bos eos` with pad 0 and unk above it, found "
            f"{specials}: with another padding id YTTM loses the word mark"
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
                f"line {line}: the id {index} is outside 0..{rows - 1}, or already taken"
            )
        if piece in seen:
            raise TokenizerError(
                f"line {line}: the piece {piece[:40]!r} has the id {seen[piece]} already"
            )
        characters += len(piece)
        if characters > MAX_CHARACTERS:
            raise TokenizerError(
                f"line {line}: the pieces together exceed {MAX_CHARACTERS} characters"
            )
        pieces[index] = piece
        seen[piece] = index

    for line, (codepoint, index) in enumerate(model.codepoints, start=2):
        if not 0 <= codepoint <= 0x10FFFF or 0xD800 <= codepoint <= 0xDFFF:
            raise TokenizerError(f"line {line}: {codepoint} is no Unicode code point of a text")
        piece = chr(codepoint)
        if piece in SEPARATORS and piece != SPACE_MARK:
            raise TokenizerError(f"line {line}: code point {codepoint} is white space")
        put(index, piece, line)
    if SPACE_MARK not in seen:
        raise TokenizerError("the alphabet has no U+2581 (9601), the mark of a word's start")
    special = set(named)
    pairs: set[tuple[int, int]] = set()
    for line, (left, right, new) in enumerate(model.merges, start=len(model.codepoints) + 2):
        for part in (left, right):
            if not 0 <= part < rows or part in special or not pieces[part]:
                raise TokenizerError(
                    f"line {line}: the merge ({left}, {right}) uses the id {part}, which no line "
                    "before it makes"
                )
        if (left, right) in pairs:
            raise TokenizerError(f"line {line}: the merge ({left}, {right}) stands twice")
        pairs.add((left, right))
        if len(pieces[left]) + len(pieces[right]) > MAX_CHARACTERS:
            raise TokenizerError(f"line {line}: a piece of more than {MAX_CHARACTERS} characters")
        put(new, pieces[left] + pieces[right], line)
    return pieces
