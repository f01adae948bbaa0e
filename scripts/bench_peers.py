"""What `scripts.bench_codecs` measures: embzip's codecs, and those of other packages, as one kind.

A codec is a name: `svd|tcq:2` and whatever else `embzip.compress` takes, or one of `PEERS` with its
argument, `faiss-pq:25`. Each is run as its package means it, with its defaults; all that it must
hold to decode rows is counted.
"""

import ctypes
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import embzip
from embzip.types import Matrix

Ids = NDArray[np.int64]
_SAMPLE = 65_536  # rows that faiss' own indexes train 256 centroids on


@dataclass(frozen=True)
class Coded:
    """A compressed table: bytes that are held to decode it, how, and its file where it has one.

    `chosen` is the codec that was taken, where that was not named.
    """

    nbytes: int
    rows: Callable[[Ids], Matrix]
    file_bytes: Callable[[], int] | None = None
    chosen: str | None = None


def encode(name: str, matrix: Matrix) -> Coded:
    """Fit and encode a table with a codec of embzip or of a peer."""
    kind, _, argument = name.partition(":")
    return PEERS[kind](matrix, argument) if kind in PEERS else _embzip(matrix, name)


def _embzip(matrix: Matrix, spec: str) -> Coded:
    table = embzip.compress(matrix, spec)

    def file_bytes() -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "table.embz")
            embzip.save(table, path, pack=True)
            return path.stat().st_size

    chosen = str(table.codec) if spec.startswith("auto:") else None
    return Coded(table.nbytes, lambda ids: table[ids], file_bytes, chosen)


def _faiss_pq(matrix: Matrix, parts: str) -> Coded:
    faiss = _peer("faiss")

    quantizer = faiss.ProductQuantizer(matrix.shape[1], int(parts), 8)
    quantizer.train(matrix)
    codes = quantizer.compute_codes(matrix)
    nbytes = codes.nbytes + faiss.vector_to_array(quantizer.centroids).nbytes
    return Coded(nbytes, lambda ids: quantizer.decode(codes[ids]))


def _faiss_opq(matrix: Matrix, parts: str) -> Coded:
    faiss = _peer("faiss")

    rotation = faiss.OPQMatrix(matrix.shape[1], int(parts))
    rotation.train(matrix)
    inner = _faiss_pq(rotation.apply(matrix), parts)
    nbytes = inner.nbytes + faiss.vector_to_array(rotation.A).nbytes
    return Coded(nbytes, lambda ids: rotation.reverse_transform(inner.rows(ids)))


def _faiss_rq(matrix: Matrix, parts: str) -> Coded:
    faiss = _peer("faiss")

    quantizer = faiss.ResidualQuantizer(matrix.shape[1], int(parts), 8)
    chosen = np.random.default_rng(0).permutation(len(matrix))[:_SAMPLE]
    quantizer.train(matrix[np.sort(chosen)])
    codes = quantizer.compute_codes(matrix)
    nbytes = codes.nbytes + faiss.vector_to_array(quantizer.codebooks).nbytes
    return Coded(nbytes, lambda ids: quantizer.decode(codes[ids]))


def _faiss_sq(matrix: Matrix, kind: str) -> Coded:
    faiss = _peer("faiss")

    quantizer = faiss.ScalarQuantizer(matrix.shape[1], getattr(faiss.ScalarQuantizer, f"QT_{kind}"))
    quantizer.train(matrix)
    codes = quantizer.compute_codes(matrix)
    nbytes = codes.nbytes + faiss.vector_to_array(quantizer.trained).nbytes
    return Coded(nbytes, lambda ids: quantizer.decode(codes[ids]))


def _faiss_rabitq(matrix: Matrix, bits: str) -> Coded:
    """Encode as faiss' factory string "RR,RaBitQ" does: rotated at random, around the mean."""
    faiss = _peer("faiss")

    dim = matrix.shape[1]
    rotation = faiss.RandomRotationMatrix(dim, dim)
    rotation.init(0)
    index = faiss.IndexRaBitQ(dim, faiss.METRIC_L2, int(bits))
    turned = rotation.apply(matrix)
    index.train(turned)
    codes = index.sa_encode(turned)
    nbytes = codes.nbytes + 4 * dim + faiss.vector_to_array(rotation.A).nbytes
    return Coded(nbytes, lambda ids: rotation.reverse_transform(index.sa_decode(codes[ids])))


def _faiss_turboquant(matrix: Matrix, bits: str) -> Coded:
    """Encode unit rows, rotated at random, by TurboQuant for least error; norms take 4 bytes."""
    faiss = _peer("faiss")

    dim = matrix.shape[1]
    rotation = faiss.RandomRotationMatrix(dim, dim)
    rotation.init(0)
    kind = getattr(faiss.ScalarQuantizer, f"QT_{bits}bit_tqmse")
    quantizer = faiss.ScalarQuantizer(dim, kind)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True).astype(np.float32)
    units = rotation.apply(np.ascontiguousarray(matrix / np.maximum(norms, 1e-30)))
    quantizer.train(units)
    codes = quantizer.compute_codes(units)
    # The levels follow from bits and dim, so they are not counted.
    nbytes = codes.nbytes + norms.nbytes + faiss.vector_to_array(rotation.A).nbytes
    return Coded(
        nbytes, lambda ids: rotation.reverse_transform(quantizer.decode(codes[ids])) * norms[ids]
    )


def _ggml(matrix: Matrix, kind: str) -> Coded:
    """Encode by llama.cpp's library, which stands in pywhispercpp's wheel, and decode by gguf.

    Its codes are of 256 numbers, so that rows follow each other without a gap. All weigh the same.
    """
    gguf = _peer("gguf")
    folder = Path(_peer("_pywhispercpp").__file__).parent
    library = ctypes.CDLL(str(folder / "libggml-base.so"))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    code = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[code]
    numbers = np.pad(matrix.ravel(), (0, -matrix.size % 256))
    codes = np.zeros(len(numbers) // block * size, np.uint8)
    weights = np.ones(256, np.float32)
    floats, count = ctypes.POINTER(ctypes.c_float), ctypes.c_int64
    written = library.ggml_quantize_chunk(
        ctypes.c_int(code), numbers.ctypes.data_as(floats), codes.ctypes.data_as(ctypes.c_void_p),
        count(0), count(len(numbers) // 256), count(256), weights.ctypes.data_as(floats),
    )  # fmt: skip
    assert written == codes.nbytes
    dim, width = matrix.shape[1], 256 // block * size

    def rows(ids: Ids) -> Matrix:
        places = ids[:, None] * dim + np.arange(dim)
        used, inverse = np.unique(places // 256, return_inverse=True)
        decoded = gguf.dequantize(codes.reshape(-1, width)[used], code)
        return _float32(decoded[inverse.reshape(places.shape), places % 256])

    return Coded(codes.nbytes, rows)


def _keras(matrix: Matrix, mode: str) -> Coded:
    keras = _peer("keras")

    layer = keras.layers.Embedding(*matrix.shape)
    layer.build()
    layer.set_weights([matrix])
    layer.quantize(mode)
    # Codes and scales, at the width Keras holds them.
    nbytes = sum(np.asarray(variable).nbytes for variable in layer.variables)
    return Coded(nbytes, lambda ids: np.asarray(layer(ids)))


def _model2vec(matrix: Matrix, kind: str) -> Coded:
    DType = _peer("model2vec.quantization").DType
    quantize_embeddings = _peer("model2vec.quantization").quantize_embeddings

    codes = quantize_embeddings(np.asarray(matrix), DType(kind))
    # Its int8 drops the scale, which cosines do not need; an error can only be taken with it.
    scale = np.float32(np.abs(matrix).max() / 127 if codes.dtype == np.int8 else 1)
    return Coded(codes.nbytes, lambda ids: codes[ids] * scale)


def _model2vec_vocabulary(matrix: Matrix, clusters: str) -> Coded:
    quantize_vocabulary = _peer("model2vec.vocabulary_quantization").quantize_vocabulary

    centers, mapping, lengths = quantize_vocabulary(int(clusters), None, np.asarray(matrix))
    nbytes = centers.nbytes + mapping.nbytes + lengths.nbytes
    return Coded(nbytes, lambda ids: centers[mapping[ids]] * lengths[ids, None])


def _compress_fasttext_svd(matrix: Matrix, rank: str) -> Coded:
    DecomposedMatrix = _peer("compress_fasttext.decomposition").DecomposedMatrix

    made = DecomposedMatrix.compress(np.asarray(matrix), n_components=int(rank))
    return Coded(made.compressed.nbytes + made.components.nbytes, lambda ids: _float32(made[ids]))


def _compress_fasttext_pq(matrix: Matrix, parts: str) -> Coded:
    quantize = _peer("compress_fasttext.quantization").quantize

    np.random.seed(0)  # noqa: NPY002  # what it draws its centroids from
    made = quantize(matrix, qdim=int(parts), centroids=255)
    file_bytes = len(made.as_bytes)
    return Coded(
        made.indexes.nbytes + made.codes.nbytes, lambda ids: _float32(made[ids]), lambda: file_bytes
    )


def _compress_fasttext_float16(matrix: Matrix, _: str) -> Coded:
    codes = matrix.astype(np.float16)
    return Coded(codes.nbytes, lambda ids: codes[ids].astype(np.float32))


def _peer(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: the peers are installed by `uv sync --extra all --group bench`")


def _float32(rows: Any) -> Matrix:
    return np.asarray(rows, np.float32)


PEERS: Mapping[str, Callable[[Matrix, str], Coded]] = {
    "faiss-pq": _faiss_pq,
    "faiss-opq": _faiss_opq,
    "faiss-rq": _faiss_rq,
    "faiss-sq": _faiss_sq,
    "faiss-rabitq": _faiss_rabitq,
    "faiss-turboquant": _faiss_turboquant,
    "ggml": _ggml,
    "keras": _keras,
    "model2vec": _model2vec,
    "model2vec-vocabulary": _model2vec_vocabulary,
    "compress-fasttext-svd": _compress_fasttext_svd,
    "compress-fasttext-pq": _compress_fasttext_pq,
    "compress-fasttext-float16": _compress_fasttext_float16,
}
