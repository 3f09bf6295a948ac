"""Where bits are flipped on the network's way: its weights, its inputs, its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from lunar_runtime.backends.held_weights import HeldWeights
from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend
from numpy.typing import NDArray

from lunar_bench.upsets.flip import Flip, flip_in_place, flipped, make_flip

Outputs = dict[str, NDArray[np.float32]]
Inputs = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class NetworkSite(Protocol):
    """A place on the network's way."""

    def draw(self, identity: str, pair: int, rng: np.random.Generator) -> Flip:
        """A random bit."""
        ...

    def outputs(self, flips: Sequence[Flip], pair: int) -> Outputs:
        """What the network gives with some bits turned over."""
        ...

    def guards(self, flip: Flip) -> list[str]:
        """Names of the guards of the place itself that notice a flip."""
        ...


class WeightSite:
    """Bits of the weights as they lie in memory, all alike probable.

    Args:
        backend: With weights that can be checked.
        inputs: Of the network, pair by pair.
    """

    def __init__(self, backend: OnnxRuntimeBackend, inputs: Sequence[Inputs]) -> None:
        assert backend.weights is not None
        self._backend, self._inputs = backend, inputs
        self._held: HeldWeights = backend.weights
        self._names = list(self._held.arrays)
        sizes = [values.nbytes for values in self._held.arrays.values()]
        self._ends = np.cumsum(sizes)
        self._ranges: dict[str, tuple[float, float]] = {}

    def draw(self, identity: str, pair: int, rng: np.random.Generator) -> Flip:
        """A random bit."""
        byte = int(rng.integers(self._ends[-1]))
        index = int(np.searchsorted(self._ends, byte, side="right"))
        name = self._names[index]
        values = self._held.arrays[name]
        element = (byte - int(self._ends[index]) + values.nbytes) // values.itemsize
        return make_flip(identity, pair, name, values, element, rng)

    def outputs(self, flips: Sequence[Flip], pair: int) -> Outputs:
        """What the network gives while bits of its weights are turned over."""
        self._turn(flips)
        try:
            return self._backend.compute(*self._inputs[pair])
        finally:
            self._turn(flips)

    def guards(self, flip: Flip) -> list[str]:
        """`sums`: of the memory; `range`: the value leaves those that its tensor has."""
        self._turn([flip])
        found = [] if self._held.intact(0) else ["sums"]
        self._turn([flip])
        if flip.where not in self._ranges:
            values = self._held.arrays[flip.where]
            self._ranges[flip.where] = float(values.min()), float(values.max())
        low, high = self._ranges[flip.where]
        if flip.after is None or not low <= flip.after <= high:
            found.append("range")
        return found

    def golden(self, flips: Sequence[Flip], pair: Inputs) -> Outputs:
        """What another pair gives with the same flips."""
        self._turn(flips)
        try:
            return self._backend.compute(*pair)
        finally:
            self._turn(flips)

    def _turn(self, flips: Sequence[Flip]) -> None:
        for flip in flips:
            values = self._held.arrays[flip.where]
            place = self._held.places[flip.where] + flip.element * values.itemsize
            value = np.frombuffer(self._held.read(place, values.itemsize), values.dtype)[0]
            self._held.write(place, flipped(value, flip.bit).tobytes())


class InputSite:
    """Bits of the two images as the network gets them."""

    def __init__(self, backend: OnnxRuntimeBackend, inputs: Sequence[Inputs]) -> None:
        self._backend, self._inputs = backend, inputs

    def draw(self, identity: str, pair: int, rng: np.random.Generator) -> Flip:
        """A random bit."""
        side = int(rng.integers(2))
        image = self._inputs[pair][side]
        element = int(rng.integers(image.size))
        return make_flip(identity, pair, ("left", "right")[side], image, element, rng)

    def outputs(self, flips: Sequence[Flip], pair: int) -> Outputs:
        """What the network makes of the damaged images."""
        images = {
            side: image.copy()
            for side, image in zip(("left", "right"), self._inputs[pair], strict=True)
        }
        for flip in flips:
            flip_in_place(images[flip.where], flip.element, flip.bit)
        return self._backend.compute(images["left"], images["right"])

    def guards(self, flip: Flip) -> list[str]:
        """There is none."""
        return []


class OutputSite:
    """Bits of what the network gives, before anybody reads it."""

    def __init__(self, clean: Sequence[Outputs]) -> None:
        self._clean = clean

    def draw(self, identity: str, pair: int, rng: np.random.Generator) -> Flip:
        """A random bit, every value alike probable."""
        arrays = self._clean[pair]
        sizes = np.cumsum([values.size for values in arrays.values()])
        place = int(rng.integers(sizes[-1]))
        index = int(np.searchsorted(sizes, place, side="right"))
        name = list(arrays)[index]
        element = place - int(sizes[index]) + arrays[name].size
        return make_flip(identity, pair, name, arrays[name], element, rng)

    def outputs(self, flips: Sequence[Flip], pair: int) -> Outputs:
        """The damaged outputs."""
        outputs = {name: values.copy() for name, values in self._clean[pair].items()}
        for flip in flips:
            flip_in_place(outputs[flip.where], flip.element, flip.bit)
        return outputs

    def guards(self, flip: Flip) -> list[str]:
        """There is none."""
        return []
