"""Windows of scans that are larger than memory should be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .planetary_files import ground, write_isis, write_pds3, write_pds4

WIDTH, HEIGHT = 12_000, 100_000

# Reads a window in a process of its own, and says by how much its memory grew, in kB.
READ = """
import resource, sys
from lunar_runtime.files.images import read_image
from lunar_runtime.files.window import Window
read_image(sys.argv[1], Window(0, 0, 64, 48))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image = read_image(sys.argv[2], Window(6000, 99000, 1000, 1000))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, image.pixels[900, 500])
"""


def scan(folder: Path, kind: str) -> tuple[Path, int, int, int]:
    """A small file whose label is changed to a large one; its header, row and first byte."""
    small = ground().astype("<i2")
    if kind == "pds4":
        path = write_pds4(folder / "a.xml", small, "SignedLSB2")
        text = path.read_text()
        text = text.replace(">48<", f">{HEIGHT}<").replace(">64<", f">{WIDTH}<")
        path.write_text(text)
        return path, 0, WIDTH * 2, 0
    if kind == "pds3":
        path = write_pds3(folder / "A.IMG", small, "LSB_INTEGER", detached=True, suffix=8)
        text = path.read_text().replace("LINES = 48", f"LINES = {HEIGHT}")
        path.write_text(text.replace("LINE_SAMPLES = 64", f"LINE_SAMPLES = {WIDTH}"))
        return path, 0, WIDTH * 2 + 8, 0
    tile = (1000, 1000) if kind == "tiles" else None
    path = write_isis(folder / "a.cub", small, tile=tile)
    label = path.read_bytes()[:4096]
    label = label.replace(b"Samples = 64", b"Samples = 12000").replace(
        b"Lines   = 48", b"Lines   = 100000"
    )
    path.write_bytes(label[:4096])
    return path, 4096, WIDTH * 2, 0


@pytest.mark.parametrize("kind", ["cube", "tiles", "pds3", "pds4"])
def test_a_window_takes_the_windows_memory(tmp_path: Path, kind: str) -> None:
    path, header, row, _ = scan(tmp_path, kind)
    data = path if kind in ("cube", "tiles") else next(tmp_path.glob("[aA].[iI]*"))
    with data.open("r+b") as file:
        file.truncate(header + row * HEIGHT)  # holes: 2.4 GB that take no room
        # A gradient in the window, for a stretch; what a hole holds is 0.
        for line in range(99_000, 100_000):
            values = b"".join((20 + (line + x) % 200).to_bytes(2, "little") for x in range(1000))
            if kind == "tiles":
                tile = (line // 1000) * 12 + 6
                file.seek(header + tile * 2_000_000 + (line % 1000) * 2000)
            else:
                file.seek(header + line * row + 6000 * 2)
            file.write(values)
    little = write_isis(tmp_path / "little.cub", ground().astype("<i2"))
    done = subprocess.run(
        [sys.executable, "-c", READ, little, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    grown_kb, grey = map(int, done.stdout.split())
    # A window of a megapixel in 16 bits is 2 MB. Validity, stretch and the 8-bit image in float64
    # make it 30 MB; the scan is 2400 MB.
    assert grown_kb < 64_000
    value = 20 + (99_900 + 500) % 200
    assert abs(grey - (value - 20) * 255 / 199) <= 1  # 0.1 and 99.9 percentiles are 20 and 219
