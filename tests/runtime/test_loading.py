"""A network that loads in the background is the same network."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.backends.loading import LoadingBackend
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, UsageError


@pytest.fixture
def left(bundles: dict[str, Path]) -> Bundle:
    return Bundle.open(bundles["left"])


def test_it_runs_and_is_named_as_the_network_itself(left: Bundle) -> None:
    graph = left.manifest.graph
    ramp = np.arange(graph.height * graph.width, dtype=np.uint32).astype(np.uint8)
    image = ramp.reshape(1, 1, graph.height, graph.width)
    backends: list[Backend] = [select_backend(left, threads=1), LoadingBackend(left, threads=1)]
    one, other = (backend.run(image, image) for backend in backends)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert backends[0].name == backends[1].name
    assert backends[0].device == backends[1].device == "cpu"
    for backend in backends:
        backend.close()
        with pytest.raises(BackendError, match="closed"):
            backend.run(image, image)


def test_nobody_waits_before_something_is_asked(
    left: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> Backend:
        time.sleep(0.2)
        raise BackendError("no such library")

    monkeypatch.setattr("lunar_runtime.backends.loading.select_backend", slow)
    start = time.perf_counter()
    backend = LoadingBackend(left)
    assert time.perf_counter() - start < 0.15
    with pytest.raises(BackendError, match="no such library"):
        _ = backend.name
    backend.close()  # nothing to free


def test_errors_come_with_the_first_question(left: Bundle) -> None:
    backend = LoadingBackend(left, "abacus")
    with pytest.raises(UsageError, match="`backend` abacus: is not installed"):
        _ = backend.device


def test_too_many_threads_are_refused_at_once(left: Bundle) -> None:
    with pytest.raises(UsageError, match="threads"):
        LoadingBackend(left, threads=5000)
