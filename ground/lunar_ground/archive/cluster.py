"""A connection to Dask: workers of this machine, or a scheduler's, which may come back."""

from __future__ import annotations

import importlib
import logging
import time
from contextlib import suppress
from typing import Any

import dask
from lunar_runtime.backends.cores import usable_cores
from lunar_runtime.errors import BackendError, UsageError

# Dask's own log is full of tracebacks for what is normal here: a worker that is gone. It is set up
# when `distributed` is imported.
_QUIET = dict.fromkeys(("distributed", "distributed.client", "tornado.application"), "critical")
_LOCAL = {
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING": repr(_QUIET),
    # Deaths of workers until a pair is given up; here a pair is tried again alone.
    "distributed.scheduler.allowed-failures": 1,
    "distributed.comm.retry.count": 2,
}
#: A scheduler or workers that are gone for longer do not come back.
PATIENCE_S = 300.0
_TRY_S = 5.0
_CLOSE_S = 30.0
_MOST_WORKERS = 1024

_log = logging.getLogger(__name__)


class Cluster:
    """Workers, and a client of their scheduler.

    Args:
        address: `local:N`, N processes of this machine (`local:` alone: one for each core); or
            `tcp://HOST:PORT`, `tls://HOST:PORT`.
        patience_s: How long a scheduler is waited for.

    Raises:
        UsageError: The address is none.
        BackendError: Nothing answers there.
    """

    def __init__(self, address: str, patience_s: float = PATIENCE_S) -> None:
        scheme, _, rest = address.partition(":")
        self._address, self._patience_s = address, patience_s
        self._local: Any = None
        self._client: Any = None
        if scheme != "local":
            if not rest.startswith("//") or not rest.rpartition(":")[2].isdigit():
                raise UsageError(f"`scheduler` {address}: write {scheme}://HOST:PORT")
            self._settings = None
            self._connect(_TRY_S)
            return
        workers = _count(address, rest)
        _import_distributed()
        from distributed import Client, LocalCluster

        # After the import: Dask would take the defaults of `distributed` away again with these.
        self._settings = dask.config.set(_LOCAL)
        self._local = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None would still listen, on a port of its choice
            # Dask would end a worker that uses more than its share of the machine's memory.
            memory_limit=0,
        )
        self._client = Client(self._local)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self._client, self._local):
            if part is not None:
                _close(part)
        if self._settings is not None:
            self._settings.__exit__(None, None, None)

    @property
    def client(self) -> Any:
        """Of Dask's scheduler."""
        return self._client

    @property
    def lost(self) -> bool:
        """Whether the scheduler is gone, and with it all that it was told."""
        return bool(self._client.status != "running")

    def threads(self) -> int:
        """Pairs that can be under way now; 0 where there is no worker or no scheduler."""
        try:
            return sum(self._client.nthreads().values())
        except (OSError, TimeoutError):
            return 0

    def reconnect(self) -> None:
        """Wait until the scheduler is there again.

        Raises:
            BackendError: It does not come back.
        """
        _close(self._client)
        if self._local is not None:
            raise BackendError("the scheduler in this process failed; begin again with `resume`")
        _log.warning(
            "the scheduler %s is gone; waiting for it for %.0f s", self._address, self._patience_s
        )
        self._connect(self._patience_s)

    def _connect(self, patience_s: float) -> None:
        _import_distributed()
        from distributed import Client

        end = time.monotonic() + patience_s
        while True:
            try:
                self._client = Client(self._address, timeout=_TRY_S, set_as_default=False)
                return
            except (OSError, TimeoutError) as error:
                if time.monotonic() >= end:
                    raise BackendError(
                        f"`scheduler` {self._address}: nothing answers there; start it with "
                        "`dask scheduler`, or check the address"
                    ) from error
                time.sleep(1)


def _import_distributed() -> None:
    with dask.config.set(logging=_QUIET):
        importlib.import_module("distributed")


def _close(part: Any) -> None:
    # What takes longer on a busy machine ends with this process; the work is done.
    with suppress(OSError, TimeoutError):
        part.close(timeout=_CLOSE_S)


def _count(address: str, text: str) -> int:
    if not text:
        return usable_cores()
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_WORKERS):
        raise UsageError(f"`scheduler` {address}: write local:N, N processes of this machine")
    return int(text)
