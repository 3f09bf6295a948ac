import subprocess
import sys

import pytest
from lunar_calib.cli import main
from lunar_calib.stereolunar import find_scenes, read_pair


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return stopped.value.code


def test_render_writes_scenes_and_names_them(tmp_path, capsys):
    out = tmp_path / "set"
    assert run("render", "--count", 2, "--size", 64, "--seed", 3, "--out", out) == 0
    scenes = find_scenes(out)
    assert [str(s.folder) for s in scenes] == capsys.readouterr().out.split()
    assert scenes[1].numbers == (2, 3)
    assert read_pair(*scenes[1].pairs[0]).left.image.shape == (64, 64)


def test_files_do_not_depend_on_the_number_of_jobs(tmp_path):
    for jobs in (1, 2):
        arguments = ("--count", 2, "--size", 64, "--preset", "realistic", "--jobs", jobs)
        assert run("render", *arguments, "--out", tmp_path / str(jobs)) == 0
    for file in (tmp_path / "1").rglob("im_*.png"):
        other = tmp_path / "2" / file.relative_to(tmp_path / "1")
        assert file.read_bytes() == other.read_bytes()


def test_a_folder_with_files_is_not_written_into(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert run("render", "--size", 64, "--out", tmp_path) == 3
    error = capsys.readouterr().err
    assert (
        error == f"lunar-calib: {tmp_path}: not empty; add --overwrite or choose another folder\n"
    )


def test_a_size_that_makes_no_sense_is_wrong_usage(tmp_path, capsys):
    assert run("render", "--size", 5, "--out", tmp_path / "x") == 2
    assert "64<=x<=2048" in capsys.readouterr().err


def test_help_does_not_import_opencv():
    code = (
        "import sys\n"
        "from lunar_calib.cli import main\n"
        "try:\n    main(['render', '--help'])\n"
        "except SystemExit:\n    assert 'cv2' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
