"""Where the samples of an image lie in its file, and how a part of them is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from lunar_runtime.files.window import Window
from numpy.typing import NDArray

from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.sample_types import SampleType


@dataclass(frozen=True)
class Layout:
    """Where the samples lie.

    Attributes:
        file: Holds them.
        offset: Byte of the first sample.
        sample: How one is stored.
        lines: Rows.
        samples: Columns.
        bands: Images that lie in one another or one after the other.
        sample_stride: Bytes from a sample to the next in its line.
        line_stride: Bytes from a line to the next; within a tile where there are tiles.
        band_stride: Bytes from a band to the next.
        tile: Lines and samples of a tile; None where there are none. Tiles lie one after the other,
            row by row, and are whole also at the edges.
    """

    file: Path
    offset: int
    sample: SampleType
    lines: int
    samples: int
    bands: int
    sample_stride: int
    line_stride: int
    band_stride: int
    tile: tuple[int, int] | None = None

    @classmethod
    def sequential(
        cls,
        file: Path,
        offset: int,
        sample: SampleType,
        shape: tuple[int, int, int],
        around: tuple[int, int] = (0, 0),
    ) -> Layout:
        """Band after band, line after line.

        Args:
            file: Holds the samples.
            offset: Byte of the first line, or of what stands before it.
            sample: How one is stored.
            shape: Bands, lines, samples.
            around: Bytes that stand before and after each line's samples.
        """
        bands, lines, samples = shape
        line = around[0] + samples * sample.size + around[1]
        return cls(
            file, offset + around[0], sample, lines, samples, bands, sample.size, line, line * lines
        )

    @classmethod
    def tiled(
        cls,
        file: Path,
        offset: int,
        sample: SampleType,
        shape: tuple[int, int, int],
        tile: tuple[int, int],
    ) -> Layout:
        """Tiles of so many lines and samples, band after band."""
        bands, lines, samples = shape
        tiles = -(-lines // tile[0]) * -(-samples // tile[1])
        line = tile[1] * sample.size
        band = tiles * tile[0] * line
        return cls(file, offset, sample, lines, samples, bands, sample.size, line, band, tile)

    def check_size(self) -> None:
        """Compare with the file's size.

        Raises:
            FormatError: The file ends before the last sample.
        """
        if self.tile is None:
            last = (
                (self.bands - 1) * self.band_stride
                + (self.lines - 1) * self.line_stride
                + (self.samples - 1) * self.sample_stride
                + self.sample.size
            )
        else:
            last = self.bands * self.band_stride
        there = os.stat(self.file).st_size  # noqa: PTH116
        if self.offset + last > there:
            raise FormatError(
                f"the label asks for {self.offset + last} bytes of {self.file.name}, which has "
                f"{there}; it is truncated or the label is another file's: copy both again"
            )

    def read(self, window: Window, band: int = 0) -> NDArray[Any]:
        """Samples as numbers; no more of the file is read than the lines of the window.

        Args:
            window: Inside the image.
            band: From 0.

        Returns:
            (window.height, window.width) in native byte order.

        Raises:
            FormatError: The file ends too early, whatever its size was before.
        """
        stored = np.empty((window.height, window.width), self.sample.stored)
        with self.file.open("rb", buffering=0) as stream:
            for row, column, count, start in self._runs(window, band):
                line = stored[row, column : column + count]
                line[:] = self._samples(stream, start, count)
        return self.sample.numbers(stored)

    def _runs(self, window: Window, band: int) -> Iterator[tuple[int, int, int, int]]:
        """Of what lies in line: its row and column in the window, samples, byte of the first."""
        start = self.offset + band * self.band_stride
        if self.tile is None:
            for row in range(window.height):
                line = start + (window.y + row) * self.line_stride
                yield row, 0, window.width, line + window.x * self.sample_stride
            return
        high, wide = self.tile
        across = -(-self.samples // wide)
        for row in range(window.height):
            down, line = divmod(window.y + row, high)
            column = 0
            while column < window.width:
                over, sample = divmod(window.x + column, wide)
                count = min(wide - sample, window.width - column)
                tile = start + (down * across + over) * high * self.line_stride
                at = tile + line * self.line_stride + sample * self.sample_stride
                yield row, column, count, at
                column += count

    def _samples(self, stream: IO[bytes], start: int, count: int) -> NDArray[Any]:
        span = (count - 1) * self.sample_stride + self.sample.size
        stream.seek(start)
        data = stream.read(span)
        if len(data) < span:
            raise FormatError(f"{self.file.name} ended at byte {start + len(data)}; copy it again")
        line: NDArray[Any] = np.ndarray(
            (count,), self.sample.stored, data, strides=(self.sample_stride,)
        )
        return line
