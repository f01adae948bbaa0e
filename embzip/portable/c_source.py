"""A classifier as C99: constants, and behind them the code of `templates/classifier.c`."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from embzip.portable.c_data import comment, constant, defines, literal, narrowed
from embzip.portable.heads import FORMS, WIDTH, Layer, PortableHead
from embzip.portable.model import PortableModel
from embzip.portable.tables import ROWS_APART, Floats, LookedUp, Transformation, Trelliscoded
from embzip.portable.words import word_blocks
from embzip.tokenizers import YttmModel

LONGEST_WORD = 255  # characters of a word that is cut into pieces
_PLACES = 32  # of a convolution at a time, at most
_STEM_BYTES = 8  # two characters behind a stem
_POINTER = 8  # the most bytes that a padded member of the buffer takes


@dataclass(frozen=True)
class CSource:
    """A source file and its header.

    Attributes
    ----------
    buffer_bytes
        What a caller must give: all that is written while a text is classified, but for about
        1 KB on the stack.
    flash_bytes
        All constants; the code comes on top.
    """

    source: str
    header: str
    buffer_bytes: int
    flash_bytes: int


class _Data:
    """Constants, as they are written."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.nbytes = 0

    def array(self, name: str, array: NDArray[np.generic]) -> None:
        self.parts.append(constant(name, array))
        self.nbytes += max(array.nbytes, array.itemsize)

    def define(self, *values: tuple[str, object]) -> None:
        self.parts.append(defines(values))

    def text(self, text: str) -> None:
        self.parts.append(text)


def c_source(model: PortableModel, stem: str, what: str) -> CSource:
    """Return a model as C.

    Parameters
    ----------
    stem
        Of the files' names, which the source includes its header by.
    what
        A line that describes the model.
    """
    data = _Data()
    _text(data, model)
    word_bytes = _pieces(data, model.pieces) if model.pieces else _words(data, model)
    _rows(data, model)
    _heads(data, model.heads)
    convolutions = [layer for head in model.heads for layer in head.convolutions]
    widest = max((layer.window for layer in convolutions), default=1)
    longest = max(head.max_length for head in model.heads)
    stride = model.table.dim + any(head.indicator for head in model.heads)
    numbers = {
        "STRIDE": stride,
        "WIDEST": widest,
        "ROWS_AT_ONCE": min(_PLACES, -(-longest // 8) * 8) + widest - 1 if convolutions else 1,
        "KERNEL_NUMBERS": WIDTH * max((layer.inputs for layer in convolutions), default=1),
        "FEATURES": sum(head.features for head in model.heads),
        "WORD_BYTES": word_bytes,
        "LONGEST_TEXT": longest,
    }
    data.define(*numbers.items(), ("FIRST_FEATURE", "-HUGE_VALF" if convolutions else 0))
    used = numbers["ROWS_AT_ONCE"] * stride + numbers["KERNEL_NUMBERS"] + numbers["FEATURES"]
    words = 4 * (LONGEST_WORD + 1) if model.pieces else word_bytes
    buffer = 4 * (used + model.table.inner) + 12 + 2 + word_bytes + words + 2 * _POINTER
    buffer = -(-buffer // 8) * 8
    labels = [label for head in model.heads for label in head.labels]
    values = {
        "what": comment(what),
        "stem": comment(stem),
        "header": f"{stem}.h",
        "guard": f"{re.sub('[^A-Z0-9]', '_', stem.upper())}_EMBZIP_H",
        "buffer_bytes": str(buffer),
        "classifiers": str(len(model.heads)),
        "labels": str(len(labels)),
        "longest_word": str(LONGEST_WORD),
        "/*data*/": "\n\n".join(data.parts),
    }
    return CSource(
        _filled("classifier.c", values), _filled("classifier.h", values), buffer, data.nbytes
    )


def _filled(name: str, values: dict[str, str]) -> str:
    template = (files("embzip.portable") / "templates" / name).read_text("utf-8")
    template = template.replace("/*@data@*/", "@/*data*/@")
    return re.sub("@([a-z_/*]+)@", lambda found: values[found[1]], template)


def _text(data: _Data, model: PortableModel) -> None:
    """Write what normalizes and splits."""
    tables = model.unicode(flagged=True)
    names = {"ascii": "ascii_records", "far": "far_codes", "seconds": "second_codes"}
    for name, array in tables.arrays().items():
        data.array(names.get(name, name), array)
    data.define(
        ("LOWERCASE", model.lowercase),
        ("SIGMA", model.sigma),
        ("RUN_STEPS", len(tables.run_first)),
        ("FAR_CODES", len(tables.far)),
        ("LOWER_RUNS", len(tables.lower_first)),
        ("PAIRS", len(tables.pair_first)),
        ("PAIR_RUNS", len(tables.pair_start)),
        ("COMPOSING", len(tables.pair_order)),
        ("SINGLE_RUNS", len(tables.single_first)),
        ("UNKNOWN", model.unknown),
        ("PIECES", model.pieces is not None),
        ("STEMS", model.stems),
        ("ID_OF(w, at, id)", "((w)->pieces[at])" if model.pieces else "((void)(at), (id))"),
    )


def _words(data: _Data, model: PortableModel) -> int:
    """Write the words; return how many bytes of one are looked at."""
    blocks = word_blocks(model.words)
    data.array("word_blocks", blocks.content)
    data.array("word_starts", narrowed(blocks.starts))
    data.define(("WORDS", len(model.words)), ("WORD_BLOCKS", len(blocks.starts)))
    return blocks.longest + _STEM_BYTES + 4


def _pieces(data: _Data, pieces: YttmModel) -> int:
    """Write the alphabet and the merges."""
    alphabet = np.array(sorted(pieces.codepoints), np.uint32).reshape(-1, 2)
    data.array("alphabet", narrowed(alphabet[:, 0]))
    data.array("alphabet_ids", narrowed(alphabet[:, 1]))
    merges = np.array(pieces.merges, np.uint32).reshape(-1, 3)
    order = np.lexsort((merges[:, 1], merges[:, 0]))
    data.array("merge_left", narrowed(merges[order, 0]))
    data.array("merge_right", narrowed(merges[order, 1]))
    data.array("merge_rank", narrowed(order))
    data.array("merge_new", narrowed(merges[:, 2]))
    data.define(("ALPHABET", len(alphabet)), ("MERGES", f"{len(merges)}u"))
    return 4


def _rows(data: _Data, model: PortableModel) -> None:
    """Write the table."""
    table, decoded = model.table, model.table.decoded
    kinds = {"FLOAT": False, "HALF": False, "LOOKED_UP": False, "TRELLIS": False}
    if isinstance(decoded, Floats):
        kinds["HALF" if decoded.values.dtype == np.float16 else "FLOAT"] = True
        data.array("table_values", decoded.values)
    elif isinstance(decoded, LookedUp):
        kinds["LOOKED_UP"] = True
        _looked_up(data, decoded)
    else:
        kinds["TRELLIS"] = True
        _trelliscoded(data, decoded)
    data.define(
        *((f"ROWS_{kind}", used) for kind, used in kinds.items()),
        ("INNER", table.inner),
        ("DIM", table.dim),
        ("TRANSFORMED", table.transformation is not None),
    )
    if isinstance(table.transformation, Transformation):
        data.array("table_matrix", table.transformation.matrix)
        data.array("table_offset", table.transformation.offset)


def _looked_up(data: _Data, rows: LookedUp) -> None:
    ones = bool((rows.parts == (1, 0)).all())
    data.array("table_codes", rows.codes)
    data.array("table_points", rows.points)
    scale: object = "1.0f"
    if rows.scale is not None:
        data.array("table_scale", rows.scale)
        scale = "table_scale[id]"
    if rows.scales is not None:
        data.array("table_scales", rows.scales)
        scale = "table_scales[table_scale[id]]"
    if not ones:
        data.array("part_widths", narrowed(rows.parts[:, 0]))
        data.array("part_firsts", narrowed(rows.parts[:, 1]))
    data.define(
        ("CODE_BITS", rows.bits),
        ("ROW_BYTES", rows.codes.shape[1]),
        ("PARTS", len(rows.parts)),
        ("PART_OF_ONE", ones),
        ("ROW_SCALE(id)", f"({scale})"),
    )


def _trelliscoded(data: _Data, rows: Trelliscoded) -> None:
    # Two bytes more: free bits are read from the next byte too.
    data.array("table_stream", np.append(rows.stream, np.zeros(2, np.uint8)))
    data.array("table_planes", rows.planes.reshape(-1))
    data.array("stream_offsets", narrowed(rows.offsets))
    data.array("class_sizes", rows.sizes)
    data.array("class_bits", rows.bits)
    data.array("class_mean", rows.mean)
    data.array("class_deviation", rows.deviation)
    data.array("first_value", rows.first_value)
    data.array("trellis_values", rows.values)
    data.define(
        ("MEMORY", rows.memory), ("PLANES", rows.planes.shape[1]), ("ROWS_APART", ROWS_APART)
    )


def _heads(data: _Data, heads: Sequence[PortableHead]) -> None:
    """Write encoders, dense layers and labels."""
    forms = sorted({head.form for head in heads})
    data.define(*((f"FORM_{form.upper()}", form in forms) for form in FORMS))
    if "int4" in forms:
        codes = np.arange(256)
        pairs = np.stack([codes & 15, codes >> 4], axis=1) - np.float32(7.5)
        data.array("level_pairs", pairs.astype(np.float32))
    data.text(f"enum {{ {', '.join(f'IS_{form.upper()}' for form in forms)} }};")
    one = "(1)" if len(forms) == 1 else "((form) == IS_##name)"
    data.define(("FORM(form, name)", one))
    written: list[str] = []
    convolutions: list[str] = []
    feature = 0
    layer: Callable[[str, Layer], str] = lambda name, each: _layer(data, name, each)  # noqa: E731
    for index, head in enumerate(heads):
        first = feature
        for number, each in enumerate(head.convolutions):
            made = layer(f"h{index}_conv{number}", each)
            convolutions.append(f"    {{{index}, {each.window}, {feature}, {made}}},")
            feature += math.ceil(each.outputs / WIDTH) * WIDTH
        dense = layer(f"h{index}_dense", head.dense)
        written.append(
            f"    {{IS_{head.form.upper()}, {head.max_length}, {head.columns}, "
            f"{len(head.convolutions)}, {first}, {dense}}},"
        )
        feature = first + head.features
    data.define(
        ("CONVOLUTIONS", len(convolutions)),
        ("MEANS", any(not head.convolutions for head in heads)),
    )
    if convolutions:
        joined = "\n".join(convolutions)
        data.text(f"static const struct convolution convolutions[] = {{\n{joined}\n}};")
    joined = "\n".join(written)
    data.text(f"static const struct head heads[] = {{\n{joined}\n}};")
    labels = [literal(label) for head in heads for label in head.labels]
    listed = ",\n    ".join(labels)
    data.text(f"const char *const embzip_labels[EMBZIP_LABELS] = {{\n    {listed}\n}};")
    at, classifiers = 0, []
    for head in heads:
        classifiers.append(f"    {{{literal(head.name)}, {at}, {len(head.labels)}}},")
        at += len(head.labels)
    joined = "\n".join(classifiers)
    data.text(
        f"const struct embzip_classifier embzip_classifiers[EMBZIP_CLASSIFIERS] = {{\n{joined}\n}};"
    )


def _layer(data: _Data, name: str, layer: Layer) -> str:
    """Write a layer's arrays, and return its fields."""
    data.array(f"{name}_blocks", layer.numbers)
    data.array(f"{name}_scale", layer.scale)
    data.array(f"{name}_bias", layer.bias)
    return f"{{{name}_blocks, {name}_scale, {name}_bias, {layer.inputs}, {layer.outputs}}}"
