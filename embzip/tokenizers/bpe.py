"""The byte-pair tokenizer: text -> ids of pieces, by a YouTokenToMe (YTTM) model.

Encodes with youtokentome if it is installed, otherwise with an exact conversion to Hugging Face
tokenizers; the ids are the same. The model's format is read in `yttm_model.py`, models are trained
in `bpe_training.py`.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from embzip.errors import TokenizerError
from embzip.files.reading import existing_file
from embzip.files.records import Fields
from embzip.files.writing import temporary_folder, write_bytes
from embzip.threads import threads_wanted
from embzip.tokenizers.base import (
    Normalization,
    check_ids,
    check_texts,
)
from embzip.tokenizers.packed_model import pack, packed_limit, unpack
from embzip.tokenizers.yttm_model import SPACE_MARK, YttmModel, read_record, with_record
from embzip.vocabulary import Vocabulary, compress, decompress

_Encoder = Callable[[Sequence[str]], list[list[int]]]


class BpeTokenizer:
    """Text -> ids of byte-pair pieces; 0 is padding, 1 unknown, 2 and 3 begin and end a text.

    Parameters
    ----------
    model
        The checked model.
    normalization
        How a text is normalized before it is tokenized.
    content
        The bytes of the model file that `model` was read from; they are stored unchanged.

    Examples
    --------
    >>> model = YttmModel.parse(b"3 1\\n9601 4\\n97 5\\n98 6\\n4 5 7\\n1 0 2 3\\n", "tiny")
    >>> tokenizer = BpeTokenizer(model, Normalization(), model.to_bytes())
    >>> tokenizer.encode(["AB a", ""])
    [[7, 6, 7], []]
    >>> tokenizer.decode([7, 6, 7])
    'ab a'
    """

    kind = "bpe"

    def __init__(self, model: YttmModel, normalization: Normalization, content: bytes) -> None:
        self.model = model
        self.content = content
        self._normalization = normalization
        self._vocabulary = Vocabulary(
            model.pieces(),
            special_ids=model.special_ids(),
            pad_id=model.pad_id,
            unk_id=model.unk_id,
        )
        self._encoder: _Encoder | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # The encoder is a C++ object that cannot be pickled; a copy makes its own.
        return (BpeTokenizer, (self.model, self._normalization, self.content))

    @property
    def normalization(self) -> Normalization:
        """How a text is normalized before it is tokenized."""
        return self._normalization

    @property
    def vocabulary(self) -> Vocabulary:
        """The pieces in id order; U+2581 marks the start of a word."""
        return self._vocabulary

    @property
    def reproducible(self) -> bool | None:
        """Whether training again would give the same ids; None if the file does not say."""
        record = read_record(self.content, "the model") or {}
        found = record.get("reproducible")
        return found if isinstance(found, bool) else None

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text, without begin and end ids; none for an empty text.

        Raises
        ------
        InputTypeError
            If `texts` is not an iterable of str.
        """
        if self._encoder is None:
            self._encoder = _youtokentome_encoder(self.content) or _tokenizers_encoder(self.model)
        return self._encoder([self._normalization.apply(text) for text in check_texts(texts)])

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids; special ids become `<PAD>`, `<UNK>`, `<BOS>`, `<EOS>`.

        Raises
        ------
        IdRangeError
            For an id outside the vocabulary.
        InputTypeError
            If an id is not an integer.
        """
        pieces = [self._vocabulary.token(i) for i in check_ids(ids, len(self._vocabulary))]
        return "".join(pieces).replace(SPACE_MARK, " ").removeprefix(" ")

    def to_bytes(self) -> bytes:
        """Return the model and its record as compact bytes.

        Raises
        ------
        InputError
            For a record that is longer than readers allow.
        """
        return compress(pack(self.model, read_record(self.content, "the model")))

    @staticmethod
    def from_bytes(content: bytes, rows: int, normalization: Normalization) -> "BpeTokenizer":
        """Undo `to_bytes`; `rows` is the number of pieces, special ids included.

        Raises
        ------
        FileFormatError
            For bytes that are cut short or damaged, or that expand to more than so many pieces
            can need.
        TokenizerError
            For an invalid model.
        """
        model, fields = unpack(decompress(content, packed_limit(rows)), rows)
        plain = model.to_bytes()
        if fields is not None:
            plain = with_record(plain, fields)
        return BpeTokenizer(model, normalization, plain)

    def save(self, path: str | Path) -> None:
        """Write the model file, which the youtokentome package can load as well.

        Raises
        ------
        OutputError
            If the file cannot be written; an existing file is left unchanged.
        """
        write_bytes(path, self.content)

    @staticmethod
    def load(path: str | Path) -> "BpeTokenizer":
        """Read a model file written by embzip or by youtokentome.

        A file written by youtokentome records no normalization: texts are then encoded as they
        are, and a warning says so.

        Raises
        ------
        MissingFileError
            If the file does not exist.
        TokenizerError
            For an invalid model file.
        """
        return parse_bpe(existing_file(path).read_bytes(), str(path))


def parse_bpe(content: bytes, where: str) -> BpeTokenizer:
    """Return the tokenizer in the bytes of a model file; `where` names it in errors."""
    model = YttmModel.parse(content, where)
    record = read_record(content, where)
    if record is None:
        warnings.warn(
            f"{where}: the file records no normalization, so embzip did not write it: texts are "
            "encoded as they are, without lower-casing",
            stacklevel=3,
        )
        return BpeTokenizer(model, Normalization(lowercase=False, unicode="none"), content)
    fields = Fields(record, f"{where}, last line", TokenizerError)
    return BpeTokenizer(model, Normalization.from_json(fields), content)


def _youtokentome_encoder(content: bytes) -> _Encoder | None:
    """Return the encoder of youtokentome, or None if it is not installed."""
    try:
        import youtokentome
    except ImportError:
        return None
    # youtokentome reads models from files only; the file is not needed afterwards.
    with temporary_folder() as folder:
        path = folder / "model"
        path.write_bytes(content)
        encoder = youtokentome.BPE(model=str(path), n_threads=threads_wanted())

    def encode(texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = encoder.encode(list(texts), youtokentome.OutputType.ID)
        return ids

    return encode


def _tokenizers_encoder(model: YttmModel) -> _Encoder:
    tokenizer = model.to_tokenizers()

    def encode(texts: Sequence[str]) -> list[list[int]]:
        # Texts are encoded one by one: a batch would start threads, which do not survive a fork.
        return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]

    return encode
