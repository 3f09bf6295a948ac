"""A runtime whose network is taken at its word: textures that are of no one ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.result import StereoResult
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Images = tuple[Grey, Grey]


class NetworkAlone:
    """A runtime that does not refine: these textures are not of one ground."""

    def __init__(self, runtime: StereoRuntime) -> None:
        self.refining = runtime
        self.check_golden = runtime.check_golden
        self.infer: Callable[..., StereoResult] = partial(runtime.infer, refine="off")


@contextmanager
def load(bundle: Bundle | Path, **options: Any) -> Iterator[NetworkAlone]:
    with StereoRuntime.load(bundle, **options) as loaded:
        yield NetworkAlone(loaded)
