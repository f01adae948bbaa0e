"""Where the bytes of a .embz file are, read from its header alone."""

from pathlib import Path

from embzip.codecs.registry import parse_codec
from embzip.embz.container import read_header, reading
from embzip.embz.contents import heads_of, role_of, small_specs, table_specs
from embzip.embz.meta import stored_meta
from embzip.embz.packed import packing_of, shape_of
from embzip.embz.shards import manifest_in, shards_of, with_specs
from embzip.files.reading import existing_file
from embzip.inspection import ArtefactRecord, StoredTensor, make_record


def inspect_embz(path: str | Path) -> ArtefactRecord:
    """Return where the bytes of a .embz file are.

    Raises
    ------
    FileFormatError
        For a damaged file.
    """
    path = existing_file(manifest_in(path))
    with path.open("rb") as file, reading(path):
        header = read_header(file, path)
        shards = shards_of(path, header.record)
        files = [path, *(shard for shard, _ in shards.files)] if shards else [path]
        if shards is not None:
            header = with_specs(header, shards.specs)
        rows, dim = shape_of(header.record)
        codec = parse_codec(header.record.take("codec", str))
        inside = small_specs(header, table_specs(codec.layout(rows, dim)))
        packed = packing_of(header, inside)
        tensors = []
        for spec in (*header.specs.values(), *inside):
            if spec.name == "small":
                continue
            plain = packed[spec.name].spec if spec.name in packed else spec
            tensors.append(
                StoredTensor(
                    spec.name,
                    role_of(spec.name),
                    plain.dtype,
                    plain.shape,
                    spec.nbytes,
                    packed=spec.name in packed,
                    unpacked=plain.nbytes,
                )
            )
        own = {
            "codec": codec.spec,
            "rows": rows,
            "dim": dim,
            "tokenizer": header.record.values.get("tokenizer"),
            "normalization": header.record.values.get("normalization"),
            "heads": len(heads_of(header)),
            "shards": len(files) - 1,
            "meta": stored_meta(header.record),
        }
    return make_record(path, "embz", files, tensors, own=own)


def counts_bytes(path: str | Path) -> int:
    """Return the bytes of a .embz file that are token counts, which predicting does not read."""
    return sum(each.nbytes for each in inspect_embz(path).tensors if each.name == "counts")
