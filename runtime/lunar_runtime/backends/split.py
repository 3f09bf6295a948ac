"""A network in two graphs, run by whichever library runs each: views are encoded once."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.activations import ActivationRecord, activation_record_of
from lunar_runtime.backends.features import FeatureCache, FeatureRecord, Features
from lunar_runtime.backends.kind import BackendKind
from lunar_runtime.backends.protocol import TensorNetwork
from lunar_runtime.backends.scrubbing import Scrubbed, ScrubRecord, scrub_record_of
from lunar_runtime.errors import BackendError

if TYPE_CHECKING:
    from lunar_runtime.bundles.bundle import Bundle

_VIEWS = ("left", "right")


class SplitBackend:
    """A network whose encoder and decoder are loaded apart; see `Backend`.

    Args:
        bundle: With two graphs.
        encoder: Of its encoder.
        decoder: Of its decoder.
        keep_views: Views whose features are kept; 0 encodes both views of every pair.

    Raises:
        UsageError: `keep_views` is negative.
    """

    def __init__(
        self, bundle: Bundle, encoder: TensorNetwork, decoder: TensorNetwork, keep_views: int = 0
    ) -> None:
        record = bundle.manifest.graph.encoder
        assert record is not None
        self.name, self.device = decoder.name, decoder.device
        self._encoder, self._decoder = encoder, decoder
        self._image = record.image.name
        self._taken = [tensor.name for tensor in record.taken]
        self._cache = FeatureCache(keep_views)
        self._last = ""
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        kind: BackendKind,
        bundle: Bundle,
        device: str,
        threads: int | None,
        keep_views: int = 0,
    ) -> SplitBackend:
        """Load both graphs.

        Args:
            kind: What runs them.
            bundle: With two graphs.
            device: As for `BackendKind.load`, as is the next.
            threads: CPU threads.
            keep_views: See the class.

        Raises:
            BackendError: The library cannot, or its backend runs whole networks alone.
            BundleError: As `BackendKind.load`.
            UsageError: `keep_views` is negative.
        """
        loaded: list[TensorNetwork] = []
        try:
            for part in bundle.parts:
                network = kind.load(part, device, threads)
                if not isinstance(network, TensorNetwork):
                    network.close()
                    raise BackendError(
                        f"{bundle.path}: its network is in two graphs, which {kind.title}'s "
                        "backend does not run; export it again without --split"
                    )
                loaded.append(network)
            encoder, decoder = loaded
            return cls(bundle, encoder, decoder, keep_views)
        except BaseException:
            for network in loaded:
                network.close()
            raise

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair; see `Backend.run`."""
        with self._lock:
            mismatches, (encoder, decoder) = self._mismatches(), self._activations()
            views = self._cache.features_of((left, right), self._encode)
            if self._mismatches() != mismatches:  # what was encoded before may be wrong too
                self._cache.forget()
                views = self._cache.features_of((left, right), self._encode)
            encoded, _ = self._activations()
            if encoded.breaches != encoder.breaches:
                self._last = encoded.last
                self._cache.forget()  # what is out of bounds twice must not last
            of = {
                f"{name}_{view}": values
                for view, features in zip(_VIEWS, views, strict=True)
                for name, values in features.items()
            }
            outputs = self._decoder.run_tensors({name: of[name] for name in self._taken})
            _, decoded = self._activations()
            if decoded.breaches != decoder.breaches:
                self._last = decoded.last
            return outputs

    @property
    def feature_record(self) -> FeatureRecord:
        """The views whose features are kept."""
        return self._cache.record

    def forget_views(self) -> None:
        """Let go of all features."""
        with self._lock:
            self._cache.forget()

    @property
    def scrub_record(self) -> ScrubRecord:
        """What checking the weights of both graphs found so far; pairs are the decoder's."""
        encoder, decoder = (scrub_record_of(network) for network in self._networks)
        return ScrubRecord(
            held_bytes=encoder.held_bytes + decoder.held_bytes,
            reason=encoder.reason or decoder.reason,
            pairs=decoder.pairs,
            position=decoder.position,
            slices=decoder.slices,
            mismatches=encoder.mismatches + decoder.mismatches,
            reloads=encoder.reloads + decoder.reloads,
            repeated=encoder.repeated + decoder.repeated,
            check_ms=encoder.check_ms + decoder.check_ms,
        )

    @property
    def activation_record(self) -> ActivationRecord:
        """What watching the activations of both graphs found so far; breaches are of graphs."""
        encoder, decoder = self._activations()
        return replace(encoder.plus(decoder), last=self._last)

    def reload(self) -> bool:
        """Load both graphs again from their verified files; False where the library cannot."""
        with self._lock:
            self._cache.forget()
            networks = [n for n in self._networks if isinstance(n, Scrubbed)]
            return len(networks) == len(self._networks) and all(n.reload() for n in networks)

    def close(self) -> None:
        """Free both."""
        with self._lock:
            self._cache.forget()
            for network in self._networks:
                network.close()

    @property
    def _networks(self) -> tuple[TensorNetwork, TensorNetwork]:
        return self._encoder, self._decoder

    def _encode(self, image: NDArray[np.uint8]) -> Features:
        return self._encoder.run_tensors({self._image: image})

    def _activations(self) -> tuple[ActivationRecord, ActivationRecord]:
        return activation_record_of(self._encoder), activation_record_of(self._decoder)

    def _mismatches(self) -> int:
        return scrub_record_of(self._encoder).mismatches
