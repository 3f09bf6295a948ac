import shutil

import msgspec
import pytest
from lunar_bench.compare import compare_with_eager, eager_student
from lunar_runtime.bundle import default_bundle_path
from lunar_runtime.errors import BundleError, UsageError
from lunar_runtime.manifest import StudentRecord
from lunar_student import FAMILY


def record(config):
    return StudentRecord(id="S0-untrained", parameters=1, checkpoint_sha256=None, config=config)


def test_a_bundle_without_a_checkpoint_has_an_eager_network_too():
    config = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(FAMILY["S0"])))
    student = eager_student(record(config))
    assert student.config == FAMILY["S0"]
    assert not student.training


def test_a_network_that_is_not_ours_is_refused():
    with pytest.raises(BundleError, match="S0-untrained cannot be built here"):
        eager_student(record({"id": "other"}))


def test_a_bundle_and_its_copy_are_one_network(tmp_path):
    original = default_bundle_path()
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    result = compare_with_eager([original, copy], rounds=1, threads=1)
    assert list(result.times) == ["eager", original.name, "copy"]
    first, other = result.bundles[original.name], result.bundles["copy"]
    assert first.over_first == 1
    assert set(other.difference.values()) == {0.0}
    assert other.model_mb == round((copy / "model.onnx").stat().st_size / 1e6, 2)


def test_two_bundles_of_one_name_cannot_be_told_apart(tmp_path):
    original = default_bundle_path()
    with pytest.raises(UsageError, match="one name"):
        compare_with_eager([original, original], rounds=1, threads=1)
