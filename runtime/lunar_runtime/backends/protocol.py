"""What a loaded network can do, whichever library runs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Backend(Protocol):
    """A loaded network."""

    @property
    def name(self) -> str:
        """Of the inference library, with its version."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, as in `cpu`."""
        ...

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair.

        Args:
            left: (1, 1, H, W) grey, of the size in the bundle's manifest.
            right: The same.

        Returns:
            Every output of the graph, by name.

        Raises:
            BackendError: The library failed.
        """
        ...

    def close(self) -> None:
        """Free the network; it cannot run afterwards."""
        ...
