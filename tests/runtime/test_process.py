"""lunar-infer as a process of its own: what it loads, logs and leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .apart import APART, run_apart
from .outcomes import LEFT_FILES, names


def test_verbose_logs_stages_to_stderr(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "-v"]
    done = run_apart("main()", *pair, *options)
    assert done.returncode == 0
    assert "lunar_runtime.inference.pipeline: network: " in done.stderr


def test_help_loads_nothing_but_click() -> None:
    heavy = {"numpy", "cv2", "msgspec", "onnxruntime", "rich"}
    call = (
        "import sys, atexit; "
        f"atexit.register(lambda: print('loaded:', sorted({heavy} & set(sys.modules)))); "
        "main(['--help'])"
    )
    done = run_apart(call)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: lunar-infer [OPTIONS] LEFT [RIGHT]")
    assert done.stdout.endswith("loaded: []\n")


def test_a_whole_run_loads_neither_torch_nor_onnx(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    forbidden = {"torch", "onnx", "onnxsim", "onnxscript", "scipy", "matplotlib", "safetensors"}
    call = (
        "import sys, atexit; "
        f"atexit.register(lambda: print('loaded:', sorted({forbidden} & set(sys.modules)))); "
        "main()"
    )
    arguments = [*pair, "--bundle", bundles["both"], "--out", tmp_path / "o", "--view", "both"]
    done = run_apart(call, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("loaded: []\n")
    assert done.stderr == ""


#: Something happens when a file is opened; the rest runs as ever.
WHEN_OPENED = """
import signal, sys
def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("{suffix}"):
        {happens}
sys.addaudithook(watch)
main()
"""


def test_an_interrupt_is_one_line_and_leaves_nothing(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = WHEN_OPENED.format(  # half of the files are there
        suffix=".ply", happens="signal.raise_signal(signal.SIGINT)"
    )
    options = ["--bundle", bundles["left"], "--out", tmp_path / "deep" / "o", "--refine", "off"]
    done = run_apart(call, *pair, *options)
    assert (done.returncode, done.stderr) == (130, "lunar-infer: interrupted\n")
    assert names(tmp_path) == {"left.png", "right.png"}


def test_a_full_disk_is_one_line_and_leaves_nothing(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = WHEN_OPENED.format(
        suffix="pointmap.npz", happens='raise OSError(28, "No space left on device")'
    )
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--refine", "off"]
    done = run_apart(call, *pair, *options)
    assert done.returncode == 3
    assert done.stderr.endswith("o: cannot write (No space left on device); choose another place\n")
    assert done.stderr.count("\n") == 1
    assert names(tmp_path) == {"left.png", "right.png"}


def test_a_reader_that_leaves_early_is_no_error(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    command = [
        sys.executable, "-c", "from lunar_runtime.commands.infer import main; main()",
        *map(str, pair), "--bundle", str(bundles["left"]), "--out", str(tmp_path / "o"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=APART,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0
    assert names(tmp_path / "o") == LEFT_FILES
