"""Features of the views that a network saw last, so that a view is encoded once.

In a sequence every view but the first and the last belongs to two pairs. A view is known again by
its pixels in the network's input, all of them; so whoever runs pairs need not say which views they
share. Features are summed when they are kept and when they are taken: what changed in memory in
between is encoded again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.protocol import Backend
from lunar_runtime.errors import UsageError

#: Views that a runtime keeps: as many frames as a stream keeps.
KEEP_VIEWS = 12

#: What the encoder gave for one view, by name.
Features = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class FeatureRecord:
    """The views whose features are kept.

    Attributes:
        most: Views whose features may be kept; 0 where none are.
        views: How many are.
        held_bytes: Of those, with the pixels that they are known by.
        encoded: How many views were encoded since the network was loaded.
        reused: How many were not, because their features were there.
        changed: How many had changed in memory, and were encoded again.
    """

    most: int = 0
    views: int = 0
    held_bytes: int = 0
    encoded: int = 0
    reused: int = 0
    changed: int = 0


@runtime_checkable
class KeepsViews(Protocol):
    """A backend that can keep features."""

    @property
    def feature_record(self) -> FeatureRecord | None:
        """What is kept; None where the network is one graph."""
        ...

    def forget_views(self) -> None:
        """Let go of all features: the next pair costs what a pair of new views does."""
        ...


@dataclass(frozen=True)
class _Kept:
    features: Features
    sums: tuple[int, ...]
    bytes: int


class FeatureCache:
    """Features of the last few views; the view that was not asked for longest goes first.

    Args:
        most: Views to keep; 0 keeps none.

    Raises:
        UsageError: `keep_views` is negative.
    """

    def __init__(self, most: int) -> None:
        if most < 0:
            raise UsageError(f"`keep_views` {most}: needs to be 0 or more views")
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self.record = FeatureRecord(most)

    def features_of(
        self, images: Sequence[NDArray[np.uint8]], encode: Callable[[NDArray[np.uint8]], Features]
    ) -> list[Features]:
        """Features of a pair's views, from here or from the encoder.

        Args:
            images: (1, 1, H, W) each.
            encode: The encoder.

        Returns:
            Not to be written to.
        """
        if not self.record.most:
            self._tell(encoded=len(images))
            return [encode(image) for image in images]
        found = [self._of(image, encode) for image in images]
        while len(self._kept) > self.record.most:  # not before: none may cost its partner
            _, oldest = self._kept.popitem(last=False)
            self._tell(held_bytes=-oldest.bytes)
        return found

    def _of(
        self, image: NDArray[np.uint8], encode: Callable[[NDArray[np.uint8]], Features]
    ) -> Features:
        pixels = image.tobytes()
        kept = self._kept.pop(pixels, None)
        if kept is not None and _sums(kept.features) == kept.sums:
            self._kept[pixels] = kept  # now the newest
            self._tell(reused=1)
            return kept.features
        if kept is not None:
            self._tell(changed=1, held_bytes=-kept.bytes)
        features = encode(image)
        held = len(pixels) + sum(values.nbytes for values in features.values())
        self._kept[pixels] = _Kept(features, _sums(features), held)
        self._tell(encoded=1, held_bytes=held)
        return features

    def forget(self) -> None:
        """Let go of all."""
        self._kept.clear()
        self._tell(held_bytes=-self.record.held_bytes)

    def _tell(self, **more: int) -> None:
        now = {name: getattr(self.record, name) + count for name, count in more.items()}
        self.record = replace(self.record, views=len(self._kept), **now)


def feature_record_of(backend: Backend) -> FeatureRecord | None:
    """What a backend keeps; None where it encodes every view anew, or does not say."""
    return backend.feature_record if isinstance(backend, KeepsViews) else None


def forget_views(backend: Backend) -> None:
    """Have a backend let go of what it keeps."""
    if isinstance(backend, KeepsViews):
        backend.forget_views()


def _sums(features: Features) -> tuple[int, ...]:
    """No single bit escapes them; they take a tenth of what CRCs take."""
    return tuple(
        int(np.add.reduce(values.reshape(-1).view(np.uint32), dtype=np.uint64))
        for values in features.values()
    )
