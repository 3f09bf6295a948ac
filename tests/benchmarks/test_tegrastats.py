from __future__ import annotations

from pathlib import Path

import pytest
from lunar_bench.sensors.tegrastats import Tegrastats, parse_line

from .recorded_boards import ORIN_AGX_LINE, ORIN_NANO_LINE, THOR_LINE


def test_an_orin_agx_line() -> None:
    found = parse_line(ORIN_AGX_LINE)
    assert found == {
        "power VDD_GPU_SOC": 3.150,
        "power VDD_CPU_CV": 14.312,
        "power VIN_SYS_5V0": 4.968,
        "power VDDQ_VDD2_1V8AO": 1.091,
        "temperature CPU": 77.281,
        "temperature Tboard": 62.0,
        "temperature GPU": 69.125,
        "temperature tj": 77.281,
        "memory clock": 2133.0,
        "GPU clock": 407.0,
        "CPU clock": 2201.0,  # of the two that are on
        "RAM used": 13983.0,
    }


def test_an_orin_nano_line_says_no_clocks_of_gpu_and_memory() -> None:
    found = parse_line(ORIN_NANO_LINE)
    assert found["power VDD_IN"] == 4.579
    assert found["CPU clock"] == pytest.approx((5 * 729 + 1510) / 6)
    assert "GPU clock" not in found
    assert "memory clock" not in found


def test_a_thor_line_has_a_rail_below_zero_and_a_part_that_is_off() -> None:
    found = parse_line(THOR_LINE)
    assert found["power VDD_GPU"] == -0.392  # its monitor's offset, without load
    assert found["power VIN"] == 23.04
    assert found["GPU clock"] == 1575.0
    assert found["memory clock"] == 4266.0
    assert "temperature gpu" not in found
    assert found["temperature tj"] == 45.4


def test_a_line_of_something_else_says_nothing() -> None:
    assert parse_line("Device is not supported") == {}
    assert parse_line("") == {}


def test_the_program_is_read_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tegrastats"
    program.write_text(f"#!/bin/sh\nwhile :; do echo '{ORIN_AGX_LINE}'; sleep 0.05; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    running = Tegrastats(100)
    try:
        for _ in range(200):
            if running.latest:
                break
            running._thread.join(0.05)
    finally:
        running.close()
    assert running.latest["memory clock"] == 2133.0


def test_without_the_program_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="no tegrastats"):
        Tegrastats(100)
