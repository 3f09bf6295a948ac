"""The golden pair runs when it is due; a machine that fails it is not used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import GateError, UsageError
from lunar_runtime.inference.self_test import SelfTest, SelfTester

from .images import texture, unsaturated
from .outcomes import Outcome
from .plane_scene import PlaneScene


class Network:
    """Passes its test, or fails it, as told; loading it again repairs it if told so."""

    def __init__(self, *, sound: bool = True, repaired: bool = False) -> None:
        self.sound, self.repaired, self.runs = sound, repaired, 0

    def check(self) -> None:
        self.runs += 1
        if not self.sound:
            raise GateError("off")

    def reload(self) -> bool:
        self.sound = self.repaired
        return True


@pytest.mark.parametrize(("mode", "runs"), [("never", 0), ("load", 1), ("period", 4)])
def test_it_runs_when_it_is_due(mode: SelfTest, runs: int) -> None:
    network = Network()
    tester = SelfTester(network.check, network.reload, mode, every=3)
    for _ in range(10):  # before pairs 0, 3, 6, 9
        tester.test_if_due()
        tester.count_pair()
    assert network.runs == runs
    assert tester.record.passed == runs
    assert tester.record.pairs_since == (1 if mode == "period" else 10)


def test_a_network_that_is_sound_after_it_was_loaded_again_goes_on() -> None:
    network = Network(sound=False, repaired=True)
    tester = SelfTester(network.check, network.reload, "load")
    tester.test_if_due()
    assert (tester.record.failed, tester.record.passed) == (1, 1)


def test_a_network_that_stays_wrong_is_an_error_every_time() -> None:
    network = Network(sound=False)
    tester = SelfTester(network.check, network.reload, "load")
    for _ in range(2):
        with pytest.raises(GateError, match="off"):
            tester.test_if_due()
    assert tester.record.passed == 0


def test_wrong_usage_is_told() -> None:
    network = Network()
    with pytest.raises(UsageError, match="`self_test` often: choose one of load, period, never"):
        SelfTester(network.check, network.reload, "often")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="`self_test_every` 0: needs to be 1 or more"):
        SelfTester(network.check, network.reload, "period", 0)


@pytest.fixture(scope="module")
def wrong(
    tmp_path_factory: pytest.TempPathFactory,
    make_bundle: Callable[..., Path],
    make_outputs: Callable[..., dict[str, np.ndarray]],
    scene: PlaneScene,
) -> Path:
    """A bundle whose golden pair asks for other outputs than its network gives."""
    outputs = make_outputs(scene, "both")
    expected = {**outputs, "pointmap_left": outputs["pointmap_left"] * np.float32(1.01)}
    return make_bundle(tmp_path_factory.mktemp("wrong") / "b", "both", outputs, expected)


def test_a_machine_that_computes_something_else_does_not_load(wrong: Path) -> None:
    with pytest.raises(GateError, match=r"pointmap_left is off by 0\.0099 on average"):
        StereoRuntime.load(wrong, threads=1)
    StereoRuntime.load(wrong, threads=1, self_test="never").close()


def test_a_result_says_what_was_tested(bundles: dict[str, Path]) -> None:
    left = unsaturated(texture(0))
    images = left, np.roll(left, (2, 3), (0, 1))
    with StereoRuntime.load(
        bundles["both"], threads=1, self_test="period", self_test_every=1
    ) as runtime:
        first, second = (runtime.infer(*images, refine="off") for _ in range(2))
    assert first.model is not None
    assert second.model is not None
    assert (first.model.self_test.passed, first.model.self_test.pairs_since) == (1, 1)
    assert "self-test" not in first.timings_ms  # it ran while it was loaded
    assert second.model.self_test.passed == 2
    assert second.timings_ms["self-test"] > 0


def test_lunar_infer_exits_5_where_the_self_test_fails(
    wrong: Path, tmp_path: Path, pair: tuple[Path, Path], infer: Callable[..., Outcome]
) -> None:
    out = tmp_path / "out"
    failed = infer(*pair, "--bundle", wrong, "--out", out)
    assert failed.code == 5
    assert "pointmap_left is off by" in failed.err
    assert not out.exists()
    assert infer(*pair, "--bundle", wrong, "--out", out, "--self-test", "never").code == 0
