"""What is asked of every pair, in a form that another process can be told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from lunar_runtime.commands.pairs import Job
from lunar_runtime.errors import BundleError
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.self_test import SelfTest
from lunar_runtime.version import __version__


@dataclass(frozen=True)
class NetworkWanted:
    """A bundle, and how it is to be run.

    Attributes:
        bundle: Its folder, which every process opens and verifies; None is the package's own.
        digest: Of its manifest.
        trust: Whose signatures count.
        require_signature: Whether it must be signed by one of them.
        backend: The inference library.
        device: What that runs on.
        self_test: When the golden pair is run.
        self_test_every: Pairs from one test to the next.
    """

    bundle: Path | None
    digest: str
    trust: Path | None
    require_signature: bool | None
    backend: str
    device: str
    self_test: SelfTest
    self_test_every: int


@dataclass(frozen=True)
class Order:
    """A job without its network, which every process opens for itself.

    Attributes:
        job: What is asked of every pair.
        network: None is the geometry alone.
        threads: Of each process.
        retries: How often a pair is tried again that did not fail by itself.
        version: Of the lunar-edge that gives the order.
    """

    job: Job
    network: NetworkWanted | None
    threads: int
    retries: int
    version: str = __version__

    def absolute(self) -> Order:
        """The same for a process with another current folder."""
        folder = Path(os.path.abspath(self.job.folder))  # noqa: PTH100  keeps links
        network = self.network
        if network is not None and network.trust is not None:
            network = replace(network, trust=Path(os.path.abspath(network.trust)))  # noqa: PTH100
        return replace(self, job=replace(self.job, folder=folder), network=network)

    @contextmanager
    def opened(self) -> Iterator[Job]:
        """The job with its network loaded, in this process.

        Raises:
            BundleError: It is another network, another version of lunar-edge, or unusable.
            BackendError: The library or the device is not there.
            GateError: The golden pair's outputs are not what they must be.
        """
        if self.version != __version__:
            raise BundleError(
                f"lunar-edge is {__version__} here, and the order comes from {self.version}; "
                "install the same everywhere"
            )
        cv2.setNumThreads(self.threads)
        if self.network is None:
            yield self.job
            return
        wanted = self.network
        with StereoRuntime.load(
            wanted.bundle,
            wanted.backend,
            device=wanted.device,
            threads=self.threads,
            trust=wanted.trust,
            require_signature=wanted.require_signature,
            self_test=wanted.self_test,
            self_test_every=wanted.self_test_every,
        ) as runtime:
            if runtime.bundle.digest != wanted.digest:
                raise BundleError(
                    f"{runtime.bundle.path}: is another bundle here than where the order comes "
                    "from; copy it again"
                )
            yield replace(self.job, runtime=runtime)
