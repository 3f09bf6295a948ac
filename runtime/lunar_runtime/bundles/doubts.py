"""What whoever uses a bundle has to know of it, by its manifest."""

from __future__ import annotations

from lunar_runtime.bundles.manifest import Manifest


def range_warning(manifest: Manifest) -> str | None:
    """What whoever uses a bundle without ranges has to know; None for one that has them."""
    if manifest.weight_ranges:
        return None
    return "it has no ranges to hold its weights to; re-create it with lunar-export"


def gate_warning(manifest: Manifest) -> str | None:
    """What whoever uses a bundle that failed its gate has to know; None for one that passed."""
    if manifest.gate == "passed":
        return None
    reasons = manifest.reduction.gate.failures if manifest.reduction else ()
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"it did not pass the accuracy gate of its export{why}"
