"""Dockerfile.jetson, read: there is no Docker engine here to build it with."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile.jetson"


def stages() -> dict[str, list[str]]:
    """Per stage, its instructions, each on one line; the first is FROM's image."""
    text = "\n".join(
        line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")
    )
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in filter(None, re.sub(r"\\\n\s*", " ", text).splitlines()):
        if image := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            base = re.sub(r"^\$\{(BASE_\d)\}$", lambda arg: defaults[arg[1]], image[1])
            current = found[image[2]] = [base]
        else:
            current.append(line)
    return found


@pytest.fixture(scope="module")
def final() -> list[str]:
    return stages()["runtime"]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint") or shutil.which(
        "hadolint", path=Path(sys.executable).parent
    )
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    process = subprocess.run(
        [hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (0, "")


@pytest.mark.parametrize("jetpack", ["6", "7"])
def test_each_jetpack_has_its_stages_with_fixed_tags(jetpack: str) -> None:
    for stage in (f"toolkit-{jetpack}", f"base-{jetpack}"):
        image, _, tag = stages()[stage][0].partition("@")[0].rpartition(":")
        assert image
        assert re.search(r"\d+\.\d+", tag)


@pytest.mark.parametrize("jetpack", ["6", "7"])
def test_what_compiles_is_pinned_and_what_flies_can_be(jetpack: str) -> None:
    digest = stages()[f"toolkit-{jetpack}"][0].partition("@")[2]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert f"FROM ${{BASE_{jetpack}}} AS base-{jetpack}" in DOCKERFILE.read_text()


@pytest.mark.parametrize("jetpack", ["6", "7"])
@pytest.mark.parametrize(
    ("suffix", "unpinned", "built"),
    [
        ("", "refused", False),
        ("@sha256:" + "0" * 63, "refused", False),
        ("@sha256:" + "0" * 64, "refused", True),
        ("", "allowed", True),
    ],
)
def test_a_build_on_a_tag_is_refused(jetpack: str, suffix: str, unpinned: str, built: bool) -> None:
    lines = stages()[f"base-{jetpack}"]
    assert f"ARG BASE_{jetpack}" in lines and "ARG UNPINNED" in lines
    check = next(line for line in lines if line.startswith("RUN case"))
    assert lines.index(check) < next(i for i, line in enumerate(lines) if "apt-get" in line)
    values = {f"BASE_{jetpack}": f"image:1.0{suffix}", "UNPINNED": unpinned}
    done = subprocess.run(
        ["sh", "-c", check.removeprefix("RUN ")],
        env=values,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == built, done.stderr
    if not built:
        assert "docker buildx imagetools inspect image:1.0" in done.stderr
        assert f"--build-arg BASE_{jetpack}=image:1.0" in done.stderr


def test_jetpack_7_is_the_default() -> None:
    assert "\nARG JETPACK=7\n" in DOCKERFILE.read_text()


def test_the_last_stage_flies_without_root_compiler_or_sources(final: list[str]) -> None:
    assert list(stages())[-1] == "runtime"
    users = [line for line in final if line.startswith("USER ")]
    assert users == ["USER 10001"]
    text = "\n".join(final)
    assert "apt-get" not in text
    assert not re.search(r"^(COPY|ADD)", text, re.MULTILINE)
    for stage in ("base-6", "base-7"):
        assert not re.search(r"g\+\+|-dev\b|build-essential|torch", "\n".join(stages()[stage][1:]))


def test_lunar_infer_is_the_entry_point(final: list[str]) -> None:
    (entry,) = (line for line in final if line.startswith("ENTRYPOINT "))
    assert json.loads(entry.removeprefix("ENTRYPOINT ")) == ["lunar-infer"]


def test_what_does_not_fly_is_removed_and_the_rest_stays(final: list[str]) -> None:
    """The commands and packages of pyproject are either kept on purpose or removed."""
    if tomllib is None:
        pytest.skip("tomllib needs Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = "\n".join(final)
    commands = re.search(r"rm /opt/lunar/bin/lunar-\{(.*?)\}", text)
    packages = re.search(r"site-packages/lunar_\{(.*?)\}", text)
    assert commands
    assert packages
    scripts = {name.removeprefix("lunar-") for name in project["project"]["scripts"]}
    assert scripts - set(commands[1].split(",")) == {"infer", "engine", "sign"}
    assert set(commands[1].split(",")) <= scripts
    built = {
        Path(p).name.removeprefix("lunar_")
        for p in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    }
    assert built - set(packages[1].split(",")) == {"runtime"}
    assert set(packages[1].split(",")) <= built


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    rules = [
        line[1:]
        for line in (ROOT / "Dockerfile.jetson.dockerignore").read_text().split()
        if "!" in line
    ]
    copied = []
    for line in stages()["wheels"]:
        if line.startswith("COPY "):
            copied += line.split()[1:-1]
    assert {"pyproject.toml", "runtime"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert any(fnmatch(name, rule) for rule in rules), name


@pytest.mark.slow
@pytest.mark.parametrize(("python", "glibc"), [("3.10", 35), ("3.12", 39)])
def test_the_runtimes_needs_resolve_to_wheels_for_the_jetson(
    tmp_path: Path, python: str, glibc: int
) -> None:
    """Ubuntu 22.04 (JetPack 6) and 24.04 (JetPack 7) on ARM64; pycuda alone is compiled."""
    if tomllib is None:
        pytest.skip("tomllib needs Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pycuda_needs = ["pytools", "platformdirs", "mako"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-"]
    command += ["--ignore-installed", "--target", str(tmp_path), "--only-binary=:all:"]
    command += ["--python-version", python, "--implementation", "cp"]
    for number in range(17, glibc + 1):
        command += ["--platform", f"manylinux_2_{number}_aarch64"]
    command += ["--platform", "manylinux2014_aarch64"]
    process = subprocess.run(
        [*command, *project["dependencies"], *pycuda_needs],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No matching distribution" not in process.stderr and process.returncode:
        pytest.skip(f"pip cannot reach an index: {process.stderr.splitlines()[-1]}")
    assert process.returncode == 0, process.stderr
    names = {item["metadata"]["name"].lower() for item in json.loads(process.stdout)["install"]}
    assert {"numpy", "onnxruntime", "opencv-python-headless", "msgspec", "click"} <= names
    assert not names & {"torch", "onnx", "scipy", "matplotlib"}


@pytest.mark.parametrize("python", ["3.10", "3.12"])
def test_every_locked_library_has_its_hash_and_none_comes_from_a_named_host(python: str) -> None:
    text = (ROOT / f"requirements/flight-python{python}.txt").read_text()
    locked = re.findall(
        r"^([\w.-]+)==(\S+) \\((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)", text, re.M
    )
    pins = re.findall(r"^[\w.-]+==", text, re.M)
    assert len(locked) == len(pins) > 15
    assert "://" not in text and "index" not in text
    names = {name for name, *_ in locked}
    assert {"numpy", "onnxruntime", "opencv-python-headless", "cryptography", "pycuda"} <= names
    assert not names & {"torch", "onnx", "tensorrt"}


def test_the_image_takes_locked_libraries_alone_and_lists_them(final: list[str]) -> None:
    built = "\n".join(stages()["wheels"])
    assert "--require-hashes --wheel-dir /wheels" in re.sub(r"\s+", " ", built)
    assert "--no-deps --wheel-dir /wheels ." in built
    text = "\n".join(final)
    assert "/requirements/sbom.py > /opt/lunar/sbom.json" in text
    (health,) = (line for line in final if line.startswith("HEALTHCHECK "))
    call = json.loads(health.partition(" CMD ")[2])
    done = subprocess.run([sys.executable, *call[1:]], check=False)
    assert (call[0], done.returncode) == ("python", 0)


def test_the_compose_example_takes_every_right_away() -> None:
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((ROOT / "examples/compose.jetson.yaml").read_text())["services"]
    assert set(services) == {"infer", "engine"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["network_mode"] == "none"
        assert "privileged" not in service and not service["user"].startswith("0")
        assert service["tmpfs"] == ["/tmp"]
    assert "${LUNAR_BUNDLE:-./bundle}:/bundle:ro" in services["infer"]["volumes"]


def test_the_bill_of_materials_names_what_is_installed() -> None:
    script = ROOT / "requirements/sbom.py"
    calls = [
        subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert calls[0].stdout == calls[1].stdout
    bill = json.loads(calls[0].stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    versions = {part["name"]: part["version"] for part in bill["components"]}
    numpy = importlib.metadata.version("numpy")
    assert versions["numpy"] == numpy
    references = {part["bom-ref"] for part in bill["components"]}
    assert len(references) == len(bill["components"])
    (runtime,) = (d for d in bill["dependencies"] if "/onnxruntime@" in d["ref"])
    assert f"pkg:pypi/numpy@{numpy}" in runtime["dependsOn"]
    assert all(set(d["dependsOn"]) <= references for d in bill["dependencies"])
