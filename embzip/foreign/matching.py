"""Matches the arrays of a file with the variables of a model: by name, then by shape.

Ambiguous matches are refused, and the message lists the candidates.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from embzip.errors import InputError, MismatchError
from embzip.foreign.formats.names import clean

Variables = dict[str, NDArray[Any]]
_LISTED = 12  # names in a message


def assigned(
    targets: Mapping[str, tuple[int, ...]],
    arrays: Variables,
    names: Mapping[str, str],
    where: str,
    others: Mapping[str, str],
) -> dict[str, str]:
    """Return the name of each variable's array; `load_variables` describes the rules.

    Parameters
    ----------
    targets
        The shape of each variable of the model, by name.
    arrays
        The arrays of the file, by name.
    names
        The pairs the user chose: {variable: array}.
    where
        The name of the file in messages.
    others
        Second names of arrays that have one.

    Raises
    ------
    InputError
        For `names` that the model or the file does not have.
    MismatchError
        For a variable that no array fits, or several arrays fit.
    """
    sources = {name: array.shape for name, array in arrays.items()}
    for target, source in names.items():
        for name, known, owner in ((target, targets, "the model"), (source, sources, where)):
            if name not in known:
                listed = ", ".join(sorted(known)[:_LISTED])
                raise InputError(f"{owner} has no variable {name!r}: it has {listed}")
    chosen = dict(names)
    for target, shape in targets.items():
        named = chosen.get(target) or next((s for s in sources if clean(s) == target), None)
        if named is not None and _bare(sources[named]) != _bare(shape):
            raise MismatchError(
                f"{where}: the variable {named!r} has the shape {sources[named]}, but {target!r} "
                f"of the model has {shape}"
            )
    for agree in _AGREEMENTS:
        if agree is _same_shape:
            names_left = {s: others.get(s, s) for s in sources if s not in chosen.values()}
            chosen |= _in_order(
                {t: targets[t] for t in targets if t not in chosen}, sources, names_left
            )
        moved = True
        while moved:
            left = [t for t in targets if t not in chosen]
            free = [s for s in sources if s not in chosen.values()]
            fits = {
                t: [
                    s
                    for s in free
                    if _bare(sources[s]) == _bare(targets[t])
                    and any(agree(t, name) for name in {s, others.get(s, s)})
                ]
                for t in left
            }
            wanted = [s for found in fits.values() for s in found]
            sure = {t: f[0] for t, f in fits.items() if len(f) == 1 and wanted.count(f[0]) == 1}
            if agree is _same_shape and not sure:
                sure = _beside(fits, chosen)
            chosen |= sure
            moved = bool(sure)
    for target, shape in targets.items():
        if target not in chosen:
            alike = [t for t in targets if t not in chosen and _bare(targets[t]) == _bare(shape)]
            raise MismatchError(
                f"{where}: it is not clear which array belongs to "
                f"{', '.join(map(repr, alike[:_LISTED]))} of the model, of shape {shape}: "
                f"candidates are {fits[target][:_LISTED] or 'none'}; pass "
                "names={variable: array}"
            )
    return {target: chosen[target] for target in targets}


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without leading axes of 1, which some files store for convolutions."""
    return _bare(shape[1:]) if len(shape) > 1 and shape[0] == 1 else shape


def _ends_alike(target: str, source: str) -> bool:
    source = clean(source)
    return target.endswith(f"/{source}") or source.endswith(f"/{target}")


def _beside(fits: Mapping[str, list[str]], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the pairs whose layers are known from another variable: a bias beside its kernel."""
    layers: dict[str, set[str]] = {}
    for target, source in chosen.items():
        layers.setdefault(_layer(target), set()).add(_layer(source))
    found = {}
    for target, sources in fits.items():
        own = layers.get(_layer(target), set())
        near = [source for source in sources if _layer(source) in own]
        if len(own) == len(near) == 1:
            found[target] = near[0]
    return {t: s for t, s in found.items() if list(found.values()).count(s) == 1}


def _layer(name: str) -> str:
    return name.rpartition("/")[0]


def _same_way(target: str, source: str) -> bool:
    """Return whether names are of the same direction of a layer that reads in both.

    >>> _same_way("both/forward_lstm/kernel", "layers/both/forward_layer/cell/vars/0")
    True
    """
    ways = [
        {way for way in ("forward_", "backward_") if f"/{way}" in f"/{name}"}
        for name in (target, source)
    ]
    return ways[0] == ways[1] and len(ways[0]) == 1


def _in_order(
    targets: Mapping[str, tuple[int, ...]],
    sources: Mapping[str, tuple[int, ...]],
    free: Mapping[str, str],
) -> dict[str, str]:
    """Return the pairs of names that differ in running numbers, of both by these numbers.

    `free` has the names that arrays had in the program that wrote them.

    `dense/kernel` and `dense_1/kernel` are `dense_13/kernel` and `dense_14/kernel`, where these are
    all of that name and shape, and their numbers say which comes first.
    """
    groups: dict[Any, list[str]] = {}
    for target in targets:
        groups.setdefault((_unnumbered(target), _bare(targets[target])), []).append(target)
    found: dict[str, str] = {}
    for (name, shape), own in groups.items():
        fits = [
            s
            for s, known in free.items()
            if _bare(sources[s]) == shape and _has_parts(_unnumbered(known), name)
        ]
        ours = {_numbers(target): target for target in own}
        theirs = {_numbers(free[s]): s for s in fits}
        if len(ours) == len(own) == len(fits) == len(theirs):
            order = zip(sorted(ours), sorted(theirs), strict=True)
            found |= {ours[one]: theirs[other] for one, other in order}
    twice = {s for s in found.values() if list(found.values()).count(s) > 1}
    return {target: source for target, source in found.items() if source not in twice}


def _unnumbered(name: str) -> tuple[str, ...]:
    """Return the parts of a name without running numbers, and without cells of recurrent layers.

    >>> _unnumbered("bidirectional_19/forward_lstm_19/lstm_cell_57/kernel:0")
    ('bidirectional', 'forward_lstm', 'kernel')
    """
    parts = (_NUMBER.sub("", part) for part in clean(name).split("/"))
    return tuple(part for part in parts if not part.endswith("_cell"))


def _has_parts(name: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Return whether a name ends as another does, and has its other parts, in that order."""
    left = iter(name)
    return name[-1:] == wanted[-1:] and len(wanted) > 1 and all(part in left for part in wanted)


def _numbers(name: str) -> tuple[int, ...]:
    """Return the running numbers in a name, 0 for a part without.

    >>> _numbers("dense_13/kernel")
    (13, 0)
    """
    found = (_NUMBER.search(part) for part in clean(name).split("/"))
    return tuple(int(each[1]) if each else 0 for each in found)


def _same_shape(target: str, source: str) -> bool:
    del target, source  # shapes agree wherever names are compared
    return True


_NUMBER = re.compile(r"_(\d+)$")
# From the strictest rule to the shape alone.
_AGREEMENTS: tuple[Callable[[str, str], bool], ...] = (
    lambda target, source: target == clean(source),
    _ends_alike,
    lambda target, source: clean(source) in (target, *target.split("/")[:-1]),
    _same_way,
    _same_shape,
)
