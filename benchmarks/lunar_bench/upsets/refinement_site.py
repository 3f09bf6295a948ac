"""Bits of what the refinement works with: images, prior, flow, surfaces, expected errors.

The functions that hand these over are called through one that turns over a bit of what they return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from lunar_runtime.inference import fuse
from lunar_runtime.refinement.solver import DenseSolver
from numpy.typing import NDArray

from lunar_bench.upsets.flip import Flip, flip_in_place, make_flip

# Name -> who has the function, and its name there.
_HANDS_OVER: dict[str, tuple[object, str]] = {
    "prior": (fuse, "_left_guess"),
    "images": (fuse, "_self_calibrated"),
    "flow": (DenseSolver, "match"),
    "surface": (DenseSolver, "through_flow"),
    "last surface": (DenseSolver, "through_brightness"),
}


class _Handed(NamedTuple):
    """An array that was handed over: by whom, in which call, its place in what was, a copy."""

    name: str
    call: int
    path: str
    values: NDArray[Any]


class RefinementSite:
    """Arrays that pass from one step of the refinement to the next.

    Args:
        run: Works out a pair by its number, refined.
        count: Of pairs.
    """

    def __init__(self, run: Callable[[int], object], count: int) -> None:
        self._arrays: list[list[_Handed]] = []
        for pair in range(count):
            seen: list[_Handed] = []
            with _watched(partial(_keep, seen)):
                run(pair)
            self._arrays.append(seen)

    def draw(self, identity: str, pair: int, rng: np.random.Generator) -> Flip | None:
        """A random bit, every array alike probable; None of a pair that is not refined."""
        arrays = self._arrays[pair]
        if not arrays:
            return None
        name, call, path, values = arrays[int(rng.integers(len(arrays)))]
        element = int(rng.integers(values.size))
        return make_flip(identity, pair, f"{name} {call} {path}", values, element, rng)

    @contextmanager
    def flipped(self, flip: Flip) -> Iterator[None]:
        """Turn over a bit while the refinement runs."""
        name, call, path = _parts(flip.where)

        def turn(found_name: str, found_call: int, found: object) -> None:
            if (found_name, found_call) == (name, call):
                arrays = dict(arrays_in(found))
                if path in arrays and arrays[path].size > flip.element:
                    flip_in_place(arrays[path], flip.element, flip.bit)

        with _watched(turn):
            yield


def arrays_in(value: object, path: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Contiguous arrays of numbers in a value, in the values of its fields, and so on."""
    if isinstance(value, np.ndarray):
        numbers = value.dtype.kind in "fu" and value.size > 1
        if numbers and value.flags.c_contiguous and value.flags.writeable:
            yield path or "value", value
    elif isinstance(value, tuple):
        names = getattr(value, "_fields", map(str, range(len(value))))
        for name, one in zip(names, value, strict=True):
            yield from arrays_in(one, f"{path}.{name}".lstrip("."))
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from arrays_in(getattr(value, name), f"{path}.{name}".lstrip("."))


def _keep(seen: list[_Handed], name: str, call: int, found: object) -> None:
    seen += [_Handed(name, call, path, values.copy()) for path, values in arrays_in(found)]


def _parts(where: str) -> tuple[str, int, str]:
    name, call, path = where.rsplit(" ", 2)
    return name, int(call), path


@contextmanager
def _watched(see: Callable[[str, int, object], None]) -> Iterator[None]:
    """Show every value that is handed over: by whom, in which call, and the value."""
    with ExitStack() as stack:
        for name, (owner, attribute) in _HANDS_OVER.items():
            stack.enter_context(
                patch.object(owner, attribute, _showing(name, getattr(owner, attribute), see))
            )
        yield


def _showing(
    name: str, function: Callable[..., Any], see: Callable[[str, int, object], None]
) -> Callable[..., Any]:
    calls = iter(range(1_000_000))

    def call(*given: Any, **named: Any) -> Any:
        found = function(*given, **named)
        see(name, next(calls), found)
        return found

    return call
