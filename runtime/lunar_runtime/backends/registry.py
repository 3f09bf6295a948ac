"""The backends that are installed, and the choice among them.

Backends are entry points, of this package and of others; `kind` says how one is added. A backend
or device that was asked for and cannot run is an error. Nothing falls back silently.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from lunar_runtime.backends.cores import check_threads
from lunar_runtime.backends.kind import BackendKind
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.split import SplitBackend
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, UsageError
from lunar_runtime.files.entry_points import EntryPoint, entry_points

GROUP = "lunar_edge.backends"
AUTO = "auto"

_log = logging.getLogger(__name__)


def select_backend(
    bundle: Bundle,
    backend: str = AUTO,
    device: str = AUTO,
    threads: int | None = None,
    *,
    keep_views: int = 0,
) -> Backend:
    """Load a bundle's network.

    Args:
        bundle: A verified bundle.
        backend: Name of an installed backend, or `auto`: of those whose rule takes the bundle, the
            first that loads. That is TensorRT where the bundle has an engine for this machine,
            OpenVINO where the bundle was made for it, else ONNX Runtime. A backend that should have
            run and cannot is warned of.
        device: What to run on, or `auto`, which leaves the choice to the library.
        threads: CPU threads; None lets the library choose.
        keep_views: Of a network in two graphs, the views whose features are kept, so that a view
            of several pairs is encoded once; 0 encodes both views of every pair.

    Raises:
        UsageError: No such backend or device, or `threads` is not positive, or more than the
            cores that can be used; see `cores`. Or `keep_views` is negative.
        BackendError: The library or the device is not there, or the backend's package is broken.
        BundleError: The library cannot load the graph.
    """
    check_threads(threads)
    try:
        return _select(bundle, backend, device, threads, keep_views)
    finally:
        bundle.forget()  # where an engine runs, nobody asked for the network's bytes


def _select(
    bundle: Bundle, backend: str, device: str, threads: int | None, keep_views: int
) -> Backend:
    installed = _scan()
    if backend == AUTO:
        return _load_first(installed, bundle, device, threads, keep_views)
    kind = _read(_one(installed, backend))
    if device != AUTO and device not in kind.devices:
        raise UsageError(
            f"`device` {device}: `backend` {backend} runs on {' or '.join(kind.devices)}; choose "
            "that, or leave the device out"
        )
    return _load(kind, bundle, device, threads, keep_views)


def installed_backends() -> tuple[str, ...]:
    """Names that `select_backend` takes besides `auto`; nothing is imported."""
    return _scan().names


class _Installed(NamedTuple):
    """Entry points of all packages, looked up once."""

    entries: tuple[EntryPoint, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({entry.name for entry in self.entries}))


def _scan() -> _Installed:
    return _Installed(entry_points(GROUP))


def _load(
    kind: BackendKind, bundle: Bundle, device: str, threads: int | None, keep_views: int
) -> Backend:
    if len(bundle.parts) == 1:
        return kind.load(bundle, device, threads)
    return SplitBackend.load(kind, bundle, device, threads, keep_views)


def _load_first(
    installed: _Installed, bundle: Bundle, device: str, threads: int | None, keep_views: int
) -> Backend:
    takers = _takers(installed, bundle, device)
    for place, kind in enumerate(takers, start=1):
        _log.info("auto takes %s: %s", kind.title, kind.auto.because)
        try:
            return _load(kind, bundle, device, threads, keep_views)
        except BackendError as error:
            if place == len(takers):
                raise
            _log.warning("%s; running on %s instead", error, takers[place].title)
    raise BackendError(
        f"auto finds no backend that runs this bundle on device {device}; installed are "
        f"{', '.join(installed.names) or 'none: install lunar-edge again'}"
    )


def _takers(installed: _Installed, bundle: Bundle, device: str) -> list[BackendKind]:
    """The backends whose rules take a bundle, the first choice first."""
    kinds = _readable_kinds(installed)
    devices = sorted({known for kind in kinds for known in kind.devices})
    if kinds and device not in (AUTO, *devices):
        raise UsageError(
            f"`device` {device}: is not known; choose one of {', '.join([AUTO, *devices])}"
        )
    takers = [
        kind
        for kind in kinds
        if (device == AUTO or device in kind.devices) and kind.auto.suits(bundle)
    ]
    return sorted(takers, key=lambda kind: kind.auto.rank)


def _readable_kinds(installed: _Installed) -> list[BackendKind]:
    kinds = []
    for name in installed.names:
        try:
            kinds.append(_read(_one(installed, name)))
        except BackendError as error:  # nobody asked for it
            _log.warning("%s", error)
    return kinds


def _one(installed: _Installed, name: str) -> EntryPoint:
    found = [entry for entry in installed.entries if entry.name == name]
    if not found:
        names = ", ".join([AUTO, *installed.names])
        raise UsageError(f"`backend` {name}: is not installed; choose one of {names}")
    if len(found) > 1:
        packages = " and ".join(sorted(entry.package for entry in found))
        raise BackendError(f"backend {name}: {packages} each have one; uninstall all but one")
    return found[0]


def _read(entry: EntryPoint) -> BackendKind:
    try:
        kind = entry.load()
    except Exception as error:  # whatever another project's module does when it is imported
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _broken(entry, f" cannot be loaded ({reason})") from error
    if not isinstance(kind, BackendKind):
        raise _broken(entry, f": {entry.value} is a {type(kind).__name__}, not a BackendKind")
    return kind


def _broken(entry: EntryPoint, how: str) -> BackendError:
    package = entry.package
    return BackendError(
        f"backend {entry.name} of package {package}{how}; update or uninstall {package}"
    )
