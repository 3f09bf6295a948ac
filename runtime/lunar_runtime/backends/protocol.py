"""What a loaded network can do, whichever library runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

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


@runtime_checkable
class TensorNetwork(Backend, Protocol):
    """A backend that runs any graph, also one that is a part of a network.

    Of a part it is given a bundle whose manifest tells of that part alone; see `bundles.parts`.
    """

    def run_tensors(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Run the graph once.

        Args:
            inputs: All of the manifest's, by name.

        Returns:
            Every output of the graph, by name.

        Raises:
            BackendError: The library failed.
        """
        ...
