import pytest
from lunar_bench.footprint import measure_footprint
from lunar_runtime.errors import InputError


def test_the_footprint_of_help_is_that_of_a_process_that_ran():
    result = measure_footprint(["--help"], runs=2)
    assert (result.command, result.runs) == ("lunar-infer --help", 2)
    assert result.seconds > 0
    assert result.peak_rss_mib > 5  # a Python interpreter alone has more


def test_a_command_that_fails_is_not_measured():
    # A wrong module name, or one that parses nothing, would exit 0 here.
    with pytest.raises(InputError, match=r"failed: lunar-infer: No such option.*--nonsense"):
        measure_footprint(["--nonsense"], runs=1)


def test_folders_of_this_machine_are_not_in_the_result(tmp_path):
    assert measure_footprint(["--help", f"--rig={tmp_path}/rig.json"], 1).command.endswith(
        " --help rig.json"
    )
