"""What `compare` and `rebuild` say of two models on arrays."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embzip.foreign.comparing import ArrayComparison


def told_of(found: "ArrayComparison") -> list[str]:
    """Return a line for each output of two models."""
    lines = []
    for each in found.outputs:
        parts = []
        if each.max_difference is not None:
            parts.append(f"largest difference {each.max_difference:.3g}")
        if each.agreement is not None:
            parts.append(f"agreement {each.agreement:.4f}")
        if each.kl is not None:
            parts.append(f"KL {each.kl:.4g} nats")
        if each.accuracy_before is not None and each.accuracy_after is not None:
            change = each.accuracy_after - each.accuracy_before
            parts.append(
                f"accuracy {each.accuracy_before:.4f} -> {each.accuracy_after:.4f} ({change:+.4f})"
            )
        lines.append(f"{each.name}, {found.rows:,} rows: {', '.join(parts)}")
    return lines
