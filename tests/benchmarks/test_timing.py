from __future__ import annotations

from lunar_bench.timing.rounds import in_turn, interleave, is_warm, rounds_until


def test_the_order_turns_around_each_round_and_warm_up_does_not_count() -> None:
    order: list[str] = []
    candidates = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    times = interleave(candidates, rounds=3, warmup=1)
    assert "".join(order) == "ba" + "ab" + "ba" + "ab"
    assert [times[name].count for name in "ab"] == [3, 3]
    assert "".join("".join(in_turn("ab", n)) for n in range(4)) == "abbaabba"


def test_a_series_is_warm_when_two_windows_of_three_agree_to_five_per_cent() -> None:
    assert not is_warm([100.0] * 5)
    assert is_warm([100.0] * 6)
    assert is_warm([900.0, 500.0, 104.0, 104.0, 104.0, 100.0, 100.0, 100.0])
    assert not is_warm([106.0, 106.0, 106.0, 100.0, 100.0, 100.0])
    # One run that was disturbed does not keep it from being warm.
    assert is_warm([100.0, 100.0, 100.0, 100.0, 900.0, 100.0])


def test_rounds_end_with_the_time_but_not_before_the_fewest() -> None:
    clock = iter([0.0, *(0.5 * n for n in range(1, 100))]).__next__
    assert list(rounds_until(2.0, 1, clock)) == [0, 1, 2, 3]  # at 0, 0.5, 1 and 1.5 s
    assert list(rounds_until(0.0, 3, iter(range(100)).__next__)) == [0, 1, 2]
