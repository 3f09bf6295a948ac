"""A network in a process of its own, which is ended and started again when it hangs.

Nothing else can stop a library that does not return. The process shares memory for inputs and
outputs with this one, so that a pair costs two copies more. It is started again in the background:
a pair that comes meanwhile is told so at once.
"""

from __future__ import annotations

import mmap
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.activations import ActivationRecord
from lunar_runtime.backends.cores import check_threads
from lunar_runtime.backends.shared_arrays import SharedArrays, bytes_of
from lunar_runtime.backends.worker import FORGET, RUN, Answer, Order
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError

#: Of one pair, seconds: a network takes 0.1 to 2 s on a computer with nothing else to do.
HANG_S = 30.0
_LOAD_S = 120.0  # with building what a library builds on its first load
_GONE_S = 1.0
#: From a start that failed to the next try. A start takes 1 to 4 s: what does not start takes less
#: than half of a core.
_PAUSE_S = 5.0
_LONGEST_ANSWER = 1 << 16


class WatchedBackend:
    """See the module, and `Backend`.

    Args:
        bundle: A verified bundle in a folder.
        backend: As for `select_backend`, as are the next two.
        device: What to run on.
        threads: CPU threads.
        keep_views: Views whose features are kept.
        hang_s: A pair that takes longer has hung.

    Raises:
        BackendError: The network cannot be loaded there.
        UsageError: `threads` is not positive, or more than the usable cores.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        *,
        keep_views: int = 0,
        hang_s: float = HANG_S,
    ) -> None:
        check_threads(threads)
        self.restarts = 0
        self.last_restart_s: float | None = None
        self._earlier = ActivationRecord()  # of processes that are gone
        self._hang_s = hang_s
        graph = bundle.manifest.graph
        self._file = os.memfd_create("lunar-network", os.MFD_CLOEXEC)
        os.ftruncate(self._file, bytes_of(graph))
        self._memory = mmap.mmap(self._file, 0)
        self._arrays = SharedArrays(graph, self._memory)
        self._order = Order(
            str(bundle.path), bundle.digest, backend, device, threads, self._file, keep_views
        )
        bundle.forget()  # the other process reads it
        self._restarting: threading.Thread | None = None
        self._failed: BackendError | None = None
        self._again_at = 0.0
        self._closed = False
        loaded = self._start()
        self.name, self.device = f"{loaded.said}, watched", loaded.device

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair, and once more where the process hung or ended; see `Backend.run`.

        There is no deadline: the pair waits until the process is started again.
        """
        before = self._restarting
        try:
            return self.run_within(left, right, self._hang_s * 1e3)
        except BackendError:
            again = self._restarting
            if again is None or (again is before and not again.is_alive()):
                raise
        again.join()
        return self.run_within(left, right, self._hang_s * 1e3)

    def run_within(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], within_ms: float
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair, and end the process if it takes longer than that, or than `hang_s`.

        Raises:
            BackendError: The network failed, hung, or is being started again.
        """
        if self._closed:
            raise BackendError("this network was closed; load the bundle again")
        if self._restarting is not None and self._restarting.is_alive():
            raise BackendError("the network hung and is being started again")
        if (failed := self._failed) is not None:
            if time.monotonic() >= self._again_at:  # memory was short, or somebody ended it
                self._restart()
            raise failed
        np.copyto(self._arrays.inputs["left"], left)
        np.copyto(self._arrays.inputs["right"], right)
        within_s = min(self._hang_s, within_ms / 1e3)
        answer = self._ask(RUN, within_s)
        if answer is None:
            self._restart()
            raise BackendError(
                f"the network did not answer within {within_s:.2f} s; its process is ended and "
                "started again"
            )
        if not answer.done:
            raise BackendError(answer.said)
        self._seen = answer.activations
        return {name: values.copy() for name, values in self._arrays.outputs.items()}

    @property
    def activation_record(self) -> ActivationRecord:
        """What watching the activations found so far, in all its processes."""
        return self._earlier.plus(self._seen)

    @property
    def feature_record(self) -> None:
        """What the other process keeps is not told."""
        return None

    def forget_views(self) -> None:
        """Have the process let go of all features; one that is started again has none."""
        away = self._restarting is not None and self._restarting.is_alive()
        if self._closed or away or self._failed is not None:
            return
        if self._ask(FORGET, self._hang_s) is None:
            self._restart()

    def close(self) -> None:
        """End the process."""
        if self._closed:
            return
        self._closed = True
        if self._restarting is not None:
            self._restarting.join()
        self._end()
        self._arrays.forget()
        self._memory.close()
        os.close(self._file)

    def wait(self) -> None:
        """Until a process that is being started again is there."""
        if self._restarting is not None:
            self._restarting.join()

    def _start(self) -> Answer:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lunar_runtime.backends.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._file,),
            env=environment,
        )
        answer = self._ask(msgspec.json.encode(self._order) + b"\n", _LOAD_S)
        if answer is None or not answer.done:
            why = answer.said if answer else self._silence()
            self._end()
            raise BackendError(f"the network's process could not load it: {why}")
        self._seen = answer.activations
        return answer

    def _ask(self, words: bytes, within_s: float) -> Answer | None:
        """None where the process says nothing in time, or is gone."""
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None and answered is not None
        until = time.perf_counter() + within_s
        try:
            asked.write(words)
            asked.flush()
        except OSError:
            return None
        heard = b""
        while not heard.endswith(b"\n"):
            left_s = until - time.perf_counter()
            if left_s <= 0 or not select.select([answered], [], [], left_s)[0]:
                return None
            more = os.read(answered.fileno(), _LONGEST_ANSWER)
            if not more:
                return None
            heard += more
        return msgspec.json.decode(heard, type=Answer)

    def _restart(self) -> None:
        start = time.perf_counter()
        self._earlier = replace(self.activation_record, points=0, reason="")
        self._seen = ActivationRecord()
        self._end()

        def again() -> None:
            try:
                self._start()
                self._failed = None
            except BackendError as error:
                self._again_at = time.monotonic() + _PAUSE_S
                self._failed = error
            self.restarts += 1
            self.last_restart_s = time.perf_counter() - start

        self._restarting = threading.Thread(target=again, name="restart", daemon=True)
        self._restarting.start()

    def _silence(self) -> str:
        """Why a process that is to load the network says nothing."""
        with suppress(subprocess.TimeoutExpired):  # one that is gone needs a moment to be seen so
            return f"it ended with code {self._process.wait(_GONE_S)}"
        return f"nothing within {_LOAD_S:.0f} s"

    def _end(self) -> None:
        self._process.kill()  # also one that is stopped
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # of what was not yet written to a process that is gone
                    pipe.close()
