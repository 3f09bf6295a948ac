"""lunar-infer as a process of its own: what it loads, logs and leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .apart import APART, run_apart
from .outcomes import LEFT_FILES, names


def test_verbose_logs_stages_to_stderr(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "-v"]
    done = run_apart("main()", *pair, *options)
    assert done.returncode == 0
    assert "lunar_runtime.inference.clock: network: " in done.stderr


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


#: Prints which modules are there when the first image is read, and when all is done.
WHEN_READ = """
import atexit, sys
from lunar_runtime.inference.work import PairWork
read = PairWork.read
def loaded():
    return sorted({those} & set(sys.modules))
def reading(*arguments):
    print("reading with:", loaded())
    return read(*arguments)
PairWork.read = reading
atexit.register(lambda: print("ends with:", loaded()))
main()
"""


def test_the_first_pair_is_read_before_what_answers_it_is_imported(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    later = {
        "lunar_runtime.inference.answers",
        "lunar_runtime.refinement.refine",
        "lunar_runtime.report.outputs",
    }
    call = WHEN_READ.format(those=later | {"importlib.metadata"})
    done = run_apart(call, *pair, "--bundle", bundles["left"], "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "reading with: []"
    assert lines[-1] == f"ends with: {sorted(later)}"


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


def test_c28_a_reader_that_leaves_early_is_no_error(
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
    assert names(tmp_path / "o") >= LEFT_FILES


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_c27_a_signal_to_end_is_one_line_and_leaves_nothing(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path, name: str, code: int
) -> None:
    call = WHEN_OPENED.format(
        suffix=".ply", happens=f"signal.raise_signal(signal.{name}); signal.raise_signal(15)"
    )
    options = ["--bundle", bundles["left"], "--out", tmp_path / "deep" / "o", "--refine", "off"]
    done = run_apart(call, *pair, *options)
    assert (done.returncode, done.stderr) == (code, f"lunar-infer: ended by {name}\n")
    assert names(tmp_path) == {"left.png", "right.png"}


SWALLOWED = """
class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)  # here nothing can be raised
dying = Dying()
def die():
    global dying
    dying = None
"""


TURNED = """
def turned():
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException as error:  # as compiled code does between two of its calls
        raise RuntimeError("a call failed") from error
"""


@pytest.mark.parametrize(
    ("before", "happens"),
    [(SWALLOWED, "die()"), (TURNED, "turned()")],
    ids=["nothing can be raised", "another error is made of it"],
)
def test_c27_a_signal_that_something_catches_ends_it_all_the_same(
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    before: str,
    happens: str,
) -> None:
    call = before + WHEN_OPENED.format(suffix="left.png", happens=happens)
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--refine", "off"]
    done = run_apart(call, *pair, *options)
    assert (done.returncode, done.stderr) == (143, "lunar-infer: ended by SIGTERM\n")
    assert names(tmp_path) == {"left.png", "right.png"}


def test_c27_nothing_stops_a_process_on_its_way_out(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = "import atexit; atexit.register(lambda: signal.raise_signal(signal.SIGHUP))"
    call += WHEN_OPENED.format(suffix=".ply", happens="signal.raise_signal(signal.SIGTERM)")
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--refine", "off"]
    done = run_apart(call, *pair, *options)
    assert (done.returncode, done.stderr) == (143, "lunar-infer: ended by SIGTERM\n")
    assert names(tmp_path) == {"left.png", "right.png"}


def test_c27_what_a_killed_run_leaves_the_next_one_removes(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = WHEN_OPENED.format(suffix=".ply", happens="signal.raise_signal(signal.SIGKILL)")
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--refine", "off"]
    assert run_apart(call, *pair, *options).returncode == -9
    assert len(names(tmp_path)) == 3  # a hidden folder beside the images
    assert run_apart("main()", *pair, *options).returncode == 0
    assert names(tmp_path) == {"left.png", "right.png", "o"}


def test_nohup_is_respected(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + WHEN_OPENED.format(
        suffix=".ply", happens="signal.raise_signal(signal.SIGHUP)"
    )
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--refine", "off"]
    assert run_apart(call, *pair, *options).returncode == 0


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_c28_without_stdout_the_results_are_written_and_whole(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path, closed: tuple[int, ...]
) -> None:
    command = [
        sys.executable, "-c", "from lunar_runtime.commands.infer import main; main()",
        *map(str, pair), "--bundle", str(bundles["left"]), "--out", str(tmp_path / "o"),
        "--refine", "off",
    ]  # fmt: skip
    shell = "exec " + " ".join(f"{number}>&-" for number in closed) + ' "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *command], stderr=subprocess.PIPE, env=APART, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert names(tmp_path / "o") >= LEFT_FILES
    assert (tmp_path / "o" / "depth.tif").read_bytes()[:4] == b"II*\0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [["--help"], []])
def test_c28_a_full_stdout_is_one_line(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path, arguments: list[str]
) -> None:
    call = [sys.executable, "-c", "from lunar_runtime.commands.infer import main; main()"]
    whole = [*pair, "--bundle", bundles["left"], "--out", tmp_path / "o"]
    call += arguments or list(map(str, whole))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, env=APART, check=False)
    assert done.returncode == 3
    assert done.stderr == b"lunar-infer: cannot write to stdout (no space left on device)\n"


def test_warnings_of_libraries_are_logged_and_not_printed(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = WHEN_OPENED.format(
        suffix=".ply", happens="__import__('numpy').float32(3e38) * __import__('numpy').float32(9)"
    )
    options = ["--bundle", bundles["left"], "--refine", "off"]
    done = run_apart(call, *pair, *options, "--out", tmp_path / "quiet")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_apart(call, *pair, *options, "--out", tmp_path / "verbose", "-v")
    assert "RuntimeWarning: overflow encountered" in done.stderr


def test_c28_more_threads_than_cores_can_take_are_refused_at_once(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--threads", "5000"]
    for more in ([], ["--geometry-only", "--intrinsics", "80,80,32,32"]):
        arguments = options[2:] if more else options
        done = run_apart("main()", *pair, *arguments, *more)
        assert done.returncode == 2
        assert done.stderr.startswith("lunar-infer: --threads 5000: this process may use ")
        assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_threads_are_counted_by_the_cores_that_the_process_may_use(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); main()"
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o"]
    done = run_apart(call, *pair, *options, "--threads", "2")
    assert "may use 1 of the machine's cores; give 1 or fewer" in done.stderr
    assert run_apart(call, *pair, *options, "--threads", "1", "--refine", "off").returncode == 0
