"""The campaign as a whole: stopped and resumed, run small, asked wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_bench.honesty.measure import CampaignOptions, measure_honesty
from lunar_bench.honesty.record import JournalHead, SituationRecord
from lunar_bench.record.journal import Journal
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import stereolunar_pairs
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import fit_plane

from .command_line import run
from .honesty_records import record


def test_a_stopped_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, head = tmp_path / "journal", JournalHead("some", 1, "0", "abc")
    journal = Journal(file, head, SituationRecord)
    journal.add(record("0", "guessed"))
    journal.add(record("1", "refused"))
    with file.open("ab") as stream:  # stopped while writing
        stream.write(b'{"id": "2", "ki')
    again = Journal(file, head, SituationRecord)
    assert list(again.done) == ["0", "1"]
    again.add(record("2", "guessed"))
    assert list(Journal(file, head, SituationRecord).done) == ["0", "1", "2"]
    with pytest.raises(InputError, match=r"of another campaign \(seed 1, not 2\)"):
        Journal(file, JournalHead("some", 2, "0", "abc"), SituationRecord)
    file.write_text("nonsense")
    with pytest.raises(InputError, match="not a journal"):
        Journal(file, head, SituationRecord)


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
