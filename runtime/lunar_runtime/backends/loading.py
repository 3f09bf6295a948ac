"""A network that loads while its caller does something else.

A library's session takes a fifth of a second, which is what Python needs to import OpenCV and to
read the first images. Libraries leave the interpreter free meanwhile.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.activations import ActivationRecord, activation_record_of
from lunar_runtime.backends.cores import check_threads
from lunar_runtime.backends.features import FeatureRecord, feature_record_of, forget_views
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.scrubbing import Scrubbed, ScrubRecord, scrub_record_of
from lunar_runtime.bundles.bundle import Bundle


class LoadingBackend:
    """What `select_backend` gives, at once; the network loads in a thread.

    Whatever asks the network for something waits for it, and gets the error if there was one.

    Args:
        bundle: A verified bundle.
        backend: As for `select_backend`, as are the others.
        device: What to run on.
        threads: CPU threads.
        keep_views: Views whose features are kept.

    Raises:
        UsageError: `threads` is not positive, or far more than the cores that can be used.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        *,
        keep_views: int = 0,
    ) -> None:
        check_threads(threads)
        loader = ThreadPoolExecutor(1, "load")
        self._loaded = loader.submit(
            select_backend, bundle, backend, device, threads, keep_views=keep_views
        )
        loader.shutdown(wait=False)

    @property
    def name(self) -> str:
        """Of the library, with its version; waits until it is loaded."""
        return self._network.name

    @property
    def device(self) -> str:
        """What the network runs on; waits until it is loaded."""
        return self._network.device

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair as soon as the network is loaded; see `Backend.run`."""
        return self._network.run(left, right)

    @property
    def scrub_record(self) -> ScrubRecord:
        """What checking the weights found so far; waits until they are loaded."""
        return scrub_record_of(self._network)

    @property
    def activation_record(self) -> ActivationRecord:
        """What watching the activations found so far; waits until the network is loaded."""
        return activation_record_of(self._network)

    def reload(self) -> bool:
        """Load the network again; False where the library cannot."""
        return isinstance(self._network, Scrubbed) and self._network.reload()

    @property
    def feature_record(self) -> FeatureRecord | None:
        """The views whose features are kept; waits until the network is loaded."""
        return feature_record_of(self._network)

    def forget_views(self) -> None:
        """Let go of all features."""
        forget_views(self._network)

    def close(self) -> None:
        """Free the network."""
        if self._loaded.exception() is None:
            self._network.close()

    @property
    def _network(self) -> Backend:
        return self._loaded.result()
