"""Orders of work over Dask, how it ended, and a port for a scheduler."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from lunar_runtime.commands.orders import NetworkWanted, Order
from lunar_runtime.commands.pairs import Done, Job, Outcome
from lunar_runtime.inference.options import InferOptions


def order_of(bundle: Path, folder: Path, digest: str | None = None) -> Order:
    from lunar_runtime.bundles.bundle import Bundle

    wanted = NetworkWanted(
        bundle, digest or Bundle.open(bundle).digest, None, None, "auto", "auto", "load", 1
    )
    job = Job(None, InferOptions(refine="off"), None, folder, overwrite=False)
    return Order(job, wanted, threads=1, retries=1)


def ended(outcomes: Sequence[Outcome]) -> tuple[set[str], set[str]]:
    """Names of the pairs that are done, and of those that failed."""
    done = {str(pair.out) for pair, outcome in outcomes if isinstance(outcome, Done)}
    return done, {str(pair.out) for pair, _ in outcomes} - done


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
