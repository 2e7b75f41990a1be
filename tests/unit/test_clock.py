import pytest

from relay.store.clock import DatabaseClock

AHEAD = 1_760_000_000.0
"""By so many seconds the database's clock is ahead of the monotonic one."""


class Monotonic:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def ask(
    clock: DatabaseClock, monotonic: Monotonic, *, before: float, after: float, step: float = 0.0
) -> None:
    """Hear a time that was read `before` seconds after the question and `after` seconds before the answer."""
    asked = monotonic.seconds
    monotonic.seconds += before + after
    clock.heard(AHEAD + step + asked + before, asked=asked)


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def clock(monotonic: Monotonic) -> DatabaseClock:
    return DatabaseClock(monotonic)


def test_the_first_answer_is_better_than_our_own_clock(clock: DatabaseClock, monotonic: Monotonic) -> None:
    ask(clock, monotonic, before=0.5, after=0.5)

    assert clock.now() == pytest.approx(AHEAD + monotonic.seconds)


def test_a_slow_answer_does_not_spoil_what_a_quick_one_told(
    clock: DatabaseClock, monotonic: Monotonic
) -> None:
    ask(clock, monotonic, before=0.0005, after=0.0005)
    ask(clock, monotonic, before=0.2, after=0.001)
    ask(clock, monotonic, before=0.001, after=0.2)

    assert clock.now() == pytest.approx(AHEAD + monotonic.seconds, abs=0.001)


def test_a_quicker_answer_is_believed(clock: DatabaseClock, monotonic: Monotonic) -> None:
    ask(clock, monotonic, before=0.2, after=0.001)
    ask(clock, monotonic, before=0.0005, after=0.0005)

    assert clock.now() == pytest.approx(AHEAD + monotonic.seconds, abs=0.001)


@pytest.mark.parametrize("step", [3600.0, -3600.0, 0.05])
def test_a_clock_that_was_set_is_noticed_with_the_next_answer(
    clock: DatabaseClock, monotonic: Monotonic, step: float
) -> None:
    ask(clock, monotonic, before=0.0005, after=0.0005)
    ask(clock, monotonic, before=0.001, after=0.001, step=step)

    assert clock.now() == pytest.approx(AHEAD + monotonic.seconds + step, abs=0.001)


def test_clocks_that_drift_apart_are_followed(clock: DatabaseClock, monotonic: Monotonic) -> None:
    for second in range(1, 1000):
        monotonic.seconds += 1.0
        ask(clock, monotonic, before=0.002, after=0.002, step=second * 100e-6)

    assert clock.now() == pytest.approx(AHEAD + monotonic.seconds + 0.0999, abs=0.003)
