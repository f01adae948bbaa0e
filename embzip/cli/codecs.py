"""The command that lists what a codec can be made of: codecs."""

from dataclasses import asdict

from embzip.cli.parameters import Json
from embzip.cli.terminal import show


def codecs(*, as_json: Json = False) -> None:
    """List the stages of codecs, with their sizes.

    A codec is transforms, wrappers, then one quantizer, joined by |, such as 'svd:64|int8'. Bits
    a number are those of the example's codes and params, for 100,000 rows of 300; of auto the
    table decides.
    """
    from embzip.codecs.listing import DIM, ROWS, list_stages

    stages = list_stages(rows=ROWS, dim=DIM)
    record = {"rows": ROWS, "dim": DIM, "stages": [asdict(each) for each in stages]}
    widths = [max(len(getattr(each, name)) for each in stages) for name in ("example", "usage")]
    lines = [f"{'bits':>7}  {'example':<{widths[0]}}  {'options':<{widths[1]}}  what it does"]
    lines += [
        f"{'' if each.bits is None else format(each.bits, '.3f'):>7}  {each.example:<{widths[0]}}  "
        f"{each.usage:<{widths[1]}}  {each.meaning}"
        for each in stages
    ]
    show(record, *lines, as_json=as_json)
