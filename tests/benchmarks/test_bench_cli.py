import json

import pytest
from lunar_bench.cli import main


def run(capfd, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capfd.readouterr()
    return stop.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        (["compare", "nothing-here"], 3, "nothing-here: no such bundle; create one with"),
        (["compare"], 2, "Missing argument 'BUNDLES...'"),
        (["footprint", "--runs", "0", "--", "--help"], 2, "'--runs': 0 is not in the range x>=1"),
        (["footprint", "--runs", "1", "--", "--nonsense"], 3, "the command to measure failed"),
        (["measure"], 2, "No such command 'measure'"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(capfd, arguments, code, text):
    found, out, err = run(capfd, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("lunar-bench: ")
    assert text in err
    assert err.count("\n") == 1


def test_help_of_the_command_is_its_own(capfd):
    code, out, _ = run(capfd, "footprint", "--help")
    assert code == 0
    assert "--runs" in out


def test_a_saved_result_carries_its_machine(capfd, tmp_path):
    file = tmp_path / "help.json"
    code, out, err = run(capfd, "footprint", "--runs", 1, "--save", file, "--", "--help")
    assert (code, err) == (0, "")
    assert out.startswith("lunar-infer --help: ")
    saved = json.loads(file.read_text())
    assert saved["runs"] == 1
    assert {"processor", "cores", "commit", "load_1min"} <= set(saved["machine"])
