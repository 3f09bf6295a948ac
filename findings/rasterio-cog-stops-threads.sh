#!/usr/bin/env bash
# rasterio's writer for Cloud Optimized GeoTIFFs stops every other thread while it encodes.
#
# Surprise: rasterio lets other Python threads run while GDAL reads and writes. A file that is opened
# with driver="COG" is encoded when it is closed: overviews, compression, everything. rasterio
# holds the interpreter for all of that. Two files on two threads take as long as one after the other,
# and a progress bar or a server stands still. rasterio.shutil.copy of the same pixels to the same
# driver does not hold it.
#
# Hurt: programs that write many maps, and believe that threads make that faster.
#
# Advice: write the pixels to a plain GeoTIFF in memory (MemoryFile), and copy that with
# rasterio.shutil.copy(..., driver="COG").
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet rasterio==1.4.4 numpy==2.2.6
cat >threads.py <<'PYTHON_CODE'
import sys
import threading
import time

import numpy as np
import rasterio
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.transform import Affine

values = np.random.default_rng(0).standard_normal((2048, 2048)).cumsum(axis=1).astype("float32")
profile = {
    "height": 2048, "width": 2048, "count": 1, "dtype": "float32", "transform": Affine.scale(2),
}
options = {"compress": "DEFLATE", "predictor": 3}


def opened() -> None:
    with MemoryFile() as memory, memory.open(driver="COG", **profile, **options) as file:
        file.write(values, 1)


def copied() -> None:
    with MemoryFile(ext=".tif") as memory, MemoryFile(ext=".tif") as result:
        with memory.open(driver="GTiff", **profile) as file:
            file.write(values, 1)
        copy(memory.name, result.name, driver="COG", **options)


def longest_stop(write) -> float:
    """Of another thread that only sleeps, as a share of the time that the writing takes."""
    gaps, stop = [], threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    write()
    total = time.perf_counter() - start
    stop.set()
    thread.join()
    return max(gaps) / total


held, free = (min(longest_stop(write) for _ in range(3)) for write in (opened, copied))
print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
print(f'  open(driver="COG"): another thread stands still for {held:.0%} of the time')
print(f'  copy(driver="COG"): for {free:.0%}')
if not (held > 0.6 and free < 0.3):
    sys.exit("changed: rasterio no longer does what the comment says")
PYTHON_CODE
venv/bin/python threads.py
