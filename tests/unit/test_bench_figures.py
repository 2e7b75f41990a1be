"""When a figure's promise holds."""

from tests.bench.figures import latency, neighbours


def run(p99: float, *, p50: float = 1.0, wanted: float = 0.0, reached: float = 0.0) -> latency.Found:
    return latency.Found(
        p50=p50,
        p99=p99,
        most=p99,
        commit_p50=0.5,
        commit_p99=2.0,
        sampler=0.1,
        wanted=wanted,
        reached=reached,
    )


def beside(p99: float) -> neighbours.Found:
    return neighbours.Found(p50=1.0, p99=p99, most=p99, samples=100, missing=0, dead=0.0)


def test_a_latency_is_the_median_of_the_rounds() -> None:
    p50, p99 = latency._checks(latency.IDLE, (run(11.0), run(400.0), run(9.0)))

    assert (p50.holds, p50.found) == (True, "1.00 ms")
    assert (p99.holds, p99.found) == (True, "11.00 ms")


def test_a_latency_beside_a_load_that_fell_behind_is_worth_nothing() -> None:
    (check,) = latency._checks(latency.HALF, (run(5.0, wanted=1000, reached=900),))

    assert not check.holds
    assert "fell behind" in check.found


def test_neighbours_may_take_twice_as_long_or_five_milliseconds_longer() -> None:
    assert neighbours._check(1, [(beside(2.0), beside(6.9), beside(0.0))]).holds
    assert not neighbours._check(1, [(beside(2.0), beside(7.1), beside(0.0))]).holds
    assert neighbours._check(1, [(beside(10.0), beside(19.0), beside(0.0))]).holds
    assert not neighbours._check(1, [(beside(10.0), beside(21.0), beside(0.0))]).holds


def test_a_neighbour_is_compared_with_its_own_round() -> None:
    rounds = [(beside(each), beside(each * 1.9), beside(0.0)) for each in (10.0, 100.0, 20.0)]

    assert neighbours._check(1, rounds).holds
