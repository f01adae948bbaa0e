"""What a file is, told by its first bytes, and by the names of its members where it is a zip.

Names are never asked. At most 64 KB are read, and the directory of a zip; nothing is unpickled,
decompressed or parsed beyond that. So a file that is damaged later on is still named for what it
was: who reads it says what is wrong.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embzip.files.protobuf import fields
from embzip.files.remote import head_of, local_file

if TYPE_CHECKING:  # serving needs no zips
    import zipfile

HEAD = 1 << 16  # bytes that are looked at
NPY = b"\x93NUMPY"
_EMBZ = re.compile(rb'.{8}\{\s*"__metadata__"\s*:\s*\{\s*"embzip"\s*:', re.S)
_PICKLE = re.compile(
    # From protocol 2 on; the older ones begin with a class or a container. Text is no pickle.
    rb"\x80[\x02-\x05]|c[\w.]+\n[\w.]+\n(?:p\d+\n|q.|\((?:S'|V|I\d|t))|\([dl]p\d+\n|[}\]]q\x00"
)
COMPRESSED = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
FASTTEXT = 793712314  # what its files begin with
_PIECE = re.compile(rb"\d{1,7} \d{1,9}\r?\n(?:\d{1,7} \d{1,9}\n)*9601 \d")
_TABLE = re.compile(rb"[ \t]*\d{1,40}[ \t]+(\d{1,40})[ \t]*\r?\n([^\n]+)\n")
_NUMBERS = re.compile(rb"[-+\d.eE \t\r]*")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_GRAPH_TEXT = re.compile(r"\s*(?:#[^\n]*\n\s*)*(?:node|versions|library)\s*:?\s*[{<]")
_OPERATOR = re.compile(rb"[A-Z_>][\w>]*")


@dataclass(frozen=True)
class Signature:
    """What a file is.

    Attributes
    ----------
    kind
        One word, such as `embz`, `keras` or `text`; `unknown` where nothing fits.
    what
        The same for a message, such as "a .keras file".
    remedy
        What helps who passed it where another kind belongs; may be empty.
    """

    kind: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


def signature_of(path: str | Path, head: bytes | None = None) -> Signature:
    """Return what a file is.

    Parameters
    ----------
    head
        Its first bytes, where they have been read, such as those that it expands to.

    Raises
    ------
    MissingFileError
        Where no regular file is there.

    Examples
    --------
    >>> import gzip, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "table.embz")
    >>> _ = path.write_bytes(gzip.compress(b"no table"))
    >>> signature_of(path).kind
    'gzip'
    """
    if head is None:
        head = head_of(path, HEAD)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path)
    for told in _TOLD:
        found = told(head, path)
        if found is not None:
            return found
    begins = head[:8].hex(" ")
    return Signature("unknown", f"a file of unknown kind, which begins with the bytes {begins}")


def is_text(head: bytes) -> bool:
    """Return whether the first bytes of a file are UTF-8 without control characters."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or len(head) < HEAD:
            return False
        text = head[: error.start].decode("utf-8-sig")
    return not _CONTROL.search(text)


def _magic(head: bytes, path: str | Path) -> Signature | None:
    """Tell kinds that begin with fixed bytes."""
    if not head:
        return Signature("empty", "an empty file", "obtain it again")
    if head[4:8] == b"TFL3":
        return Signature(
            "tflite", "a .tflite", "pass the .embz, or the model, that it was exported from"
        )
    if any(head.startswith(b"\x89HDF\r\n\x1a\n", at) for at in (0, 512, 1024, 2048)):
        return Signature("h5", "an HDF5 file (.h5)", _FOREIGN.format(path=path))
    if head.startswith(NPY):
        return Signature(
            "npy",
            "an array of NumPy (.npy)",
            f"`embzip compress {path} --words TOKENS.txt --codec int8` makes a table of it",
        )
    if head.startswith(b"PAR1"):
        return Signature("parquet", "a Parquet file", "it is read where labelled texts belong")
    for kind, magic in COMPRESSED.items():
        if magic.match(head):
            remedy = f"decompress it first, such as by `{kind} -dc {path}`"
            return Signature(kind, f"a compressed file ({kind})", remedy)
    return None


def _safetensors(head: bytes, path: str | Path) -> Signature | None:
    if _EMBZ.match(head):
        return Signature("embz", "a .embz file")
    if re.match(rb".{4}\0{4}\{\s*\"", head, re.S):
        return Signature(
            "safetensors",
            "a safetensors file of another program",
            f"`embzip compress {path} --codec int8` makes a table of it, with tokenizer.json or "
            "vocab.txt beside it, or --words TOKENS.txt",
        )
    return None


def _pickle(head: bytes, path: str | Path) -> Signature | None:
    if not _PICKLE.match(head):
        return None
    runs = "which can run any code when it is loaded, so embzip never reads it"
    if b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." in head[:32]:
        return Signature("pickle", f"a Python pickle of PyTorch, {runs}", _TORCH)
    maker = next((n for n in ("gensim", "sklearn", "numpy") if n.encode() in head), None)
    of = f" of {maker}" if maker else " (.kv, .model, .pkl)"
    return Signature(
        "pickle",
        f"a Python pickle{of}, {runs}",
        "if you trust the file, export it: `from gensim.models import KeyedVectors; "
        f"KeyedVectors.load({str(path)!r}).save_word2vec_format('vectors.bin', binary=True)` (for "
        "a whole model, use its `.wv`), and read the exported file",
    )


def _fasttext(head: bytes, path: str | Path) -> Signature | None:
    if len(head) < 12 or int.from_bytes(head[:4], "little") != FASTTEXT:
        return None
    dim = int.from_bytes(head[8:12], "little")
    return Signature(
        "fasttext",
        f"a fastText .bin, {dim} dims",
        f"`embzip compress {path} --codec int8` makes a table of its words, `embzip convert {path} "
        "model.embz` a classifier of a supervised one",
    )


def _protobuf(head: bytes, path: str | Path) -> Signature | None:
    """Tell graphs of TensorFlow, ONNX and sentencepiece by their first fields."""
    found = list(fields(head))
    if not found:
        return None
    first, inner = found[0], list(fields(found[0].content))
    if first.number == 1 and inner and inner[0].number == 1 and inner[0].content:
        # A node has a name, then its operator; a piece its text, then its score, four bytes.
        second = inner[1] if len(inner) > 1 else None
        if second and second.number == 2 and _OPERATOR.fullmatch(second.content):
            return Signature("frozen", "a frozen graph of TensorFlow", _FOREIGN.format(path=path))
        if second and (second.number, second.wire) == (2, 5):
            train = f"`embzip train-vectors TEXTS --tokenizer {path}` trains a table for it"
            return Signature("sentencepiece", "a sentencepiece model", train)
    if (first.number, first.wire) != (1, 0) or len(found) < 2 or found[1].wire != 2:
        return None
    second = found[1]
    begins = next(fields(second.content), None)
    if first.value == 1 and second.number == 2 and begins and begins.wire == 2:
        return Signature(
            "savedmodel",
            "the graph of a SavedModel",
            "call it saved_model.pb, beside its folder `variables`, and pass the folder",
        )
    if 2 <= first.value <= 100 and second.number in (2, 7, 8):
        return Signature(
            "onnx",
            "an ONNX model",
            "embzip writes ONNX (`embzip export MODEL.embz --to onnx`) and does not read it: pass "
            "the model that it was made from",
        )
    return None


def _text(head: bytes, path: str | Path) -> Signature | None:
    if not is_text(head):
        return None
    plain = head.removeprefix(b"\xef\xbb\xbf")
    if _GRAPH_TEXT.match(plain.decode("utf-8", "replace")):
        return Signature("frozen", "a graph of TensorFlow (.pbtxt)", _FOREIGN.format(path=path))
    if plain.lstrip()[:1] in (b"{", b"["):
        return _json(plain, path)
    if _PIECE.match(plain):
        train = f"`embzip train-vectors TEXTS --tokenizer {path}` trains a table for it"
        return Signature("bpe", "a BPE tokenizer (YouTokenToMe)", train)
    row = _TABLE.match(plain)
    if row and len(row[2].split()) == int(row[1]) + 1:
        remedy = f"`embzip compress {path} --codec int8` makes a .embz file of them"
        return Signature("vectors", "vectors in text", remedy)
    label, tab, line = plain.partition(b"\n")[0].partition(b"\t")
    if tab and label.strip() and not _NUMBERS.fullmatch(line):
        return Signature("labelled", "text of label<TAB>text lines")
    return Signature("text", "text")


def _json(head: bytes, path: str | Path) -> Signature:
    if b'"embzip-words"' in head.partition(b"\n")[0]:
        train = f"`embzip train-vectors TEXTS --tokenizer {path}` trains a table for it"
        return Signature("words", "a tokenizer of words (embzip build-words)", train)
    if re.search(rb'"added_tokens"|"type"\s*:\s*"(BPE|WordPiece|WordLevel|Unigram)"', head):
        train = f"`embzip train-vectors TEXTS --tokenizer {path}` trains a table for it"
        return Signature("hf-tokenizer", "a tokenizer of Hugging Face (JSON)", train)
    if re.search(rb'"(architectures|model_type|tokenizer_class)"', head):
        return Signature(
            "hf-config", "a configuration of Hugging Face (JSON)", "it holds no table and no text"
        )
    return Signature("json", "a JSON file")


def _zip(path: str | Path) -> Signature:
    import zipfile  # imported here: serving needs none

    try:
        with local_file(path) as here, zipfile.ZipFile(here) as archive:
            names = archive.namelist()
            inside = members(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        return Signature("archive", f"a zip archive that is damaged or cut short ({error})")
    if {"config.json", "model.weights.h5"} & set(names):
        return Signature("keras", "a .keras file", _FOREIGN.format(path=path))
    if any(name.endswith("data.pkl") for name in names):
        return Signature("pytorch", "a PyTorch file, which holds a pickle", _TORCH)
    if names and all(name.endswith(".npy") for name in names):
        return Signature(
            "npz",
            "arrays of NumPy in a zip (.npz)",
            f"`embzip compress {path} --words TOKENS.txt --codec int8` makes a table of it",
        )
    holds = " and others" * (len(names) > 1)
    holds = f" with {names[0][:80]!r}{holds}" if names else ", which is empty"
    kind = "zip" if len(inside) == 1 else "archive"
    return Signature(kind, f"a zip archive{holds}", "unpack it")


def members(archive: "zipfile.ZipFile") -> list[str]:
    """Return the names of the files in an archive, without what a Mac adds to it."""
    found = (name for name in archive.namelist() if not name.endswith("/"))
    return [name for name in found if not name.startswith("__MACOSX/")]


_FOREIGN = (
    "`embzip inspect {path}` shows what it holds, `embzip rebuild {path} --codec int8` makes its "
    "table smaller"
)
_TORCH = (
    "load it with PyTorch, np.save('table.npy', LAYER.weight.detach().numpy()), and pass that with "
    "--words TOKENS.txt"
)
_TOLD: tuple[Callable[[bytes, str | Path], Signature | None], ...] = (
    _magic,
    _safetensors,
    _pickle,
    _fasttext,
    _text,
    _protobuf,
)
