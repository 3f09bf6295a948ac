"""The machine's sensors, sampled while something else is measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np

from lunar_bench.record.telemetry import Channel, Telemetry
from lunar_bench.sensors.find import find_sensors
from lunar_bench.sensors.sensor import UNITS, Kind, Sensor, absent_kinds, whole_power
from lunar_bench.sensors.tegrastats import Tegrastats

# Reading a dozen small files takes about a millisecond; at this pace the sampler costs a per mille.
INTERVAL_S = 0.2
_KEPT_POINTS = 300

#: Kinds that tegrastats adds where the kernel's files do not give them, by the start of its names.
_FROM_TEGRASTATS: tuple[tuple[str, Kind], ...] = (
    ("CPU clock", "CPU clock"),
    ("GPU clock", "GPU clock"),
    ("memory clock", "memory clock"),
    ("temperature ", "temperature"),
    ("power ", "power"),
)


class Sampler:
    """Samples in a thread of its own between `start` and `stop`.

    Args:
        sensors: What to sample; None = everything this machine has, tegrastats included.
        interval_s: Between samples.
    """

    def __init__(self, sensors: list[Sensor] | None = None, interval_s: float = INTERVAL_S) -> None:
        self._tegrastats: Tegrastats | None = None
        self._own = sensors is None
        self.sensors = find_sensors() if sensors is None else sensors
        self._interval_s = interval_s
        self._times: list[float] = []
        self._values: list[list[float | None]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_all, daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._own:
            self._start_tegrastats()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._tegrastats:
            self._tegrastats.close()

    def mean_power_w(self, spans: Sequence[tuple[float, float]]) -> float | None:
        """The whole draw, averaged over spans of time.

        Between two samples power is taken to change linearly.

        Args:
            spans: (begin, end) on `time.perf_counter`'s clock, in order.

        Returns:
            Watts; None if no power is measured or no sample lies near the spans.
        """
        power = self._whole_power()
        if power is None or not spans:
            return None
        times, watts = power
        if len(times) < 2 or spans[-1][1] < times[0] or spans[0][0] > times[-1]:
            return None
        # The integral from the first sample up to t, at every end of a span.
        steps = np.diff(times) * (watts[1:] + watts[:-1]) / 2
        integral = np.concatenate(([0.0], np.cumsum(steps)))
        ends = np.clip(np.asarray(spans, np.float64), times[0], times[-1])
        at = np.searchsorted(times, ends, "right").clip(1, len(times) - 1) - 1
        past = ends - times[at]
        rise = (watts[at + 1] - watts[at]) / (times[at + 1] - times[at])
        joules = integral[at] + past * (watts[at] + rise * past / 2)
        seconds = float((ends[:, 1] - ends[:, 0]).sum())
        return float((joules[:, 1] - joules[:, 0]).sum()) / seconds if seconds > 0 else None

    def report(self) -> Telemetry:
        """What was seen, after `stop`."""
        channels = [self._channel(index) for index in range(len(self.sensors))]
        seen = [channel for channel in channels if channel is not None]
        there = {channel.kind for channel in seen}
        events = [c for c in seen if c.kind == "throttling"]
        return Telemetry(
            channels=seen,
            absent=absent_kinds(there),
            power_rails=whole_power([c.name for c in seen if c.kind == "power"]),
            throttled=[c.name for c in events if c.median > 0 or (c.series and c.maximum > 0)]
            if events
            else None,
            interval_s=self._interval_s,
        )

    def _start_tegrastats(self) -> None:
        try:
            self._tegrastats = Tegrastats(round(1e3 * self._interval_s))
        except OSError:
            return
        deadline = time.monotonic() + 2.0
        while not self._tegrastats.latest and time.monotonic() < deadline:
            time.sleep(0.05)
        there = {sensor.kind for sensor in self.sensors}
        for name in self._tegrastats.latest:
            for start, kind in _FROM_TEGRASTATS:
                if name.startswith(start) and kind not in there:
                    self.sensors.append(self._tegrastats_sensor(name, start, kind))

    def _tegrastats_sensor(self, name: str, start: str, kind: Kind) -> Sensor:
        running = self._tegrastats
        assert running is not None
        label = name.removeprefix(start) or name
        return Sensor(label, kind, "tegrastats", lambda: running.latest.get(name))

    def _sample_all(self) -> None:
        while True:
            self._times.append(time.perf_counter())
            self._values.append([sensor.read() for sensor in self.sensors])
            if self._stop.wait(self._interval_s):
                return

    def _channel(self, index: int) -> Channel | None:
        sensor = self.sensors[index]
        points = [
            (moment - self._times[0], value)
            for moment, row in zip(self._times, self._values, strict=False)
            if (value := row[index]) is not None
        ]
        if not points:
            return None
        values = np.array([value for _, value in points])
        grown = float(values[-1] - values[0])
        keep = np.unique(np.linspace(0, len(points) - 1, _KEPT_POINTS).round().astype(int))
        return Channel(
            name=sensor.name,
            kind=sensor.kind,
            unit=UNITS[sensor.kind],
            source=sensor.source,
            minimum=round(float(values.min()), 3),
            median=round(grown if sensor.counts else float(np.median(values)), 3),
            maximum=round(float(values.max()), 3),
            series=[]
            if sensor.counts
            else [(round(points[i][0], 2), round(points[i][1], 3)) for i in keep],
        )

    def _whole_power(self) -> tuple[np.ndarray, np.ndarray] | None:
        indices = [i for i, sensor in enumerate(self.sensors) if sensor.kind == "power"]
        whole = whole_power([self.sensors[i].name for i in indices])
        indices = [i for i in indices if self.sensors[i].name in whole]
        rows = [
            (moment, sum(parts))
            for moment, row in zip(self._times, self._values, strict=False)
            if len(parts := [w for i in indices if (w := row[i]) is not None]) == len(indices) > 0
        ]
        if not rows:
            return None
        return np.array([t for t, _ in rows]), np.array([w for _, w in rows])
