"""One peer on one pair, in a process of its own: what its memory is measured by."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
from lunar_calib.truth.known_pairs import stereolunar_pairs
from lunar_runtime import StereoRuntime

from lunar_bench.cost.fresh_process import run_afresh
from lunar_bench.peers.methods import Name, peers

_MODULE = "lunar_bench.peers.alone"


def peak_rss_mib(name: Name, folder: Path, threads: int, bundle: Path | None = None) -> float:
    """Largest resident memory of a process that runs one peer on the first pair of a folder.

    The reading of the pair and, of ours, the loading of the network are part of it; so are the
    libraries that the benchmarks import.
    """
    given = [] if bundle is None else [str(bundle)]
    cost = run_afresh([name, str(folder), str(threads), *given], module=_MODULE)
    return round(cost.peak_rss_mib, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """`NAME FOLDER THREADS [BUNDLE]`; started by `peak_rss_mib`."""
    name, folder, threads, *bundle = sys.argv[1:] if arguments is None else arguments
    cv2.setNumThreads(int(threads))
    pair = next(iter(stereolunar_pairs(Path(folder))))
    with StereoRuntime.load(*bundle, threads=int(threads)) as runtime:
        if name != "none":
            {str(key): peer for key, peer in peers(runtime).items()}[name].run(pair)
