"""An older bundle as this version writes them: with ranges of its weights, and sealed anew."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.bundles.bundle import Bundle, write_bundle


def reseal_bundle(source: Path | str, out: Path | str, *, overwrite: bool = False) -> Bundle:
    """Verify a bundle and write it again, model and golden pair byte for byte.

    Signatures are over the old manifest and are left behind, and so is what was compiled.

    Args:
        source: Folder of the bundle.
        out: Folder to make; it may be the same one.
        overwrite: Replace what is there.

    Returns:
        The new bundle.

    Raises:
        BundleError: `source` is incomplete, altered or foreign.
        OutputError: `out` exists, or cannot be written.
    """
    bundle = Bundle.open(source)
    files = {name: bundle.read(name) for name in bundle.manifest.files}
    return write_bundle(out, bundle.manifest, files, overwrite=overwrite)
