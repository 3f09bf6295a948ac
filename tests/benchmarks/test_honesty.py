"""The campaign of damaged situations: its rules, its damages, its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from lunar_bench.honesty.campaign import Campaign
from lunar_bench.honesty.damages import cameras, covers, files, partners, rigs, views
from lunar_bench.honesty.journal import Journal, JournalHead
from lunar_bench.honesty.judge import Figures, faults, measure
from lunar_bench.honesty.kinds import KINDS
from lunar_bench.honesty.measure import CampaignOptions, measure_honesty
from lunar_bench.honesty.record import SituationRecord, summarise
from lunar_bench.honesty.run import Label, run_situation
from lunar_bench.honesty.situation import (
    GIVINGS,
    Draw,
    Ground,
    Situation,
    camera_height_m,
    clean_situation,
)
from lunar_bench.report.honesty_text import markdown, summary_lines
from lunar_bench.sensors.machine import describe_machine
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair, stereolunar_pairs
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.images import grey_from_array, read_image
from lunar_runtime.geometry.plane import fit_plane

from .command_line import run

RIGHT = Figures(
    pixels=1000,
    metres_ratio=1.001,
    depth_error=0.001,
    depth_sigmas=0.7,
    slope_error_deg=1.0,
    slope_sigmas=0.6,
    hazards=5000,
    missed=0.12,
    missed_surely=0.02,
    missed_clean=0.1,
    on_nothing=None,
)


@pytest.fixture(scope="module")
def pairs(rendered_pair: KnownPair) -> list[KnownPair]:
    """The rendered pair, as if it stood under two suns, and another scene."""
    suns = [replace(rendered_pair, name=f"ground sun {sun}") for sun in range(2)]
    other = replace(rendered_pair, name="other", right=rendered_pair.right[::-1].copy())
    return [*suns, other]


@pytest.fixture(scope="module")
def runtime() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def clean(pairs: list[KnownPair]) -> Situation:
    return clean_situation(pairs[0])


@pytest.fixture(scope="module")
def result(runtime: StereoRuntime, clean: Situation) -> StereoResult:
    _, found = run_situation(runtime, clean.telling(altitude_m=None, baseline_m=None), LABEL)
    assert found is not None
    return found


LABEL = Label("0", "clean", "ground", "rig")


def drawn(pairs: list[KnownPair], seed: int = 0) -> Draw:
    return Draw(np.random.default_rng(seed), pairs[0], pairs)


@pytest.mark.parametrize(
    "change, text",
    [
        ({}, None),
        ({"depth_sigmas": 3.1}, "depth off by 3.1 of its sigmas"),
        ({"slope_sigmas": 4.0}, "slope off by 4.0 of its sigmas"),
        ({"slope_sigmas": None}, "slope without an expected error"),
        ({"metres_ratio": 1.051}, "metres 1.05 times the true ones"),
        ({"metres_ratio": 0.949}, "metres 0.949 times the true ones"),
        ({"metres_ratio": None}, None),
        ({"missed": 0.21}, "misses 21% of the hazards, 11% more than clean"),
        ({"missed": 0.21, "missed_clean": None}, None),
    ],
)
def test_a_measured_result_is_wrong_by_the_rule(
    change: dict[str, float | None], text: str | None
) -> None:
    found = faults(msgspec.structs.replace(RIGHT, **change))
    assert found == ([] if text is None else [text])


def test_nothing_can_be_measured_where_there_is_no_ground() -> None:
    assert faults(None) == ["there is nothing to measure"]


def test_figures_are_those_of_a_made_up_result(result: StereoResult, clean: Situation) -> None:
    ground = clean.ground
    assert ground is not None
    view = result.views["left"]
    depth = np.where(np.arange(256)[:, None] < 64, np.nan, 1.2 * ground.depth)
    made = replace(
        result,
        views={
            "left": replace(
                view,
                depth=depth.astype(np.float32),
                depth_sigma=(0.1 * ground.depth).astype(np.float32),
                slope=(ground.slope + 3).astype(np.float32),
                slope_sigma=np.full_like(ground.slope, 1.5),
            )
        },
    )
    found = measure(made, ground)
    assert found.metres_ratio == pytest.approx(1.2)
    assert found.depth_error == pytest.approx(0.2, abs=1e-4)
    assert found.depth_sigmas == pytest.approx(2.0, abs=1e-3)
    assert found.slope_error_deg == pytest.approx(3)
    assert found.slope_sigmas == pytest.approx(2)
    assert found.pixels == pytest.approx(0.75 * 256**2, rel=0.01)
    # Relative lengths are right at any factor.
    relative = measure(replace(made, scale=replace(made.scale, metres_per_unit=None)), ground)
    assert relative.metres_ratio is None
    assert relative.depth_error == pytest.approx(0, abs=1e-6)


def test_hazards_are_counted_against_the_clean_pair(result: StereoResult, clean: Situation) -> None:
    ground = clean.ground
    assert ground is not None
    steep = ground.slope > 15
    flat = np.where(np.cumsum(steep).reshape(steep.shape) % 4 == 0, 10, 20).astype(np.float32)
    # 10 degrees and twice 2 are flat, twice 3 are not.
    sigma = np.where(np.arange(256) < 128, 2, 3) * np.ones_like(flat)
    view = replace(result.views["left"], slope=flat, slope_sigma=sigma)
    found = measure(
        replace(result, views={"left": view}), replace(ground, clean_slope=ground.slope)
    )
    assert found.missed == pytest.approx(0.25, abs=0.01)
    assert found.missed_clean == 0
    left_half = steep[:, :128].sum() / steep.sum()
    assert found.missed_surely == pytest.approx(0.25 * left_half, abs=0.02)
    assert "misses 25% of the hazards, 25% more than clean" in faults(found)


def test_depth_over_what_is_covered_is_counted(result: StereoResult, clean: Situation) -> None:
    assert clean.ground is not None
    area = np.zeros(clean.left.shape, np.bool_)
    area[:64] = True
    found = measure(result, clean.ground.covered(area))
    assert found.on_nothing == pytest.approx(np.isfinite(result.depth[:64]).mean())
    assert found.pixels <= 192 * 256


def test_a_clean_pair_with_the_right_rig_is_measured_and_right(
    runtime: StereoRuntime, clean: Situation
) -> None:
    told = clean.told.only("rig")
    record, _ = run_situation(runtime, replace(clean, told=told), LABEL)
    assert (record.outcome, record.unit) == ("measured & right", "m")
    assert record.figures is not None and record.figures.metres_ratio is not None
    assert abs(record.figures.metres_ratio - 1) < 0.01  # .1 % is usual


def test_what_the_runtime_refuses_is_refused_with_its_line(
    runtime: StereoRuntime, clean: Situation
) -> None:
    twice = replace(clean, right=clean.left, told=clean.told.only("rig"))
    record, found = run_situation(runtime, twice, LABEL)
    assert (record.outcome, found, record.figures) == ("refused", None, None)
    assert "the same image as" in record.reasons[0]


def test_a_bug_of_the_runtime_is_counted_and_the_campaign_goes_on(
    runtime: StereoRuntime, clean: Situation
) -> None:
    no_image: Any = b"no image"
    broken = replace(clean, left=no_image, told=clean.told.only("rig"))
    record, _ = run_situation(runtime, broken, LABEL)
    assert record.outcome == "crashed"
    assert record.reasons[0].startswith("TypeError: ")


@pytest.mark.parametrize("name", KINDS)
def test_every_damage_changes_the_images_or_what_is_told(
    name: str, clean: Situation, pairs: list[KnownPair]
) -> None:
    kind = KINDS[name]
    for seed in range(3):
        damaged = kind.damage(clean, drawn(pairs, seed))
        images = any(
            a.shape != b.shape or np.ma.getdata(a).tobytes() != np.ma.getdata(b).tobytes()
            for a, b in ((damaged.left, clean.left), (damaged.right, clean.right))
        )
        assert (
            images or damaged.files or repr(damaged.told) != repr(clean.told) or name == "other sun"
        )
        if damaged.ground is not None:
            assert damaged.ground.depth.shape == damaged.left.shape[:2]
        for image in (damaged.left, damaged.right):  # what the runtime reads as an image
            assert grey_from_array(image).pixels.shape == image.shape[:2]


@pytest.mark.parametrize("name", KINDS)
def test_a_damage_is_drawn_from_its_seed_alone(
    name: str, clean: Situation, pairs: list[KnownPair]
) -> None:
    first, again = (KINDS[name].damage(clean, drawn(pairs, 5)) for _ in range(2))
    assert first.parameters == again.parameters
    np.testing.assert_array_equal(first.left, again.left)
    np.testing.assert_array_equal(first.right, again.right)
    assert repr(first.told) == repr(again.told)


def test_every_kind_may_be_told_something_that_exists() -> None:
    for kind in KINDS.values():
        assert set(kind.givings) <= set(GIVINGS)


def test_only_what_is_given_is_told(clean: Situation) -> None:
    told = clean.telling(pose="fixed").told
    assert told.only("nothing") == type(told)()
    assert told.only("cameras, altitude").pose == "initial"
    rig = told.only("rig")
    assert (rig.altitude_m, rig.baseline_m, rig.pose) == (None, None, "fixed")


def test_a_window_keeps_rays_truth_and_altitude_together(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    whole, part = clean, views.narrow_field(clean, drawn(pairs))
    assert whole.ground is not None and part.ground is not None
    assert whole.told.left is not None and part.told.left is not None
    points = true_pointmap(part.ground.depth, part.told.left)
    assert part.told.altitude_m == pytest.approx(fit_plane(points).camera_height)
    everywhere = true_pointmap(whole.ground.depth, whole.told.left)
    middle = points[points.shape[0] // 2, points.shape[1] // 2]
    apart = np.linalg.norm(everywhere - middle, axis=-1)
    assert np.nanmin(apart) < 1e-3


def test_both_windows_show_the_same_ground(clean: Situation, pairs: list[KnownPair]) -> None:
    part = views.narrow_field(clean, drawn(pairs))
    told, ground = part.told, part.ground
    assert told.left is not None and told.right is not None and ground is not None
    assert told.right_from_left is not None
    side = part.left.shape[0]
    point = true_pointmap(ground.depth, told.left)[side // 2, side // 2]
    seen = told.right.matrix() @ (told.right_from_left @ [*point, 1])[:3]
    # The window is around the middle's median depth, and stays inside the image.
    assert np.all(seen[:2] / seen[2] > 0) and np.all(seen[:2] / seen[2] < side)


def test_a_distorted_image_shows_the_truth_that_goes_with_it(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    bent = cameras.distortion(clean, drawn(pairs, 1))
    assert bent.ground is not None and clean.ground is not None
    k1 = float(bent.parameters["k1"])
    camera = clean.told.left
    assert camera is not None
    # By hand: the pixel that shows the ground of undistorted (200, 180).
    u, v = (200.5 - camera.cx) / camera.fx, (180.5 - camera.cy) / camera.fy
    factor = 1 + k1 * (u * u + v * v)
    x, y = camera.cx + camera.fx * u * factor, camera.cy + camera.fy * v * factor
    found = bent.ground.depth[int(y), int(x)]
    assert found == pytest.approx(clean.ground.depth[180, 200], rel=2e-3)  # within a pixel


def test_an_inverse_pose_and_a_turned_one_are_no_longer_the_pairs(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    true = clean.told.right_from_left
    assert true is not None
    for damage in (rigs.turned_pose, rigs.wrong_direction):
        pose = damage(clean, drawn(pairs, 3)).told.right_from_left
        assert pose is not None
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
        assert np.linalg.norm(pose[:3, 3]) == pytest.approx(np.linalg.norm(true[:3, 3]))
        assert not np.allclose(pose, true, rtol=1e-3)


def test_sky_hides_the_ground_it_covers(clean: Situation, pairs: list[KnownPair]) -> None:
    found = covers.sky(clean, drawn(pairs))
    assert found.ground is not None and clean.ground is not None and found.told.left is not None
    share = float(found.parameters["share"])
    assert found.ground.hidden.mean() == pytest.approx(share, abs=0.06)
    assert np.isnan(found.ground.depth[found.ground.hidden]).all()
    assert found.left[found.ground.hidden].mean() < 5
    # The altitude that is told is above the ground that is left.
    altitude = camera_height_m(found.ground.depth, found.told.left)
    assert found.told.altitude_m == pytest.approx(altitude)


def test_exchanged_images_have_the_right_views_truth(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    found = partners.exchanged(clean, drawn(pairs))
    np.testing.assert_array_equal(found.left, clean.right)
    assert found.ground is not None
    np.testing.assert_array_equal(found.ground.depth, pairs[0].depth_right)


def test_a_written_file_shows_the_image(
    clean: Situation, pairs: list[KnownPair], tmp_path: Path
) -> None:
    ways = set()
    for seed in range(40):
        found = files.written(clean, drawn(pairs, seed))
        ways.add(found.parameters["way"])
        assert found.files is not None
        (tmp_path / "left").write_bytes(found.files[0])
        read = read_image(tmp_path / "left")
        exact = read.stretch is None
        # Deeper ones are stretched to their 0.1 and 99.9 percentiles, so that the order is kept.
        kept = np.corrcoef(read.pixels.ravel(), clean.left.ravel())[0, 1]
        assert kept > 0.99, found.parameters
        assert not exact or np.array_equal(read.pixels, clean.left)
    assert ways == set(files.WAYS)


def test_truth_beyond_the_image_is_none() -> None:
    depth = np.arange(16, dtype=np.float32).reshape(4, 4) + 1
    ground = Ground(depth, depth, depth, np.zeros((4, 4), np.bool_))
    found = ground.at(np.array([[0.5, 3.9], [4.1, -0.1]]), np.array([[0.5, 3.9], [1, 1]]))
    np.testing.assert_array_equal(found.depth, [[1, 16], [np.nan, np.nan]])


def test_a_situation_depends_on_its_number_and_seed_alone(
    runtime: StereoRuntime, pairs: list[KnownPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the undamaged pair's slopes are does not decide what is drawn.
    nothing = np.full(pairs[0].left.shape, np.nan, np.float32)
    monkeypatch.setattr(Campaign, "_clean_slope", lambda *_: nothing)
    campaign, again = (Campaign(runtime, pairs, 7) for _ in range(2))
    for number in ("3", "41"):
        (first, label), (second, same) = campaign.situation(number), again.situation(number)
        assert label == same
        assert first.parameters == second.parameters
        np.testing.assert_array_equal(first.left, second.left)
    labels = [campaign.situation(str(number))[1] for number in range(len(KINDS))]
    assert {label.kind for label in labels} == set(KINDS)  # each once in a round
    assert all(label.given in KINDS[label.kind].givings for label in labels)


@pytest.mark.parametrize("identity", ["x", "c9", "c-1", "1.5"])
def test_an_id_of_no_situation_is_refused(
    runtime: StereoRuntime, pairs: list[KnownPair], identity: str
) -> None:
    with pytest.raises(UsageError, match=f"`only` {identity}"):
        Campaign(runtime, pairs, 7).situation(identity)


def record(identity: str, outcome: str, kind: str = "noise") -> SituationRecord:
    found = {
        "id": identity,
        "kind": kind,
        "pair": "ground",
        "given": "rig",
        "parameters": {"noise_dn": 3.0},
        "outcome": outcome,
        "faults": ["metres 1.2 times the true ones"] if outcome.endswith("wrong") else [],
        "reasons": [],
        "warnings": [],
        "unit": "m",
        "figures": msgspec.to_builtins(RIGHT),
        "seconds": 1.0,
    }
    return msgspec.convert(found, SituationRecord)


def test_counts_shares_and_the_page_are_those_of_the_records() -> None:
    damaged = [record(str(i), "guessed") for i in range(97)]
    damaged += [record("97", "measured & wrong", "focal"), record("98", "refused", "focal")]
    clean = [record(f"c{i}", "measured & right", "clean") for i in range(50)]
    result = summarise("some", 1, "0", clean, damaged, describe_machine())
    assert result.wrong_share == pytest.approx(1 / 99)
    assert not result.holds
    fewer = [r for r in damaged if r.id != "97"]
    assert summarise("some", 1, "0", clean, fewer, describe_machine()).holds
    assert result.counts["focal"]["measured & wrong"] == result.counts["focal"]["refused"] == 1
    lost = [record("c50", "guessed", "clean"), record("c51", "refused", "clean")]
    assert not summarise("some", 1, "0", clean + lost, fewer, describe_machine()).holds
    crashed = [*fewer, record("99", "crashed")]
    assert not summarise("some", 1, "0", clean, crashed, describe_machine()).holds
    page = markdown(result)
    assert "| focal | 0 | 1 | 0 | 1 | 0 |  |" in page
    assert "- 97 focal (noise_dn 3.0), ground, told rig: measured & wrong: metres 1.2" in page
    assert "measured & wrong 1.0% of 99" in "\n".join(summary_lines(result))
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result


def test_a_stopped_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, head = tmp_path / "journal", JournalHead("some", 1, "0", "abc")
    journal = Journal(file, head)
    journal.add(record("0", "guessed"))
    journal.add(record("1", "refused"))
    with file.open("ab") as stream:  # stopped while writing
        stream.write(b'{"id": "2", "ki')
    again = Journal(file, head)
    assert list(again.done) == ["0", "1"]
    again.add(record("2", "guessed"))
    assert list(Journal(file, head).done) == ["0", "1", "2"]
    with pytest.raises(InputError, match=r"of another campaign \(seed 1, not 2\)"):
        Journal(file, JournalHead("some", 2, "0", "abc"))
    file.write_text("nonsense")
    with pytest.raises(InputError, match="not a journal"):
        Journal(file, head)


def test_a_small_campaign_runs_and_is_kept(tmp_path: Path) -> None:
    options = CampaignOptions(None, rendered=1, seed=5, threads=1, size_px=192)
    journal = tmp_path / "journal"
    first = measure_honesty(options, 2, journal=journal)
    assert [r.id for r in first.clean] == ["c0", "c1", "c2"]
    assert [r.id for r in first.damaged] == ["0", "1"]
    assert not any(r.kind == "other sun" for r in first.damaged)

    def none_left(names: object, count: int) -> list[str]:
        assert count == 0
        return []

    again = measure_honesty(options, 2, journal=journal, tell=none_left)
    assert (again.damaged, again.clean) == (first.damaged, first.clean)


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        (["--situations", "0"], 2, "--situations"),
        (["--data", "nowhere"], 3, "nowhere: no such folder"),
        (["--rendered", "0"], 3, "no pair to damage; give --data or some --rendered ones"),
        (["--only", "1", "--journal", "x"], 2, "--only shows situations"),
    ],
)
def test_wrong_use_is_one_line(
    capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    found, out, err = run(capfd, "honesty", *arguments)
    assert (found, out) == (code, "")
    assert text in err
    assert err.count("\n") == 1


def test_stereolunars_up_is_its_grounds(stereolunar: Path) -> None:
    for pair in stereolunar_pairs(stereolunar):
        assert pair.up_left is not None and pair.depth_right is not None
        plane = fit_plane(true_pointmap(pair.depth, pair.camera_left))
        # Ground is level to some degrees over a whole view.
        assert np.degrees(np.arccos(plane.normal @ pair.up_left)) < 5
        assert np.isfinite(pair.depth_right).mean() > 0.99
