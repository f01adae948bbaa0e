"""Tables as folders that model2vec and sentence-transformers load: texts become mean vectors.

Both look rows up by a tokenizer.json. model2vec's own form may keep int8 codes, with the scale of
each row as the weight of its token; sentence-transformers' holds decoded rows.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.classifier.kit import Kit
from embzip.classifier.loading import read
from embzip.classifier.mean import MeanConfig
from embzip.classifier.model import Classifier
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.embz.format import load
from embzip.embz.inspecting import inspect_embz
from embzip.errors import UnsupportedModelError
from embzip.files.writing import atomic_folder, write_bytes
from embzip.inspection import bytes_on_disk
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.hugging_face_form import hugging_face_form, without_padding
from embzip.types import Matrix
from embzip.vectors.base import Table, Vectors, vectors_of
from embzip.vectors.own_words import with_tokenizer
from embzip.vectors.writing import write_safetensors

TARGETS = ("model2vec", "sentence-transformers")
MARKER = "modules.json"  # both kinds of folder hold it
# Not float16: model2vec would round the means too.
_HELD = ("int8", "int8:scale=none")  # codecs whose codes model2vec can hold


@dataclass(frozen=True)
class StaticModel:
    """A folder that was written.

    Attributes
    ----------
    path, nbytes
        The folder, and bytes of all its files.
    rows, dim
        Of the table.
    dtype
        How numbers of rows are stored: `int8` or `float32`.
    differs
        What the library does otherwise than embzip, a phrase each.
    """

    path: Path
    nbytes: int
    rows: int
    dim: int
    dtype: str
    differs: tuple[str, ...]


def export_static(
    table: Table | Classifier | Kit | str | Path,
    path: str | Path,
    *,
    to: str = "model2vec",
) -> StaticModel:
    """Write a table as a folder for model2vec or sentence-transformers.

    The vector of a text is the mean of the rows of its tokens, as a classifier with a mean encoder
    has it.

    Parameters
    ----------
    table
        A table; or a classifier or a kit with mean encoders, whose table is written; or the .embz
        file of one. A table without a tokenizer gets its own tokens as words, as `embzip.tf.train`
        does it.
    path
        The folder; one that such a library wrote is replaced.
    to
        `model2vec`: codes of `int8` stay codes. sentence-transformers 6.2 loads the folder too, and
        decodes it; versions that do not know weights cannot. `sentence-transformers`: rows in
        float32, which model2vec loads too.

    Raises
    ------
    SpecError
        For another target.
    UnsupportedModelError
        For a classifier of another encoder.
    TokenizerError
        For a tokenizer that has no form as a tokenizer.json.
    OutputError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from embzip.vocabulary import Vocabulary
    >>> vectors = Vectors(Vocabulary(["sea", "ship"]), np.eye(2))
    >>> made = export_static(compress(vectors, "int8"), Path(tempfile.mkdtemp(), "model"))
    >>> sorted(each.name for each in made.path.iterdir()), made.dtype
    (['config.json', 'model.safetensors', 'modules.json', 'tokenizer.json'], 'int8')
    """
    to = chosen(to, TARGETS, "target")
    differs: list[str] = []
    if isinstance(table, str | Path):
        table = read(table) if inspect_embz(table).own["heads"] else load(table)
    if isinstance(table, Classifier | Kit):
        differs.append(f"texts of more than {_longest(table)} tokens are not cut")
        table = table.embedding
    table, tokenizer = _with_tokenizer(table)
    form = hugging_face_form(tokenizer)
    differs += form.differs
    unk_id = tokenizer.vocabulary.unk_id
    if to == "model2vec" and unk_id is not None and unk_id < len(form.rows):
        differs.append("unknown tokens are left out of the mean, and embzip takes their row")
    content, tokens = without_padding(form.content)
    ids, shared = form.rows, len(form.rows) > int(form.rows.max(initial=-1)) + 1
    tensors = _held(table) if to == "model2vec" else {}
    if not tensors:
        tensors = {"embeddings": vectors_of(table).matrix}
    with atomic_folder(path, marker=MARKER) as folder:
        if to == "model2vec":
            if shared or tokens < len(ids):
                tensors["mapping"] = ids
            if "weights" in tensors:
                tensors["weights"] = tensors["weights"][ids]
            if not shared:
                tensors["embeddings"] = tensors["embeddings"][: len(ids)]
            _write_model2vec(folder, tensors, content)
        else:
            _write_static_embedding(folder, tensors["embeddings"][ids], content)
    dtype = tensors["embeddings"].dtype.name
    nbytes = bytes_on_disk(Path(path))
    return StaticModel(Path(path), nbytes, len(ids), table.dim, dtype, tuple(differs))


def _longest(model: Classifier | Kit) -> int:
    """Return how many tokens a classifier reads at most, of those that read the mean of rows."""
    models = [model] if isinstance(model, Classifier) else list(model.classifiers.values())
    configs = [each.config for each in models]
    for config in configs:
        if not isinstance(config, MeanConfig):
            raise UnsupportedModelError(
                "model2vec and sentence-transformers read the mean of a text's rows, and this "
                f"classifier's encoder is {config.kind!r}: export it to litert, or its table alone"
            )
    return max(config.max_length for config in configs)


def _with_tokenizer(table: Table) -> tuple[Vectors | CompressedEmbedding, Tokenizer]:
    """Return a table with a tokenizer; codes that model2vec can hold stay codes."""
    if isinstance(table, Vectors | CompressedEmbedding) and table.tokenizer is not None:
        return table, table.tokenizer
    made = with_tokenizer(vectors_of(table))
    assert made.tokenizer is not None  # noqa: S101
    spec = table.codec.spec if isinstance(table, CompressedEmbedding) else ""
    return compress(made, spec) if spec in _HELD else made, made.tokenizer


def _held(table: Vectors | CompressedEmbedding) -> dict[str, NDArray[Any]]:
    """Return the codes of a table and what each row is multiplied by; nothing if that is not so."""
    if not isinstance(table, CompressedEmbedding) or table.codec.spec not in _HELD:
        return {}
    ones = np.ones(table.rows, np.float32)
    weights = np.array(table.codes["scale"]) if "scale" in table.codes else ones
    if table.pad_id is not None:
        weights[table.pad_id] = 0
    # Weights are float32, so that the library computes in float32.
    return {"embeddings": np.asarray(table.codes["values"]), "weights": weights}


def _write_model2vec(folder: Path, tensors: dict[str, NDArray[Any]], tokenizer: bytes) -> None:
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "normalize": False,
        "max_length": None,
        "hidden_dim": tensors["embeddings"].shape[1],
        "embedding_dtype": tensors["embeddings"].dtype.name,
    }
    write_safetensors(folder / "model.safetensors", tensors)
    write_bytes(folder / "tokenizer.json", tokenizer)
    _write_json(folder / "config.json", config)
    _write_modules(folder, ".")


def _write_static_embedding(folder: Path, rows: Matrix, tokenizer: bytes) -> None:
    inside = folder / "0_StaticEmbedding"
    inside.mkdir()
    write_safetensors(inside / "model.safetensors", {"embedding.weight": rows})
    write_bytes(inside / "tokenizer.json", tokenizer)
    _write_json(folder / "config_sentence_transformers.json", {
        "__version__": {}, "prompts": {}, "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    })  # fmt: skip
    _write_modules(folder, inside.name)


def _write_modules(folder: Path, path: str) -> None:
    """Write what sentence-transformers, of version 3.2 and later, loads first."""
    kind = "sentence_transformers.models.StaticEmbedding"
    _write_json(folder / MARKER, [{"idx": 0, "name": "0", "path": path, "type": kind}])


def _write_json(path: Path, record: object) -> None:
    write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())
