"""Rotary positions: what they must do, whatever code does it."""

from __future__ import annotations

import math

import pytest
import torch
from lunar_student.config import FAMILY, AxisOrder
from lunar_student.rope import rope_tables, rotate
from torch import Tensor

ROWS, COLUMNS, DIM = 5, 7, 16
CPU = torch.device("cpu")


def tables(
    order: AxisOrder = AxisOrder.XY,
    rows: int = ROWS,
    columns: int = COLUMNS,
    grid: int | None = None,
) -> tuple[Tensor, Tensor]:
    return rope_tables(rows, columns, DIM, order, grid, CPU)


def scores(order: AxisOrder) -> Tensor:
    """(ROWS, COLUMNS, ROWS, COLUMNS) products of one query and one key put at every token."""
    generator = torch.Generator().manual_seed(3)
    q, k = torch.randn(2, 1, 1, 1, DIM, generator=generator)
    q, k = (rotate(x.expand(1, 1, ROWS * COLUMNS, DIM), tables(order)) for x in (q, k))
    return (q @ k.transpose(-1, -2)).reshape(ROWS, COLUMNS, ROWS, COLUMNS)


def test_product_depends_on_the_difference_of_positions_alone() -> None:
    s = scores(AxisOrder.XY)
    for dy, dx in ((0, 0), (1, 0), (0, 1), (2, 3), (3, -2)):
        rows = [r for r in range(ROWS) if 0 <= r + dy < ROWS]
        columns = [c for c in range(COLUMNS) if 0 <= c + dx < COLUMNS]
        same = torch.stack([s[r, c, r + dy, c + dx] for r in rows for c in columns])
        # float32 products of 16 terms of order 1
        torch.testing.assert_close(same, same[:1].expand_as(same), rtol=0, atol=1e-5)


def test_product_differs_between_different_shifts() -> None:
    s = scores(AxisOrder.XY)
    assert abs(float(s[0, 0, 0, 1] - s[0, 0, 1, 0])) > 1e-2


def test_rotation_keeps_the_length() -> None:
    x = torch.randn(1, 2, ROWS * COLUMNS, DIM)
    torch.testing.assert_close(rotate(x, tables()).norm(dim=-1), x.norm(dim=-1))


def test_first_token_is_not_turned() -> None:
    x = torch.randn(1, 1, ROWS * COLUMNS, DIM)
    torch.testing.assert_close(rotate(x, tables())[:, :, 0], x[:, :, 0])


@pytest.mark.parametrize("order", AxisOrder)
def test_convention_first_half_of_a_head_turns_with_the_first_axis(order: AxisOrder) -> None:
    cos, sin = (t.reshape(ROWS, COLUMNS, DIM) for t in tables(order))
    half = DIM // 2
    x_half = slice(0, half) if order is AxisOrder.XY else slice(half, DIM)
    y_half = slice(half, DIM) if order is AxisOrder.XY else slice(0, half)
    for table in (cos, sin):
        # The half that turns with x is the same in every row, the other in every column.
        assert (table[:, :, x_half] == table[:1, :, x_half]).all()
        assert (table[:, :, y_half] == table[:, :1, y_half]).all()
        assert (table[0, 1, x_half] != table[0, 0, x_half]).any()
        assert (table[1, 0, y_half] != table[0, 0, y_half]).any()


def test_convention_angles_fall_from_one_to_a_base_of_100() -> None:
    cos, sin = (t.reshape(ROWS, COLUMNS, DIM) for t in tables())
    quarter = DIM // 4
    angle = torch.atan2(sin, cos)[0, 1, :quarter]  # one token to the right
    want = [100.0 ** (-2 * i / (DIM // 2)) for i in range(quarter)]
    torch.testing.assert_close(angle, torch.tensor(want))


def test_convention_a_quarter_turns_against_the_next() -> None:
    x = torch.zeros(1, 1, ROWS * COLUMNS, DIM)
    x[..., 0] = 1.0
    turned = rotate(x, tables())[0, 0, 1]  # one token to the right: an angle of 1 radian
    want = torch.zeros(DIM)
    want[0], want[DIM // 4] = math.cos(1.0), math.sin(1.0)
    torch.testing.assert_close(turned, want)


def test_convention_students_count_x_first_and_the_teacher_y() -> None:
    orders = {name: config.axis_order for name, config in FAMILY.items()}
    assert orders.pop("teacher") is AxisOrder.YX
    assert set(orders.values()) == {AxisOrder.XY}


def test_stretched_positions_make_two_sizes_agree() -> None:
    small = tables(rows=4, columns=4, grid=8)[0].reshape(4, 4, DIM)
    large = tables(rows=8, columns=8, grid=8)[0].reshape(8, 8, DIM)
    torch.testing.assert_close(small, large[::2, ::2])
