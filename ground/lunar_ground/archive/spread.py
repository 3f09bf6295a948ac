"""Many pairs over the workers of a Dask scheduler, and what is done where one is lost."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lunar_runtime.commands.orders import Order
from lunar_runtime.commands.pairs import Outcome
from lunar_runtime.errors import OutputError
from lunar_runtime.files.atomic import make_folder
from lunar_runtime.files.pair_lists import PairFiles
from lunar_runtime.report.result_names import check_out

from lunar_ground.archive.cluster import PATIENCE_S, Cluster
from lunar_ground.archive.rounds import Attempt, Rounds
from lunar_ground.archive.session import Work


def spread(
    address: str, order: Order, pairs: Sequence[PairFiles], *, patience_s: float = PATIENCE_S
) -> Generator[Outcome, None, None]:
    """Infer pairs on the workers of a scheduler.

    A worker that is lost costs the pair that it had in hand its time; a scheduler that is lost and
    comes back, the pairs of all workers. Results that were written are kept.

    Args:
        address: `local:N`, `tcp://HOST:PORT` or `tls://HOST:PORT`.
        order: What is asked of every pair; its paths are valid on every worker.
        pairs: Which; so are theirs.
        patience_s: How long a scheduler or workers are waited for.

    Yields:
        Every pair with its report or error, in the order in which they end.

    Raises:
        UsageError: The address is none.
        BackendError: No scheduler or no workers there; or a worker cannot do the work.
        LunarError: What a worker lacks: the bundle, the library, the device.
    """
    job = order.job
    kept = job.resume or job.overwrite
    todo: deque[Attempt] = deque()
    for pair in pairs:
        try:  # now: what is there later was made by this work, on a worker that was lost
            check_out(job.folder / pair.out, overwrite=kept)
            todo.append(Attempt(pair))
        except OutputError as error:
            yield pair, error
    make_folder(job.folder)
    order = replace(order, job=replace(job, resume=job.resume or not job.overwrite))
    with Cluster(address, patience_s) as cluster, _marked(job.folder) as marker:
        rounds = Rounds(cluster, Work(order, marker), order.retries, patience_s)
        for pair, outcome in rounds.run(todo):
            if not job.resume and not isinstance(outcome, Exception):
                outcome = outcome._replace(before=False)
            yield pair, outcome


@contextmanager
def _marked(folder: Path) -> Iterator[Path]:
    """A file by which workers know the folder of all results."""
    marker = folder / f".lunar-archive-{secrets.token_hex(8)}"
    try:
        marker.touch(exist_ok=False)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise OutputError(f"{folder}: cannot write ({why}); choose another place") from error
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)
