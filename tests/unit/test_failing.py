"""An endpoint that only fails is told of, then warned of, then disabled; one success ends all that."""

from uuid import UUID

import pytest

from relay.endpoints.failing import NOTED_AFTER, FailingEndpoints, WrittenStreak
from relay.endpoints.streak import Step, StreakRules
from relay.model import Claim, Dead, Delivered, Outcome, Released, Result, Retrying, Throttle

A, B = UUID(int=1), UUID(int=2)
HOUR = 3600.0
RULES = StreakRules()
SUCCESS, FAILURE = Delivered(), Retrying(delay=5.0)


class Trial:
    """Failing endpoints with a clock that is set by hand."""

    def __init__(self, rules: StreakRules = RULES) -> None:
        self.now = 1e6
        self.failing = FailingEndpoints(rules, clock=lambda: self.now)

    def note(self, outcome: Outcome, count: int = 1, *, attempts: int = 0, of: UUID = A) -> list[str]:
        """Note outcomes of deliveries that had so many attempts before, and return what is to be told then."""
        claim = Claim(event_seq=1, endpoint_id=of, event=None, number=1, size=1, attempts=attempts)
        self.failing.note([Result(claim, outcome, None, self.now)] * count)
        return self.told()

    def told(self) -> list[str]:
        news = [str(each.what) for each in self.failing.news]
        self.failing.news.clear()
        return news

    def fail_for(self, seconds: float, *, every: float = HOUR) -> list[tuple[float, str]]:
        """Fail again and again, not for the first time; returns what was told, and after how many seconds."""
        began, found = self.now, []
        while self.now < began + seconds:
            found += [(self.now - began, each) for each in self.note(FAILURE, attempts=1)]
            self.now += every
        return found


def test_it_is_told_once_when_five_first_attempts_failed_in_a_row() -> None:
    trial = Trial()

    assert trial.note(FAILURE, 4) == []
    assert trial.note(FAILURE, 9, attempts=1) == [], "retries say little: they are of the same few deliveries"
    assert trial.note(FAILURE) == [Step.UNHEALTHY]
    assert trial.note(FAILURE, 50) == []


def test_a_success_begins_the_count_anew_and_is_told_if_the_failing_was() -> None:
    trial = Trial()
    trial.note(FAILURE, 4)
    assert trial.note(SUCCESS) == []
    assert trial.note(FAILURE, 4) == []
    assert trial.note(FAILURE) == [Step.UNHEALTHY]

    assert trial.note(SUCCESS) == ["recovered"]
    assert trial.note(SUCCESS) == []


def test_three_days_of_failures_disable_it_and_a_day_before_that_is_told() -> None:
    told = Trial().fail_for(80 * HOUR)

    assert [what for _, what in told[:2]] == [Step.WARNED, Step.DISABLED]
    assert [moment for moment, _ in told[:2]] == [48 * HOUR, 72 * HOUR]


def test_few_attempts_disable_nothing_however_long_it_lasts() -> None:
    assert Trial().fail_for(400 * HOUR, every=30 * HOUR) == []


def test_whoever_had_no_warning_yet_gets_the_day() -> None:
    trial = Trial()
    trial.note(FAILURE, attempts=1)
    trial.now += 200 * HOUR

    assert trial.note(FAILURE, 19, attempts=1) == [Step.WARNED]
    trial.now += 23 * HOUR
    assert trial.note(FAILURE, attempts=1) == []
    trial.now += HOUR
    assert trial.note(FAILURE, attempts=1) == [Step.DISABLED]


def test_none_is_disabled_where_that_is_switched_off() -> None:
    assert Trial(StreakRules(disable_after=0.0)).fail_for(400 * HOUR) == []


@pytest.mark.parametrize(
    "outcome",
    [
        Released(delay=1.0),
        Dead(reason="expired"),
        Dead(reason="not_allowed"),
        Retrying(delay=60.0, throttle=Throttle(seconds=60.0, is_failure=False)),
    ],
)
def test_what_is_not_its_fault_does_not_count(outcome: Outcome) -> None:
    assert Trial().note(outcome, 100) == []


@pytest.mark.parametrize(
    "outcome",
    [
        Dead(reason="exhausted", is_failure=True),
        Retrying(delay=60.0, throttle=Throttle(seconds=60.0, is_failure=True)),
    ],
)
def test_what_is_its_fault_counts(outcome: Outcome) -> None:
    assert Trial().note(outcome, 5) == [Step.UNHEALTHY]


def test_endpoints_are_told_apart() -> None:
    trial = Trial()
    trial.note(FAILURE, 4)

    assert trial.note(FAILURE, 4, of=B) == []
    assert trial.note(SUCCESS, of=B) == []
    assert trial.note(FAILURE) == [Step.UNHEALTHY]


def test_short_trouble_is_not_written_down_and_long_trouble_is() -> None:
    trial = Trial()
    trial.note(FAILURE)
    trial.note(SUCCESS)
    assert trial.failing.changed.take() == []

    trial.note(FAILURE)
    trial.now += NOTED_AFTER
    trial.note(FAILURE)
    assert trial.failing.changed.take() == [A]
    trial.note(SUCCESS)
    assert trial.failing.changed.take() == [A]
    assert trial.failing.written(A) is None


def test_a_restart_goes_on_where_the_last_relay_was() -> None:
    first = Trial()
    first.fail_for(50 * HOUR)
    written = first.failing.written(A)
    assert written is not None

    second = Trial()
    second.now = 5.0
    second.failing.restore({A: written})

    assert second.fail_for(30 * HOUR)[0] == (22 * HOUR, Step.DISABLED)


def test_what_somebody_changed_begins_anew() -> None:
    trial = Trial()
    trial.fail_for(71 * HOUR)

    trial.failing.forget([A, B])

    assert trial.fail_for(47 * HOUR) == []


def test_a_warning_says_when_it_will_be_disabled() -> None:
    trial = Trial()
    trial.failing.restore(
        {
            A: WrittenStreak(
                failing_for=60 * HOUR, failures=30, first_failures=0, unhealthy_for=None, warned_for=None
            )
        }
    )
    claim = Claim(event_seq=1, endpoint_id=A, event=None, number=1, size=1, attempts=1)
    trial.failing.note([Result(claim, FAILURE, None, trial.now)])

    (news,) = trial.failing.news
    assert (news.failing_for, news.failures, news.disabled_in) == (60 * HOUR, 31, 24 * HOUR)
