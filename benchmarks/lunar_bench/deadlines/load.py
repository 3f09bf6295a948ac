"""Other work beside what is measured, so that times are as on a computer that has more to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Bursts and pauses of a fifth of a second on the average: a steady load would be foretold too well.
_BURN = """
import random, time
import numpy as np
draw = random.Random({seed})
a = np.ones((256, 256), np.float32)
while True:
    end = time.perf_counter() + draw.expovariate(5)
    while time.perf_counter() < end:
        a @ a
    time.sleep(draw.expovariate(5))
"""


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Keep so many processes computing half of the time, each with one thread."""
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, "-c", _BURN.format(seed=seed)], env=environment)
        for seed in range(count)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
