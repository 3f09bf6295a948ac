"""A package of somebody else with a backend, as pip would have installed it."""

from __future__ import annotations

from pathlib import Path

#: A backend of its own: a level plane, five units below the camera.
PLANE = """
import numpy as np
from lunar_runtime.backends.kind import AutoRule, BackendKind

class Plane:
    def __init__(self, bundle, device, threads):
        self.name, self.device = "plane 1.0", "abacus" if device == "auto" else device
        self._shapes = {tensor.name: tensor.shape for tensor in bundle.manifest.graph.outputs}

    def run(self, left, right):
        outputs = {name: np.ones(shape, np.float32) for name, shape in self._shapes.items()}
        points = outputs["pointmap_left"][0]
        rows, columns = np.mgrid[: points.shape[0], : points.shape[1]]
        points[..., 0] = (columns + 0.5 - 32) * 5 / 80
        points[..., 1] = (rows + 0.5 - 32) * 5 / 80
        points[..., 2] = 5
        return outputs

    def close(self):
        pass

KIND = BackendKind(title="Plane", devices=("abacus",), load=Plane)
"""


def install_backend(folder: Path, package: str, name: str, source: str) -> None:
    """Put a package with one backend into a folder of Python's path.

    Args:
        folder: On the path.
        package: Its name; its module is named alike.
        name: Of the backend.
        source: Of the module, which has to have a `KIND`.
    """
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[lunar_edge.backends]\n{name} = {module}:KIND\n")
