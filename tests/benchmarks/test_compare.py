import msgspec
import pytest
from lunar_bench.compare import eager_student
from lunar_runtime.errors import BundleError
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
