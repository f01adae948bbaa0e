"""What a reader says of a file: its tensors, what each is for, and the bytes each takes.

One small record for every format. Readers make it, writers and the command line read it; nothing
here opens a file.
"""

import glob
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Role = Literal["embedding", "other_variables", "optimizer", "graph_constants", "vocabulary"]
ROLES: tuple[Role, ...] = (
    "embedding",
    "other_variables",
    "optimizer",
    "graph_constants",
    "vocabulary",
)


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file.

    Attributes
    ----------
    name
        As the file has it.
    role
        What it is for; `optimizer` is all state that only training needs.
    dtype, shape
        The NumPy name of the type, `string` for text; the shape as stored.
    nbytes
        Bytes it takes in the file, compressed where the file is.
    needed
        Whether inference needs it: what slimming leaves.
    packed
        Of a .embz: whether it is entropy coded; `unpacked` are its bytes when it is not.
    """

    name: str
    role: Role
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    needed: bool = True
    packed: bool = False
    unpacked: int | None = None


@dataclass(frozen=True)
class NodeCounts:
    """Nodes of the graph in a file, functions included; zeros where a file has no graph."""

    total: int = 0
    const: int = 0
    variable: int = 0
    identity: int = 0
    quantization: int = 0
    unused: int = 0


@dataclass(frozen=True)
class ArtefactRecord:
    """A file, or the files of one model, and where its bytes are.

    Attributes
    ----------
    path
        What was asked for.
    format
        `embz`, `checkpoint`, `savedmodel`, `frozen`, `h5`, `keras` or `tflite`.
    files
        Every file that is counted, with its bytes.
    tensors
        Largest first.
    slimmed
        Bytes of the needed tensors in a slim file, where that stores them in another way.
    own
        What a .embz says of itself: codec, rows, dim, tokenizer, normalization, heads.
    """

    path: str
    format: str
    files: tuple[tuple[str, int], ...]
    tensors: tuple[StoredTensor, ...]
    nodes: NodeCounts = NodeCounts()
    slimmed: int | None = None
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes on disk."""
        return sum(size for _, size in self.files)

    @property
    def slim_bytes(self) -> int:
        """Bytes of the tensors that slimming would leave, without headers."""
        if self.slimmed is not None:
            return self.slimmed
        return sum(tensor.nbytes for tensor in self.tensors if tensor.needed)

    @property
    def training_bytes(self) -> int:
        """Bytes of the tensors that slimming leaves out."""
        return sum(tensor.nbytes for tensor in self.tensors if not tensor.needed)

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes by role, of all that is no tensor (`header`), and in all (`total`)."""
        parts: dict[str, int] = {
            role: sum(tensor.nbytes for tensor in self.tensors if tensor.role == role)
            for role in ROLES
        }
        return parts | {"header": self.total - sum(parts.values()), "total": self.total}

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain numbers, strings, lists and dicts."""
        total = self.total
        return {
            "path": self.path,
            "format": self.format,
            **self.own,
            "bytes": self.bytes,
            "nodes": asdict(self.nodes),
            "tensors": [
                {
                    "name": tensor.name,
                    "role": tensor.role,
                    "dtype": tensor.dtype,
                    "shape": list(tensor.shape),
                    "bytes": tensor.nbytes,
                    "share": tensor.nbytes / total if total else 0.0,
                    "packed": tensor.packed,
                    "unpacked_bytes": tensor.nbytes if tensor.unpacked is None else tensor.unpacked,
                }
                for tensor in self.tensors
            ],
            "slim_bytes": self.slim_bytes,
            "files": dict(self.files),
        }


def bytes_on_disk(path: Path) -> int:
    """Return the bytes of a file, of all files in a folder, or of a checkpoint by its prefix."""
    if path.is_file():
        return path.stat().st_size
    found = list(path.rglob("*"))
    for end in () if path.is_dir() else (".index", ".data-*"):
        found += path.parent.glob(glob.escape(path.name) + end)
    return sum(file.stat().st_size for file in found if file.is_file())


def size_change(before: int, after: int) -> str:
    """Return how the size of one thing is to another's, in words.

    Examples
    --------
    >>> size_change(300, 10), size_change(200, 540), size_change(500, 500)
    ('30.0 times smaller', '2.7 times larger', 'the same size')
    >>> size_change(1000, 1040), size_change(1_000_000, 999_999)
    ('4.0 % larger', 'less than 0.1 % smaller')
    """
    if before == after:
        return "the same size"
    word = "smaller" if after < before else "larger"
    least, most = sorted((before, after))
    if least and most < 1.1 * least:
        percent = 100 * (most - least) / before
        return f"{'less than 0.1' if percent < 0.1 else format(percent, '.1f')} % {word}"
    return f"{most / least:,.1f} times {word}" if least else word


def make_record(
    path: Path,
    format: str,
    files: Iterable[Path],
    tensors: Iterable[StoredTensor],
    nodes: NodeCounts | None = None,
    own: Mapping[str, Any] | None = None,
) -> ArtefactRecord:
    """Return the record of files on disk, tensors largest first."""
    root = path if path.is_dir() else path.parent
    sizes = tuple((str(file.relative_to(root)), file.stat().st_size) for file in files)
    ordered = sorted(tensors, key=lambda tensor: (-tensor.nbytes, tensor.name))
    return ArtefactRecord(
        str(path), format, sizes, tuple(ordered), nodes or NodeCounts(), own=own or {}
    )


def scaled(tensors: Iterable[StoredTensor], stored: int, plain: int) -> list[StoredTensor]:
    """Return tensors whose bytes are shared out over a compressed, or textual, part of a file.

    >>> scaled([StoredTensor("a", "embedding", "float32", (25,), 100)], 30, 120)[0].nbytes
    25
    """
    return [
        replace(tensor, nbytes=tensor.nbytes * stored // max(plain, 1))
        if stored != plain
        else tensor
        for tensor in tensors
    ]
