"""Every peer on the same pairs and pixels: error, coverage, time in turn, memory in a process.

Errors are those of `refinement.figures`, after a similarity alignment on all known pixels. The
network's points are on its own grid; they are enlarged to the pair's pixels before they are scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

from lunar_bench.peers.methods import Name, Peer, peers
from lunar_bench.record.machine import Machine
from lunar_bench.refinement.figures import Figures, Truth
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads
from lunar_bench.timing.rounds import in_turn


class PeerResult(msgspec.Struct, frozen=True):
    """One peer on all pairs.

    Attributes:
        name: Of the peer.
        told: What it was told.
        smoothing_px: Of its disparities: whichever gave the lowest median slope error; 0 = none.
        absrel: Median over the pairs of the median relative error of depth.
        slope_mae_deg: Median over the pairs of the mean error of slope.
        coverage: Median over the pairs.
        ours_absrel: The same error of ours, on the pixels that this peer covers.
        ours_slope_mae_deg: Likewise.
        done: Pairs that it gave points for.
        time_ratio: Median over pairs and rounds of its time over ours in the same round.
        peak_rss_mib: Of a process that does one pair; None = not measured.
        failed: Pair -> why there is nothing.
    """

    name: Name
    told: str
    smoothing_px: float
    absrel: float
    slope_mae_deg: float
    coverage: float
    ours_absrel: float
    ours_slope_mae_deg: float
    done: int
    time_ratio: float
    peak_rss_mib: float | None
    failed: dict[str, str]


class PeersReport(msgspec.Struct, frozen=True):
    """All peers.

    Attributes:
        data: Which pairs.
        size: Height and width of the first pair, pixels.
        pairs: Their names.
        threads: Of every library.
        peers: Ours first.
        ours_ms: Median time of a pair by ours.
        machine: Where.
    """

    data: str
    size: tuple[int, int]
    pairs: list[str]
    threads: int
    peers: list[PeerResult]
    ours_ms: float
    machine: Machine


class _Score:
    """What one peer scored so far."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.figures: dict[float, list[Figures]] = {}
        self.ours: list[Figures] = []
        self.ratios: list[float] = []
        self.failed: dict[str, str] = {}

    def add(self, pair: KnownPair, truth: Truth, ours: NDArray[Any]) -> None:
        """Score a pair; `ours` are our points of it."""
        try:
            found = self.peer.smoothed(pair)
        except InputError as error:
            self.failed[pair.name] = str(error)
            return
        for sigma, points in found.items():
            figures = truth.figures(_on_pixels(points, truth), {"all": truth.known})
            if not figures:
                self.failed[pair.name] = "next to nothing matched"
                return
            self.figures.setdefault(sigma, []).append(figures["all"])
        there = truth.known & np.isfinite(_on_pixels(points, truth)).all(axis=-1)
        self.ours.append(truth.figures(ours, {"there": there})["there"])

    def result(self, peak_rss_mib: float | None) -> PeerResult:
        best = min(self.figures, key=lambda sigma: _median(self.figures[sigma], "slope_mae_deg"))
        rows = self.figures[best]
        return PeerResult(
            name=self.peer.name,
            told=self.peer.told,
            smoothing_px=best,
            absrel=_median(rows, "absrel"),
            slope_mae_deg=_median(rows, "slope_mae_deg"),
            coverage=_median(rows, "coverage"),
            ours_absrel=_median(self.ours, "absrel"),
            ours_slope_mae_deg=_median(self.ours, "slope_mae_deg"),
            done=len(rows),
            time_ratio=float(f"{np.median(self.ratios):.3g}"),
            peak_rss_mib=peak_rss_mib,
            failed=self.failed,
        )


def compare_peers(
    pairs: Iterable[KnownPair],
    data: str,
    *,
    bundle: Path | None = None,
    threads: int = 1,
    rounds: int = 3,
    peak_rss_mib: Callable[[Name], float] | None = None,
    tell: Callable[[KnownPair], None] = lambda _: None,
) -> PeersReport:
    """Compare all peers.

    Args:
        pairs: At least one; all of one size.
        data: What they are, in words.
        bundle: Of the network; None = the one in the package.
        threads: Of OpenCV and of the network.
        rounds: Timed rounds a pair, each peer once a round.
        peak_rss_mib: Measures the memory of one peer's process.
        tell: Told of every pair before it is run.

    Raises:
        InputError: There is no pair, or a peer gives nothing for any.
    """
    machine = describe_machine()
    names: list[str] = []
    size, ours_ms = (0, 0), list[float]()
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:
        scores = {name: _Score(peer) for name, peer in peers(runtime).items()}
        for pair in pairs:
            tell(pair)
            names.append(pair.name)
            size = (pair.left.shape[0], pair.left.shape[1])
            truth = Truth(pair)
            ours = _on_pixels(scores["ours"].peer.run(pair), truth)
            for score in scores.values():
                score.add(pair, truth, ours)
            ours_ms += _time(scores, pair, rounds)
    if not names:
        raise InputError(f"{data}: there is no pair to compare on")
    for name, score in scores.items():
        if not score.figures:
            why = next(iter(score.failed.values()))
            raise InputError(f"{data}: {name} gives nothing for any pair: {why}")
    return PeersReport(
        data=data,
        size=size,
        pairs=names,
        threads=threads,
        peers=[
            score.result(None if peak_rss_mib is None else peak_rss_mib(name))
            for name, score in scores.items()
        ],
        ours_ms=float(f"{np.median(ours_ms):.4g}"),
        machine=machine,
    )


def _time(scores: dict[Name, _Score], pair: KnownPair, rounds: int) -> list[float]:
    """Time every peer that can do the pair, and note its ratio to ours; ours in milliseconds."""
    able = [name for name, score in scores.items() if pair.name not in score.failed]
    ours = []
    for number in range(rounds):
        taken = {}
        for name in in_turn(able, number):
            begin = time.perf_counter()
            scores[name].peer.run(pair)
            taken[name] = time.perf_counter() - begin
        for name in able:
            scores[name].ratios.append(taken[name] / taken["ours"])
        ours.append(1e3 * taken["ours"])
    return ours


def _on_pixels(points: NDArray[Any], truth: Truth) -> NDArray[np.float64]:
    shape = truth.known.shape
    if points.shape[:2] == shape:
        return np.asarray(points, np.float64)
    grown = cv2.resize(points, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown, np.float64)


def _median(rows: list[Figures], name: str) -> float:
    return float(f"{np.median([getattr(row, name) for row in rows]):.4g}")
