"""Sensors of boards that are not here, from files as their kernels write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from lunar_bench.sensors.find import find_sensors
from lunar_bench.sensors.machine import describe_machine, power_mode
from lunar_bench.sensors.sensor import Kind, absent_kinds, whole_power

from .recorded_boards import orin_agx, orin_nx, thor, write


def readings(root: Path, kind: Kind) -> dict[str, float | None]:
    return {s.name: s.read() for s in find_sensors(root) if s.kind == kind}


def test_orin_agx_rails_are_voltage_times_current_and_add_up_without_the_memory_twice(
    tmp_path: Path,
) -> None:
    power = readings(orin_agx(tmp_path), "power")
    assert power == pytest.approx(
        {
            "VDD_GPU_SOC": 19.984 * 0.160,
            "VDD_CPU_CV": 19.984 * 0.040,
            "VIN_SYS_5V0": 5.032 * 0.752,
            "VDDQ_VDD2_1V8AO": 4.968 * 0.080,
        }
    )
    assert whole_power(list(power)) == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]


def test_orin_agx_clocks_are_megahertz_and_the_mean_of_the_cores(tmp_path: Path) -> None:
    root = orin_agx(tmp_path)
    assert readings(root, "CPU clock") == pytest.approx({"CPU": (2201.6 + 729.6) / 2})
    assert readings(root, "GPU clock") == pytest.approx({"17000000.gpu": 1300.5})


def test_a_zone_that_is_switched_off_is_absent(tmp_path: Path) -> None:
    temperatures = readings(orin_agx(tmp_path), "temperature")
    assert temperatures == pytest.approx({"cpu-thermal": 52.125, "gpu-thermal": 48.906})


def test_over_current_events_are_counters(tmp_path: Path) -> None:
    events = [s for s in find_sensors(orin_agx(tmp_path)) if s.kind == "throttling"]
    assert {s.name: s.read() for s in events} == {
        "over-current oc1": 0,
        "over-current oc2": 0,
        "over-current oc3": 37,
    }
    assert all(sensor.counts for sensor in events)


def test_what_needs_root_is_absent_with_the_reason(tmp_path: Path) -> None:
    absent = absent_kinds({s.kind for s in find_sensors(orin_agx(tmp_path))})
    assert list(absent) == ["memory clock"]
    assert "debugfs" in absent["memory clock"]
    write(tmp_path, {"sys/kernel/debug/bpmp/debug/clk/emc/rate": 3199000000})
    assert readings(tmp_path, "memory clock") == {"emc": pytest.approx(3199.0)}


def test_orin_nx_measures_the_whole_module_on_one_rail(tmp_path: Path) -> None:
    power = readings(orin_nx(tmp_path), "power")
    assert whole_power(list(power)) == ["VDD_IN"]
    assert power["VDD_IN"] == pytest.approx(4.984 * 1.856)


def test_thor_measures_everything_on_the_carrier_boards_ina238(tmp_path: Path) -> None:
    power = readings(thor(tmp_path), "power")
    assert power["VIN"] == pytest.approx(43.21)
    assert power["VDD_GPU"] == pytest.approx(21.6)
    assert whole_power(list(power)) == ["VIN"]


def test_thor_on_another_carrier_board_is_the_sum_of_its_rails(tmp_path: Path) -> None:
    power = readings(thor(tmp_path, carrier=False), "power")
    assert whole_power(list(power)) == ["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"]


def test_thor_clocks_leave_the_video_engines_out(tmp_path: Path) -> None:
    root = thor(tmp_path)
    assert readings(root, "GPU clock") == {"gpu-gpc-0": 1575.0}
    assert readings(root, "memory clock") == {"bwmgr": 4266.0}
    assert readings(root, "temperature") == {"tj-thermal": 55.1}


def test_nothing_there_is_nothing_read_and_every_kind_absent(tmp_path: Path) -> None:
    assert find_sensors(tmp_path) == []
    assert set(absent_kinds([])) == {
        *("CPU clock", "GPU clock", "memory clock", "temperature", "power", "throttling")
    }


def test_the_power_mode_has_its_name(tmp_path: Path) -> None:
    assert power_mode(orin_agx(tmp_path)) == "MODE_30W"
    write(tmp_path, {"var/lib/nvpmodel/status": "pmode:0007"})
    assert power_mode(tmp_path) == "mode 7"
    assert power_mode(tmp_path / "elsewhere") is None


def test_a_board_is_described_by_its_own_files(tmp_path: Path) -> None:
    machine = describe_machine(orin_agx(tmp_path))
    assert machine.board == "NVIDIA Jetson AGX Orin Developer Kit, Jetson Linux 36.4.3"
    assert (machine.power_mode, machine.governor) == ("MODE_30W", "schedutil")
    assert not machine.virtual
    assert machine.instructions == ["asimd", "asimddp", "asimdhp"]
    assert describe_machine(tmp_path / "elsewhere").board is None
