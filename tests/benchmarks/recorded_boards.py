"""The kernel's files of Jetson boards, in the form and with the magnitudes that they have.

From NVIDIA's Jetson Linux Developer Guide, the kernel's documentation of ina3221 and ina238, and
what owners publish of their boards. Values are of the order of the real ones, not one board's.
"""

from __future__ import annotations

from pathlib import Path

ORIN_AGX_LINE = (
    "11-21-2025 08:49:48 RAM 13983/62780MB (lfb 424x4MB) SWAP 126/31390MB (cached 0MB) "
    "CPU [90%@2201,100%@2201,off,off] EMC_FREQ 1%@2133 GR3D_FREQ 14%@[407,407] VIC_FREQ 115 "
    "NVDLA0_FREQ @1600 APE 174 CV0@-256C CPU@77.281C Tboard@62C GPU@69.125C tj@77.281C "
    "VDD_GPU_SOC 3150mW/2971mW VDD_CPU_CV 14312mW/12415mW VIN_SYS_5V0 4968mW/5048mW "
    "VDDQ_VDD2_1V8AO 1091mW/1091mW"
)
ORIN_NANO_LINE = (
    "RAM 2448/7620MB (lfb 3x4MB) SWAP 0/3810MB (cached 0MB) CPU [1%@729,0%@729,2%@729,0%@729,"
    "0%@729,0%@1510] GR3D_FREQ 0% cpu@49.75C soc2@48.9C soc0@48.7C gpu@50.1C tj@50.1C soc1@49.1C "
    "VDD_IN 4579mW/4579mW VDD_CPU_GPU_CV 522mW/522mW VDD_SOC 1322mW/1322mW"
)
THOR_LINE = (
    "08-27-2026 10:11:12 RAM 9182/125772MB (lfb 37x4MB) CPU [0%@972,3%@2601,0%@972,0%@972] "
    "EMC_FREQ @4266 GR3D_FREQ @[1575,1575,1575] cpu@44.2C gpu@-256C soc012@45.4C tj@45.4C "
    "VDD_GPU -392mW/-392mW VDD_CPU_SOC_MSS 5105mW/5105mW VIN_SYS_5V0 6520mW/6520mW "
    "VIN 23040mW/22950mW"
)


def write(root: Path, files: dict[str, str | int]) -> Path:
    """Lay out files below a root, each ending in a newline as the kernel's do."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def _ina3221(folder: str, *channels: tuple[str, int, int]) -> dict[str, str | int]:
    files: dict[str, str | int] = {f"{folder}/name": "ina3221", f"{folder}/in7_input": 11}
    files[f"{folder}/in7_label"] = "sum of shunt voltages"
    for number, (label, mv, ma) in enumerate(channels, start=1):
        files[f"{folder}/in{number}_label"] = label
        files[f"{folder}/in{number}_input"] = mv
        files[f"{folder}/curr{number}_input"] = ma
    return files


def orin_agx(root: Path) -> Path:
    """AGX Orin, JetPack 6, not root: no debugfs."""
    return write(
        root,
        {
            **_ina3221(
                "sys/class/hwmon/hwmon3",
                ("VDD_GPU_SOC", 19984, 160),
                ("VDD_CPU_CV", 19984, 40),
                ("VIN_SYS_5V0", 5032, 752),
            ),
            **_ina3221(
                "sys/class/hwmon/hwmon4",
                ("NC", 0, 0),
                ("VDDQ_VDD2_1V8AO", 4968, 80),
                ("NC", 0, 0),
            ),
            "sys/class/hwmon/hwmon5/name": "soctherm_oc",
            "sys/class/hwmon/hwmon5/oc1_event_cnt": 0,
            "sys/class/hwmon/hwmon5/oc2_event_cnt": 0,
            "sys/class/hwmon/hwmon5/oc3_event_cnt": 37,
            "sys/class/devfreq/17000000.gpu/cur_freq": 1300500000,
            "sys/class/devfreq/15340000.vic/cur_freq": 729600000,
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 2201600,
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": 729600,
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": 52125,
            "sys/class/thermal/thermal_zone1/type": "gpu-thermal",
            "sys/class/thermal/thermal_zone1/temp": 48906,
            "sys/class/thermal/thermal_zone2/type": "cv0-thermal",
            "sys/class/thermal/thermal_zone2/temp": -256000,
            "var/lib/nvpmodel/status": "pmode:0002",
            "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n"
            "< POWER_MODEL ID=2 NAME=MODE_30W >",
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: "
            "generic, EABI: aarch64",
            "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
            "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 62.50\n"
            "Features\t: fp asimd aes crc32 atomics fphp asimdhp asimddp\nCPU part\t: 0xd42",
        },
    )


def orin_nx(root: Path) -> Path:
    """Orin NX: one monitor, whose first channel is the whole module."""
    return write(
        root,
        _ina3221(
            "sys/class/hwmon/hwmon1",
            ("VDD_IN", 4984, 1856),
            ("VDD_CPU_GPU_CV", 4984, 400),
            ("VDD_SOC", 4984, 320),
        ),
    )


def thor(root: Path, *, carrier: bool = True) -> Path:
    """AGX Thor, JetPack 7; `carrier`: with the INA238 of the developer kit's carrier board."""
    files = {
        **_ina3221(
            "sys/class/hwmon/hwmon2",
            ("VDD_GPU", 12000, 1800),
            ("VDD_CPU_SOC_MSS", 12000, 540),
            ("VIN_SYS_5V0", 4960, 1310),
        ),
        "sys/class/devfreq/gpu-gpc-0/cur_freq": 1575000000,
        "sys/class/devfreq/gpu-nvd-0/cur_freq": 1692000000,
        "sys/class/devfreq/bwmgr/cur_freq": 4266000000,
        "sys/class/thermal/thermal_zone0/type": "tj-thermal",
        "sys/class/thermal/thermal_zone0/temp": 55100,
    }
    if carrier:
        files["sys/class/hwmon/hwmon4/name"] = "ina238"
        files["sys/class/hwmon/hwmon4/in1_input"] = 19800
        files["sys/class/hwmon/hwmon4/power1_input"] = 43210000
    root = write(root, files)
    # A part that is switched off answers with an error instead of a number.
    (root / "sys/class/thermal/thermal_zone1/temp").mkdir(parents=True)
    write(root, {"sys/class/thermal/thermal_zone1/type": "gpu-thermal"})
    return root
