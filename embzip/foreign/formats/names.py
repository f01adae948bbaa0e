"""Guesses the role of a tensor from its name and shape, for files that say nothing else.

A graph, an object graph or the groups of an HDF5 file are used where a file has them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from embzip.inspection import Role, StoredTensor

# Slots and counters of TensorFlow's and Keras' optimizers, of all versions.
_SLOTS = (
    r"Adam|Adam_\d+|AdaMax|AdaMax_\d+|Adagrad|AdagradDA|Adadelta|Adadelta_\d+|Ftrl|Ftrl_\d+|"
    r"Momentum|RMSProp|RMSProp_\d+|LazyAdam|LazyAdam_\d+|AdamW|LAMB|adam_m|adam_v|m|v|"
    r"accumulator|linear|momentum|velocity|rms|mg|vhat"
)
_SLOT = re.compile(rf"^(.+)/(?:{_SLOTS})(:0)?$")
_SURE = ".OPTIMIZER_SLOT/"
_COUNTER = re.compile(r"(^|/)(beta[12]_power(_\d+)?|global_step|save_counter|iterations?)(:0|/|$)")
_SCOPE = re.compile(
    r"(^|/)(_?optimizer(_weights)?|Adam|RMSprop|SGD|Adagrad|Nadam|Adamax|Ftrl|adam|rmsprop|sgd|"
    r"adagrad)(/|$)"
)
_NO_TABLE = re.compile(r"(^|/)(kernel|bias|gamma|beta|moving_\w+|recurrent_kernel)(:0|/|$)")
_EMBED = re.compile(r"embed", re.IGNORECASE)
_ROWS_PER_COLUMN = 8  # the least for a table, if no name contains "embed"


def clean(name: str) -> str:
    """Return a stored name without the suffix that TensorFlow adds."""
    return name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").removesuffix(":0")


def role_of_name(name: str, dtype: str, shapes: Mapping[str, tuple[int, ...]]) -> Role:
    """Return the role that a variable's name suggests; `with_embedding` finds tables.

    A name alone is not enough: a variable may be named `linear` or `adam/kernel`. A slot has the
    shape of the variable it belongs to, and anything else that only training needs is one number.

    >>> shapes = {"w": (3, 2), "w/Adam_1": (3, 2), "wide/linear": (3, 1), "adam/w": (2, 5)}
    >>> [role_of_name(name, "float32", shapes) for name in shapes]
    ['other_variables', 'optimizer', 'other_variables', 'other_variables']
    """
    shape = shapes.get(name)
    slot = _SLOT.match(name)
    if _SURE in name or (slot and shapes.get(slot.group(1) + (slot.group(2) or "")) == shape):
        return "optimizer"
    scoped = _SCOPE.search(name)
    if shape == () and (scoped or _COUNTER.search(name)):
        return "optimizer"
    if scoped and any(
        found == shape and other != name and not _SCOPE.search(other)
        for other, found in shapes.items()
    ):
        return "optimizer"
    return "vocabulary" if dtype == "string" else "other_variables"


def with_embedding(tensors: Iterable[StoredTensor]) -> list[StoredTensor]:
    """Return the tensors; if none is an embedding yet, mark one by its name and shape."""
    tensors = list(tensors)
    if any(tensor.role == "embedding" for tensor in tensors):
        return tensors
    tables = [t for t in tensors if t.role == "other_variables" and _is_table(t)]
    named = {t.name for t in tables if _EMBED.search(t.name)}
    if not named:
        tall = [t for t in tables if t.shape[0] >= _ROWS_PER_COLUMN * t.shape[1]]
        named = {max(tall, key=lambda t: t.nbytes).name} if tall else set()
    return [replace(t, role="embedding") if t.name in named else t for t in tensors]


def _is_table(tensor: StoredTensor) -> bool:
    return len(tensor.shape) == 2 and not _NO_TABLE.search(tensor.name)
