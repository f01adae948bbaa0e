"""Which stages exist: one tuple of built-in ones, and plug-ins found by their entry point.

A plug-in package declares, under the entry point group `embzip.codecs`, a name and a `Transform`
or `Quantizer` class. Plug-ins are looked for only where a name is not built in; they never shadow.
"""

from importlib.metadata import entry_points

from embzip.choices import unknown
from embzip.codecs.auto import Auto
from embzip.codecs.base import Quantizer, Transform
from embzip.codecs.chain import Codec
from embzip.codecs.ectcq.quantizer import Ectcq
from embzip.codecs.product.pq import Pq
from embzip.codecs.product.rows import Rows
from embzip.codecs.product.rq import Rq
from embzip.codecs.row_classes.mixed import Mixed
from embzip.codecs.row_classes.tcq import Tcq
from embzip.codecs.scalar.floats import Float16, Float32
from embzip.codecs.scalar.int4 import Int1, Int2, Int4
from embzip.codecs.scalar.int8 import Int8
from embzip.codecs.scalar.kmeans import Kmeans
from embzip.codecs.scalar.sparse import Sparse
from embzip.codecs.spec import Stage, parse_stages
from embzip.codecs.transforms.center import Center
from embzip.codecs.transforms.opq import Opq
from embzip.codecs.transforms.svd import Svd
from embzip.codecs.transforms.topdim import Topdim
from embzip.codecs.wrappers.coarse import Coarse
from embzip.codecs.wrappers.normalize import Normalize
from embzip.codecs.wrapping import Wrapper
from embzip.errors import SpecError

_PLUGINS = "embzip.codecs"  # the group of entry points
StageClass = type[Transform] | type[Quantizer]

BUILTIN: tuple[StageClass, ...] = (
    Float32,
    Float16,
    Int8,
    Int4,
    Int2,
    Int1,
    Kmeans,
    Sparse,
    Rows,
    Pq,
    Rq,
    Normalize,
    Coarse,
    Svd,
    Center,
    Topdim,
    Opq,
    Mixed,
    Tcq,
    Ectcq,
    Auto,
)


def stage_class(name: str) -> StageClass:
    """Return the class of a stage.

    Raises
    ------
    SpecError
        For an unknown name, with the nearest and all known ones, and for a name two plug-ins claim.
    """
    for known in BUILTIN:
        if known.name == name:
            return known
    plugins = entry_points(group=_PLUGINS, name=name)
    if len(plugins) > 1:
        owners = ", ".join(sorted(str(plugin.value) for plugin in plugins))
        raise SpecError(f"several plug-ins offer {name!r}: {owners}: uninstall all but one")
    for plugin in plugins:
        loaded = plugin.load()
        if isinstance(loaded, type) and issubclass(loaded, Transform | Quantizer):
            return loaded
        raise SpecError(f"the plug-in {plugin.value} must be a Transform or a Quantizer")
    raise SpecError(unknown(name, sorted(known.name for known in BUILTIN), "codec stage"))


def every_stage() -> list[StageClass]:
    """Return the classes of all stages: the built-in ones, then those of plug-ins, by name."""
    own = {known.name for known in BUILTIN}
    plugged = sorted({plugin.name for plugin in entry_points(group=_PLUGINS)} - own)
    return [*BUILTIN, *map(stage_class, plugged)]


def parse_codec(spec: str | Codec) -> Codec:
    """Return the codec of a specification.

    Parameters
    ----------
    spec
        Transforms, wrappers, then one quantizer, joined by '|', in any case. A codec is returned
        as it is.

    Raises
    ------
    SpecError
        For an unknown stage, wrong arguments, or stages in an order that makes no chain.

    Examples
    --------
    >>> parse_codec("center|svd:64|int8").spec
    'center|svd:64|int8'
    """
    if isinstance(spec, Codec):
        return spec
    stages = parse_stages(spec.lower() if isinstance(spec, str) else spec)
    known = [stage_class(stage.name) for stage in stages]
    end = known[-1].from_stage(stages[-1])
    if isinstance(end, Transform) and end.completion is not None:
        stages.append(end.completion)
        known.append(stage_class(end.completion.name))
    split = len(stages) - 1
    while split and issubclass(known[split - 1], Wrapper):
        split -= 1
    transforms = tuple(_transform(stage, spec) for stage in stages[:split])
    last = known[-1].from_stage(stages[-1])
    if not isinstance(last, Quantizer):
        raise SpecError(
            f"{spec!r} ends with the transform {last.name!r}: a codec ends with a quantizer, "
            f"for example '{spec}|int8'"
        )
    if not last.resolved and len(stages) > 1:
        raise SpecError(f"{spec!r}: {last.name!r} chooses the whole chain, so it must stand alone")
    for index in range(len(stages) - 2, split - 1, -1):
        wrapper = known[index]
        if issubclass(wrapper, Wrapper):
            last = wrapper.around(stages[index], last)
    return Codec(transforms, last)


def _transform(stage: Stage, spec: str) -> Transform:
    known = stage_class(stage.name)
    if issubclass(known, Wrapper):
        raise SpecError(f"{spec!r}: {stage.name!r} must stand directly before the quantizer")
    made = known.from_stage(stage)
    if not isinstance(made, Transform):
        raise SpecError(
            f"{spec!r}: the quantizer {stage.name!r} must be the last stage, "
            "nothing can follow codes"
        )
    return made
