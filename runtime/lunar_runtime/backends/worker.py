"""The process that a watched network runs in: `python -m lunar_runtime.backends.worker`.

It gets what to load as one line of JSON on stdin, and memory that it shares with its parent as an
inherited descriptor. A line `run` is answered once the outputs are in that memory, or with the
reason why not; a line `forget`, once no features of earlier views are kept. The end of stdin ends
it; so does its parent's end, while it hangs.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from contextlib import suppress
from typing import IO

import msgspec

from lunar_runtime.backends.activations import ActivationRecord, activation_record_of
from lunar_runtime.errors import BackendError, BundleError, LunarError, is_out_of_memory

RUN, FORGET = b"run\n", b"forget\n"
_LOOK_S = 1.0  # for the parent


class Order(msgspec.Struct, frozen=True):
    """What a worker is to load.

    Attributes:
        bundle: Folder.
        digest: Of the bundle that the parent verified.
        backend: As for `select_backend`, as are the next two.
        device: What to run on.
        threads: CPU threads.
        memory: Descriptor of the shared memory.
        keep_views: Views whose features are kept.
    """

    bundle: str
    digest: str
    backend: str
    device: str
    threads: int | None
    memory: int
    keep_views: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What a worker says after loading and after each pair.

    Attributes:
        done: Whether it worked.
        said: The library's name once it is loaded, or why it did not work.
        device: What the network runs on.
        activations: What watching the activations found since the network was loaded.
    """

    done: bool
    said: str = ""
    device: str = ""
    activations: ActivationRecord = ActivationRecord()


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Load, and run pairs until there are no more orders."""
    import numpy as np

    from lunar_runtime.backends.features import forget_views
    from lunar_runtime.backends.registry import select_backend
    from lunar_runtime.backends.shared_arrays import SharedArrays
    from lunar_runtime.bundles.bundle import Bundle

    def answer(one: Answer) -> None:
        answers.write(msgspec.json.encode(one) + b"\n")
        answers.flush()

    order = msgspec.json.decode(orders.readline(), type=Order)
    try:
        bundle = Bundle.open(order.bundle, keep_model=True)
        if bundle.digest != order.digest:
            raise BundleError(f"{order.bundle}: is another bundle than was verified")
        backend = select_backend(
            bundle, order.backend, order.device, order.threads, keep_views=order.keep_views
        )
    except Exception as error:
        if not isinstance(error, LunarError) and not is_out_of_memory(error):
            raise
        answer(Answer(False, _why(error)))
        return
    memory = mmap.mmap(order.memory, 0)
    arrays = SharedArrays(bundle.manifest.graph, memory)
    try:
        answer(Answer(True, backend.name, backend.device, activation_record_of(backend)))
        while order_line := orders.readline():
            if order_line == FORGET:
                forget_views(backend)
                answer(Answer(True))
                continue
            try:
                outputs = backend.run(arrays.inputs["left"], arrays.inputs["right"])
                for name, values in outputs.items():
                    np.copyto(arrays.outputs[name], values)
            except Exception as error:
                expected = isinstance(error, BackendError | ValueError) or is_out_of_memory(error)
                if not expected:
                    raise
                answer(Answer(False, _why(error)))
                continue
            answer(Answer(True, activations=activation_record_of(backend)))
    finally:
        arrays.forget()
        with suppress(BufferError):  # where an error holds them; the process is about to end
            memory.close()


def _why(error: Exception) -> str:
    return "out of memory" if is_out_of_memory(error) else str(error)


def _end_with_parent() -> None:
    """End with the parent also where a library does not return, and stdin is not read."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    spoken = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not be taken for answers
    try:
        serve(sys.stdin.buffer, spoken)
    except BrokenPipeError:  # the parent was killed: nobody listens, and nothing is to be cleaned
        os._exit(1)
