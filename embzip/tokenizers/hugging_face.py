"""Tokenizers of Hugging Face, from their tokenizer.json: WordPiece, BPE, Unigram, WordLevel.

The file is kept whole and run by the library `tokenizers`; nothing of it is interpreted here but
the ids. Special tokens are not added to texts, and nothing is cut or padded: a text gives the ids
that `Tokenizer.encode(text, add_special_tokens=False)` gives.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from embzip.errors import TokenizerError
from embzip.files.records import parse_json
from embzip.tokenizers.base import check_ids
from embzip.tokenizers.foreign import KeptFile
from embzip.vocabulary import Vocabulary

if TYPE_CHECKING:
    import tokenizers

_MOST_OBJECTS = 1 << 23
_RAISED = (Exception,)  # the library raises no narrower class for what it cannot read
_PADS = ("[PAD]", "<pad>", "<PAD>", "<|pad|>", " <PAD>")  # the last: of `hugging_face_form`


class HuggingFaceTokenizer(KeptFile):
    """Text -> ids by a tokenizer.json.

    Rows for padding and for unknown tokens are added at the end where the file names none: no text
    gives their ids.

    Parameters
    ----------
    content
        The bytes of the file.
    where
        Its name in messages.

    Raises
    ------
    TokenizerError
        For what the library cannot read, and for ids that leave most of the table empty.

    Examples
    --------
    >>> model = {"type": "WordLevel", "vocab": {"[UNK]": 0, "sea": 1}, "unk_token": "[UNK]"}
    >>> content = json.dumps({"model": model, "pre_tokenizer": {"type": "Whitespace"}}).encode()
    >>> tokenizer = HuggingFaceTokenizer(content)
    >>> tokenizer.encode(["sea ship"]), list(tokenizer.vocabulary)
    ([[1, 0]], ['[UNK]', 'sea', '<PAD>'])
    """

    kind = "hugging-face"
    own_rows: int  # ids that the file gives; rows for padding and unknown tokens may follow

    def __init__(self, content: bytes, where: str = "tokenizer.json") -> None:
        self._keep(content, where)
        self._made = _read(content, where)
        self.vocabulary, self.own_rows = _vocabulary(self._made, content, where)

    def _ids(self, text: str) -> list[int]:
        return self._made.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids, as the library gives it."""
        checked = check_ids(ids, len(self.vocabulary))
        return str(self._made.decode(checked, skip_special_tokens=False))


def _read(content: bytes, where: str) -> "tokenizers.Tokenizer":
    import tokenizers  # late: to serve a model of whole words takes none

    record = parse_json(content, where, error=TokenizerError, deepest=64, most=_MOST_OBJECTS)
    if not isinstance(record, dict) or not isinstance(record.get("model"), dict):
        raise TokenizerError(
            f"{where}: expected the tokenizer.json of a Hugging Face tokenizer, found no model in "
            "it: save it with Tokenizer.save, or save_pretrained of a fast tokenizer"
        )
    try:
        # What is left out has a default everywhere else; the library wants it said.
        made = tokenizers.Tokenizer.from_str(json.dumps({**_DEFAULTS, **record}))
    except _RAISED as error:
        raise TokenizerError(
            f"{where}: the library tokenizers {tokenizers.__version__} cannot read this "
            f"({str(error)[:200]})"
        ) from error
    made.no_truncation()
    made.no_padding()
    return made


_DEFAULTS: dict[str, object] = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": None, "post_processor": None, "decoder": None,
}  # fmt: skip


def _vocabulary(made: "tokenizers.Tokenizer", content: bytes, where: str) -> tuple[Vocabulary, int]:
    """Return the tokens by their ids, and how many there were before rows were added.

    Ids that no token has are special, as are those that are marked so.
    """
    by_token = made.get_vocab(with_added_tokens=True)
    if not by_token:
        raise TokenizerError(f"{where}: a tokenizer needs at least one token, found none")
    rows = max(by_token.values()) + 1
    if rows > 2 * len(by_token) + 1024:
        raise TokenizerError(
            f"{where}: {len(by_token)} tokens have ids up to {rows - 1}: number them from 0"
        )
    tokens: list[str | None] = [None] * rows
    for token, index in by_token.items():
        tokens[index] = token
    special = {index for index, token in enumerate(tokens) if not token}
    special |= {index for index, token in made.get_added_tokens_decoder().items() if token.special}
    pad_id, unk_id = _roles(by_token, content)
    names = [token or f"<unused {index}>" for index, token in enumerate(tokens)]
    if pad_id is None:
        pad_id = len(names)
        names.append("<PAD>")
    if unk_id is None:
        unk_id = len(names)
        names.append("<UNK>")
    return Vocabulary(names, special_ids=special, pad_id=pad_id, unk_id=unk_id), rows


def _roles(by_token: dict[str, int], content: bytes) -> tuple[int | None, int | None]:
    """Return the ids of padding and of unknown tokens."""
    record = json.loads(content)
    model, padding = record["model"], record.get("padding")
    named = [padding.get("pad_token")] if isinstance(padding, dict) else []
    pad_id = next((by_token[name] for name in (*named, *_PADS) if name in by_token), None)
    unknown = model.get("unk_token")
    unk_id = by_token.get(unknown) if isinstance(unknown, str) else None
    if unk_id is None and isinstance(model.get("unk_id"), int):  # of Unigram
        unk_id = model["unk_id"] if 0 <= model["unk_id"] < len(by_token) else None
    return pad_id, None if unk_id == pad_id else unk_id
