"""Which bundle a dossier is of, on what, and for what inputs."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.files.printable import printable
from lunar_runtime.inference.domain import BOUNDS
from lunar_runtime.version import __version__

from lunar_bench.dossier.record import Identity
from lunar_bench.record.machine import Machine


def identity_of(bundle: Bundle, board: str | None, machine: Machine) -> Identity:
    """Of a verified bundle.

    Args:
        bundle: Of which.
        board: That it is to fly on, by its name; None: this machine.
        machine: This one.
    """
    manifest, signed = bundle.manifest, bundle.signed
    graph, student = manifest.graph, manifest.student
    signers = f" by {', '.join(signed.signers)}" if signed.signers else ""
    facts = {
        "network": f"{student.id}, {student.parameters} parameters",
        "weights, SHA-256": student.checkpoint_sha256 or "none: random weights",
        "graph": f"{graph.width} x {graph.height} px, {graph.output_set}, opset {graph.opset}",
        "precision": f"{manifest.precision} for {manifest.target}",
        "accuracy gate of its export": manifest.gate,
        "made with": ", ".join(f"{name} {each}" for name, each in manifest.versions.items()),
        "lunar-edge": __version__,
        "commit": machine.commit,
    }
    return Identity(
        board=printable(board or _board(machine)),
        bundle=printable(Path(bundle.path).resolve().name),
        digest=bundle.digest,
        files={printable(name): record.sha256 for name, record in manifest.files.items()},
        signature=f"{signed.state}{signers}",
        created=str(manifest.created),
        facts={name: printable(value) for name, value in facts.items()},
        doubts=[printable(doubt) for doubt in bundle.doubts],
        machine=machine,
    )


def domain_of(bundle: Bundle) -> dict[str, str]:
    """What inputs the bundle is for, as far as the runtime looks after it."""
    graph = bundle.manifest.graph
    return {
        "images": "two views of lunar ground, grey, 8 or 16 bits, of one moment",
        "resolution of the network": f"{graph.width} x {graph.height} px; others are resampled",
        "contrast, grey levels": f"{BOUNDS.contrast:g} or more",
        "noise, grey levels from pixel to pixel": f"{BOUNDS.noise:g} at most",
        "burnt out (254 and more)": f"{BOUNDS.burnt:.1%} at most",
        "black (1 and less)": f"{BOUNDS.black:.0%} at most",
        "field of view": "0.05 to 150 degrees",
        "outside of it": "the result is a guess that says why, or is refused",
    }


def _board(machine: Machine) -> str:
    return machine.board or machine.processor
