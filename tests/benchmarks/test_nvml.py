"""NVML and the CUDA driver through C, against a library that answers as they do."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
from lunar_bench.sensors.cuda_memory import CudaMemory
from lunar_bench.sensors.find import find_sensors
from lunar_bench.sensors.nvml import Nvml, open_nvml
from lunar_bench.sensors.sensor import absent_kinds

# A discrete card: figures of the order of an idle data-centre GPU. With NOT_SUPPORTED, a Jetson:
# the library loads, names the GPU, and answers 3 (NVML_ERROR_NOT_SUPPORTED) to everything else.
SOURCE = """
#include <stdint.h>
#include <string.h>
typedef struct { unsigned long long total, free, used; } Memory;
static int handle;
#ifdef NOT_SUPPORTED
#define ANSWER(x) return 3
#else
#define ANSWER(x) x; return 0
#endif
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) {
  if (i > 1) return 2; *d = &handle; return 0; }
int nvmlDeviceGetName(void *d, char *s, unsigned n) { strncpy(s, "NVIDIA Made 80GB", n); return 0; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { strncpy(s, "570.1", n); return 0; }
int nvmlDeviceGetPowerUsage(void *d, unsigned *mw) { ANSWER(*mw = 71250); }
int nvmlDeviceGetTemperature(void *d, int kind, unsigned *c) { ANSWER(*c = kind ? 999 : 34); }
int nvmlDeviceGetClockInfo(void *d, int kind, unsigned *mhz) {
  ANSWER(*mhz = kind == 1 ? 1980 : kind == 2 ? 2619 : 1); }
int nvmlDeviceGetMemoryInfo(void *d, Memory *m) {
  ANSWER(m->total = 80ull << 30; m->used = 600ull << 20; m->free = m->total - m->used); }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, unsigned long long *bits) {
  ANSWER(*bits = 0x1 | 0x4 | 0x40); }
int cuInit(unsigned flags) { return flags; }
int cuDeviceGet(int *device, int i) { *device = 7; return i; }
int cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = &handle; return device == 7 ? 0 : 101; }
static void *current;
int cuCtxPushCurrent_v2(void *context) { current = context; return 0; }
int cuCtxPopCurrent_v2(void **context) { *context = current; current = 0; return 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  if (current != &handle) return 201; *free = 1234ull << 20; *total = 80ull << 30; return 0; }
"""


def build(folder: Path, *flags: str) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (folder / "driver.c").write_text(SOURCE)
    library = folder / f"driver{len(flags)}.so"
    command = [compiler, *flags, "-shared", "-fPIC", "-o", str(library), str(folder / "driver.c")]
    subprocess.run(command, check=True)
    return library


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Nvml:
    return Nvml(ctypes.CDLL(str(build(tmp_path_factory.mktemp("card")))))


@pytest.fixture(scope="session")
def jetson(tmp_path_factory: pytest.TempPathFactory) -> Nvml:
    return Nvml(ctypes.CDLL(str(build(tmp_path_factory.mktemp("jetson"), "-DNOT_SUPPORTED"))))


def test_a_card_is_read_in_our_units(card: Nvml) -> None:
    assert card.describe() == "NVIDIA Made 80GB, driver 570.1"
    assert card.power_w() == 71.25
    assert card.temperature_c() == 34.0
    assert (card.sm_clock_mhz(), card.memory_clock_mhz()) == (1980.0, 2619.0)
    assert card.used_memory_mib() == 600.0


def test_idle_is_no_throttling(card: Nvml) -> None:
    assert card.throttle_reasons() == ("power cap", "hardware thermal slowdown")


def test_a_card_has_every_kind_of_sensor_but_the_cpus(card: Nvml, tmp_path: Path) -> None:
    sensors = find_sensors(tmp_path, card)
    assert absent_kinds({s.kind for s in sensors}).keys() == {"CPU clock"}
    active = {s.name for s in sensors if s.kind == "throttling" and s.read()}
    assert active == {"GPU power cap", "GPU hardware thermal slowdown"}


def test_what_a_jetsons_nvml_does_not_support_is_absent_and_not_zero(
    jetson: Nvml, tmp_path: Path
) -> None:
    assert jetson.describe() == "NVIDIA Made 80GB, driver 570.1"
    assert jetson.power_w() is None
    assert jetson.used_memory_mib() is None
    assert jetson.throttle_reasons() is None
    assert find_sensors(tmp_path, jetson) == []


def test_the_gpu_is_the_one_that_cuda_sees_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ctypes.CDLL(str(build(tmp_path)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert Nvml(library).power_w() == 71.25
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with pytest.raises(OSError, match="NVML finds no GPU"):
        Nvml(library)


def test_without_a_driver_there_is_no_gpu() -> None:
    assert open_nvml("libno-such-driver.so.1") is None


def test_free_device_memory_is_asked_with_the_context_current(tmp_path: Path) -> None:
    assert CudaMemory(ctypes.CDLL(str(build(tmp_path)))).free_mib() == 1234.0
