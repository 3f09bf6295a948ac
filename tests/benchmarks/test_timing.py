from lunar_bench.timing import Timing, interleave, ratio


def test_the_order_turns_around_each_round_and_warm_up_does_not_count():
    order: list[str] = []
    candidates = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    times = interleave(candidates, rounds=3, warmup=1)
    assert "".join(order) == "ba" + "ab" + "ba" + "ab"
    assert [len(times[name].rounds_ms) for name in "ab"] == [3, 3]


def test_median_and_quartiles_are_those_of_the_rounds():
    times = interleave({"a": lambda: None}, rounds=5)["a"]
    low, high = times.quartiles_ms
    assert min(times.rounds_ms) <= low <= times.median_ms <= high <= max(times.rounds_ms)


def test_the_ratio_is_taken_round_by_round():
    # A machine that slows down twofold each round does not change what the two cost each other;
    # the ratio of the medians would be 0.5 too, but not where one round alone is disturbed.
    a = Timing(20.0, (15.0, 30.0), [10.0, 20.0, 400.0])
    b = Timing(40.0, (30.0, 60.0), [20.0, 40.0, 80.0])
    assert ratio({"a": a, "b": b}, "a", "b") == 0.5
    a = Timing(20.0, (15.0, 30.0), [20.0, 40.0, 10.0])
    b = Timing(40.0, (30.0, 60.0), [20.0, 80.0, 40.0])
    assert ratio({"a": a, "b": b}, "a", "b") == 0.5  # of 1, 0.5, 0.25
