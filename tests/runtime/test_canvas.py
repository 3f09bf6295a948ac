"""A sheet of panels: colours, bars, numbers and room for words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.report.canvas import Panel, colour_panel, draw_sheet, number_text, round_ticks
from numpy.typing import NDArray

RAMP: NDArray[np.uint8] = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
MAUVE = (190, 150, 200)


def panel(note: str = "", limits: tuple[float, float] = (0.0, 10.0)) -> Panel:
    values = np.tile(np.linspace(0, 10, 80), (60, 1))
    return colour_panel("Values", note, values, RAMP, limits, round_ticks(*limits))


def test_values_take_their_colour_between_the_limits_and_the_ends_beyond() -> None:
    values = np.array([[-5.0, 0.0, 5.0, 10.0, 99.0]])
    picture = colour_panel("", "", values, RAMP, (0.0, 10.0), ()).picture
    assert picture[0, :, 0].tolist() == [0, 0, 128, 255, 255]  # 127.5 is rounded to even


def test_what_is_not_finite_has_a_colour_of_its_own_and_is_counted() -> None:
    values = np.array([[1.0, np.nan, np.inf, -np.inf]])
    found = colour_panel("", "", values, RAMP, (0.0, 10.0), ())
    assert [tuple(pixel) for pixel in found.picture[0, 1:]] == [MAUVE] * 3
    assert found.invalid_fraction == 0.75


def test_a_sheet_has_a_column_a_panel() -> None:
    one, two = (draw_sheet([panel()] * count, []) for count in (1, 2))
    assert one.dtype == np.uint8
    assert two.shape == (one.shape[0], one.shape[1] + 424, 3)
    np.testing.assert_array_equal(two[:, : one.shape[1] - 24], one[:, :-24])


def test_pictures_are_enlarged_by_repeating_pixels() -> None:
    sheet = draw_sheet([panel()], [])
    drawn = sheet[72 : 72 + 300, 24 : 24 + 400]
    np.testing.assert_array_equal(drawn[2::5, 2::5], panel().picture)


def test_pictures_are_reduced_by_averaging() -> None:
    board = (np.indices((800, 800)).sum(axis=0) % 2 * 255).astype(np.uint8)
    sheet = draw_sheet([Panel("", "", np.repeat(board[..., None], 3, -1))], [])
    assert set(np.unique(sheet[80:400, 30:400])) <= {127, 128}


def test_a_bar_shows_every_colour_below_its_picture() -> None:
    sheet = draw_sheet([panel()], [])
    bar = sheet[72 + 300 + 12, 24 : 24 + 400]
    np.testing.assert_array_equal(bar, RAMP[np.linspace(0, 255, 400).astype(np.intp)])
    plain = Panel("Values", "", panel().picture)
    assert (draw_sheet([plain], [])[72 + 300 + 12, 24:424] == 255).all()  # paper


def test_words_below_a_picture_stand_below_it() -> None:
    plain = Panel("Values", "", panel().picture)
    told = replace(plain, foot=("300 m wide", "worst heading", "as a book"))
    rows = np.flatnonzero((draw_sheet([told], []) != draw_sheet([plain], [])).any(axis=(1, 2)))
    assert rows.min() > 72 + 300
    assert np.count_nonzero(np.diff(rows) > 3) == 2  # three lines


def test_a_tick_is_where_its_value_is() -> None:
    sheet = draw_sheet([panel()], [])
    marks = np.flatnonzero((sheet[72 + 300 + 10 + 14 + 1, 24:424] == 40).all(axis=-1))
    expected = [round(value / 10 * 399) for value in round_ticks(0.0, 10.0)]
    assert marks.tolist() == expected


def test_the_share_of_invalid_pixels_is_written_only_where_there_are_any() -> None:
    whole, holed = panel(), panel()
    picture = holed.picture.copy()
    picture[0, 0] = MAUVE
    for fraction, drawn in ((0.0, False), (1 / 4800, True)):
        sheet = draw_sheet([Panel("", "", picture, RAMP, (0, 10), (), fraction)], [])
        below = sheet[72 + 300 + 10 + 14 + 26 : 72 + 300 + 10 + 14 + 37, 24:35]
        assert (below == MAUVE).all() == drawn
    assert whole.invalid_fraction == 0


def test_lines_of_a_title_make_room_and_are_cut_where_they_are_too_long() -> None:
    plain, titled = draw_sheet([panel()], []), draw_sheet([panel()], ["word " * 200, "two"])
    added = titled.shape[0] - plain.shape[0]
    assert added == 2 * 26 + 8
    np.testing.assert_array_equal(titled[added + 24 :], plain[24:])
    assert (titled[:, -12:] == 255).all()


@pytest.mark.parametrize("shape", [(3, 500), (500, 3), (1, 1)])
def test_narrow_pictures_leave_room_for_words(shape: tuple[int, int]) -> None:
    sheet = draw_sheet([Panel("A caption", "a note", np.zeros((*shape, 3), np.uint8))], [])
    assert sheet.shape[1] >= 240 + 2 * 24


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (-5.0, 5.0, [-4, -2, 0, 2, 4]),
        (950.0, 1060.0, [950, 975, 1000, 1025, 1050]),
        (0.0012, 0.0031, [0.0015, 0.002, 0.0025, 0.003]),
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_ticks_are_round_numbers_within_the_limits(
    low: float, high: float, expected: list[float]
) -> None:
    assert round_ticks(low, high) == pytest.approx(expected)


def test_there_are_two_to_six_ticks_at_any_scale() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        low = rng.normal() * 10 ** rng.uniform(-3, 6)
        high = low + 10 ** rng.uniform(-3, 6)
        assert 2 <= len(round_ticks(low, high)) <= 6


def test_numbers_have_four_digits() -> None:
    assert [number_text(value) for value in (1234.56, 0.000123456, 7.0, math.nan)] == [
        "1235",
        "0.0001235",
        "7",
        "none",
    ]
