"""Which operators a graph may have, by what they do: the one list.

An operator computes (the same inputs give the same outputs), reads a hash table, or touches files
or Python. One that is on no list is unknown: it is refused, as new ones are, and called that.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.python.framework import op_def_registry

from embzip.errors import InputError
from embzip.foreign.formats.graphs import VARIABLES

TABLES = frozenset({"HashTable", "HashTableV2"})
TABLE_READS = frozenset(
    {"LookupTableFind", "LookupTableFindV2", "LookupTableSize", "LookupTableSizeV2"}
)
# Operators that TensorFlow calls stateful, though they only compute: variables, which become
# constants; control flow, in both ways; arrays of tensors and stacks, which live for one run.
_COMPUTES = VARIABLES | {
    "ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape",
    "While", "If", "Case", "For", "PartitionedCall", "StatefulPartitionedCall",
    "TensorArray", "TensorArrayClose", "TensorArrayConcat", "TensorArrayGather",
    "TensorArrayPack", "TensorArrayRead", "TensorArrayScatter", "TensorArraySize",
    "TensorArraySplit", "TensorArrayUnpack", "TensorArrayWrite",
    "Stack", "StackClose", "StackPop", "StackPush",
    "StridedSliceAssign", "TemporaryVariable", "DestroyTemporaryVariable",
    "RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal",
    "RandomShuffle", "Multinomial", "Assert",
}  # fmt: skip
_VERSIONS = ("", "V2", "V3")
# TensorFlow does not call all of these stateful.
_TOUCHES = (
    "PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles",
    "Save", "SaveSlices", "Restore", "RestoreSlice", "MergeV2Checkpoints", "ShardedFilename",
    "ReaderRead", "TextLineReader", "WholeFileReader", "TFRecordReader", "FixedLengthRecordReader",
    "InitializeTableFromTextFile", "Print", "XlaHostCompute", "LoadLibrary",
)  # fmt: skip


def check_ops(nodes: Iterable[Any], functions: Iterable[str], path: Path) -> None:
    """Check that nodes only compute and read tables.

    Raises
    ------
    InputError
        For any other node. The message has its name, its operator, and why it is refused.
    """
    own = set(functions)
    for node in nodes:
        if node.op in own or computes(node.op) or node.op in TABLES | TABLE_READS:
            continue
        raise InputError(
            f"{path}: the node {node.name!r} is a {node.op}, which {_why(node.op)}: name an output "
            "that does not need it (--output of `slim`, --node of `rebuild`, outputs=), cut the "
            "graph behind it (--input), or save the model again without it"
        )


def computes(op: str) -> bool:
    """Return whether an operator only computes."""
    known = op_def_registry.get(op)
    if known is None or _named(op, _TOUCHES):
        return False
    return not known.is_stateful or _named(op, _COMPUTES)


def _why(op: str) -> str:
    if op_def_registry.get(op) is None:
        return "TensorFlow does not know"
    if _named(op, _TOUCHES):
        return "touches files or Python"
    return "keeps state, and is not known to embzip as one that only computes"


def _named(op: str, names: Iterable[str]) -> bool:
    return op in set(_with_versions(names))


def _with_versions(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from (name + version for version in _VERSIONS)
