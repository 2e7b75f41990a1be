from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Settings
from relay.endpoints.breaker import BreakerRules
from relay.endpoints.defaults import breaker_rules_of
from relay.endpoints.health import AFTER_OLD_ONES, BETWEEN_PROBES, SWEEP, Standings
from relay.endpoints.limits import IDLE, PATIENCE, RECENT, START
from relay.model import (
    Attempt,
    Cancelled,
    Claim,
    Dead,
    Delivered,
    Failure,
    Outcome,
    Released,
    Result,
    Retrying,
    Throttle,
)

A, B = UUID(int=1), UUID(int=2)
RULES = breaker_rules_of(Settings())
SUCCESS, FAILURE = Delivered(), Retrying(delay=5.0)
BUSY = Retrying(delay=30.0, throttle=Throttle(seconds=30.0, is_failure=False))
UNAVAILABLE = Retrying(delay=30.0, throttle=Throttle(seconds=30.0, is_failure=True))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Trial:
    """Standings with a clock that is set by hand, and what they noted as due."""

    def __init__(self, rules: BreakerRules = RULES) -> None:
        self.clock = Clock()
        self.due: list[tuple[UUID, float]] = []
        self.standings = Standings(
            rules=rules, note_due=lambda *noted: self.due.append(noted), clock=self.clock
        )

    def note(self, outcome: Outcome, count: int = 1, *, of: UUID = A, took: float = 0.01) -> None:
        self.standings.note([self.result(outcome, of, took) for _ in range(count)])

    def result(self, outcome: Outcome, endpoint_id: UUID, took: float) -> Result:
        needed_none = isinstance(outcome, Cancelled | Released)
        attempt = Attempt(
            number=1,
            started_at=self.clock.now,
            ended_at=self.clock.now + took,
            url="",
            request_headers="{}",
            answer=Failure(code="timeout", message=""),
            store_body=False,
        )
        claim = Claim(event_seq=1, endpoint_id=endpoint_id, event=None, number=1, size=1)
        return Result(
            claim=claim, outcome=outcome, attempt=None if needed_none else attempt, ended_at=self.clock.now
        )

    def sweep_for(self, seconds: float) -> None:
        """Let time pass, with a sweep whenever one is due."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now = min(self.clock.now + SWEEP, until)
            self.standings.sweep()

    def open_breaker(self) -> None:
        self.note(FAILURE, RULES.min_attempts)
        assert self.standings.of(A).breaker.state == "open"

    @property
    def allowed(self) -> int:
        return self.standings.of(A).allowed

    @property
    def is_proven(self) -> bool:
        return self.standings.of(A).is_proven


def test_a_new_endpoint_is_unproven_and_begins_with_few() -> None:
    trial = Trial()

    assert (trial.allowed, trial.is_proven) == (START, False)


def test_successes_prove_an_endpoint_and_double_what_it_may_have() -> None:
    trial = Trial()
    trial.note(SUCCESS)
    assert (trial.allowed, trial.is_proven) == (2 * START, True)

    trial.note(SUCCESS, 3)
    assert trial.allowed == 16 * START


@pytest.mark.parametrize(
    "outcome",
    [
        Released(delay=1.0),
        Cancelled(),
        Dead(reason="expired"),
        Dead(reason="not_allowed"),
        Dead(reason="gone", disables_endpoint=True),
    ],
)
def test_what_tells_nothing_of_an_endpoint_changes_nothing(outcome: Outcome) -> None:
    trial = Trial()
    trial.note(SUCCESS)
    trial.clock.now += 1000
    trial.note(outcome, 100)

    assert (trial.allowed, trial.is_proven) == (2 * START, True)
    assert trial.standings.of(A).breaker.state == "closed"


def test_the_last_attempt_of_a_delivery_counts_like_the_others() -> None:
    trial = Trial()
    trial.note(Dead(reason="exhausted", is_failure=True), RULES.min_attempts)

    assert trial.standings.of(A).breaker.state == "open"


def test_an_endpoint_whose_last_success_is_long_ago_is_in_doubt_with_its_next_failure() -> None:
    trial = Trial()
    trial.note(SUCCESS, 5)
    trial.clock.now += RECENT - 1
    trial.note(FAILURE)
    assert trial.is_proven

    trial.clock.now += 2
    trial.note(FAILURE)
    assert (trial.allowed, trial.is_proven) == (START, False)


def test_an_endpoint_that_answers_well_now_and_then_stays_proven() -> None:
    trial = Trial()
    for _ in range(20):
        trial.note(SUCCESS, 4)
        trial.note(FAILURE, 6)
        trial.clock.now += RECENT / 2

    assert trial.is_proven


def test_an_endpoint_that_falls_silent_is_in_doubt_within_seconds() -> None:
    trial = Trial()
    trial.note(SUCCESS, 5)
    trial.standings.hold(A, 100)
    trial.sweep_for(PATIENCE)
    assert trial.is_proven

    trial.sweep_for(2 * SWEEP)
    assert (trial.allowed, trial.is_proven) == (START, False)
    assert trial.standings.unproven_in_hand == 100


def test_an_endpoint_that_is_only_slow_stays_proven() -> None:
    trial = Trial()
    trial.note(SUCCESS, 5, took=10.0)
    trial.standings.hold(A, 100)
    trial.sweep_for(12.0)
    assert trial.is_proven

    trial.note(SUCCESS, 50, took=11.0)
    trial.sweep_for(12.0)
    assert trial.is_proven


def test_an_endpoint_that_has_nothing_to_do_keeps_its_standing_but_begins_small_again() -> None:
    trial = Trial()
    trial.note(SUCCESS, 5)
    trial.sweep_for(IDLE + 1)

    assert (trial.allowed, trial.is_proven) == (START, True)
    trial.standings.hold(A, 1)
    trial.sweep_for(1)
    assert trial.is_proven


def test_nobody_is_called_silent_while_the_process_itself_stood_still() -> None:
    trial = Trial()
    trial.note(SUCCESS, 5)
    trial.standings.hold(A, 100)
    trial.sweep_for(SWEEP)
    trial.clock.now += 60
    trial.standings.sweep()

    assert trial.is_proven


def test_a_breaker_that_opens_leaves_nothing_to_its_endpoint_until_it_is_noted_as_due() -> None:
    trial = Trial()
    trial.open_breaker()

    assert trial.allowed == 0
    assert trial.due == [(A, RULES.open_for)]
    assert trial.standings.blocked_for(A) == RULES.open_for
    assert trial.standings.changed.take() == [A]


def test_when_its_time_is_over_one_probe_is_let_through() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.clock.now += RULES.open_for

    assert trial.standings.blocked_for(A) == 0.0
    assert (trial.standings.of(A).breaker.state, trial.allowed) == ("half_open", 1)


def test_no_probe_goes_out_while_older_requests_are_open_which_would_pass_for_it() -> None:
    trial = Trial()
    trial.standings.hold(A, 3)
    trial.open_breaker()
    trial.clock.now += RULES.open_for

    assert trial.standings.blocked_for(A) == AFTER_OLD_ONES
    trial.note(SUCCESS)
    assert trial.standings.of(A).breaker.state == "open"
    trial.standings.let_go(A, 3)
    assert trial.standings.blocked_for(A) == 0.0
    assert trial.standings.of(A).breaker.state == "half_open"


def test_an_endpoint_that_asks_for_no_more_is_to_be_disabled_also_if_the_outcome_was_recorded_before() -> (
    None
):
    trial = Trial()
    trial.note(Dead(reason="gone", disables_endpoint=True))
    trial.note(Dead(reason="gone", disables_endpoint=True))

    assert trial.standings.unwanted == {A: "gone"}
    assert trial.standings.changed.take() == [A]


def test_probes_of_all_endpoints_together_keep_their_distance() -> None:
    trial = Trial()
    endpoints = [uuid4() for _ in range(20)]
    for each in endpoints:
        trial.note(FAILURE, RULES.min_attempts, of=each)
    trial.clock.now += RULES.open_for
    began = trial.clock.now
    waiting = {each: trial.standings.blocked_for(each) for each in endpoints}

    assert sorted(waiting.values()) == pytest.approx([number * BETWEEN_PROBES for number in range(20)])
    last = max(endpoints, key=lambda each: waiting[each])
    trial.clock.now = began + waiting[last] - 0.01
    assert trial.standings.blocked_for(last) == pytest.approx(0.01)
    trial.clock.now = began + waiting[last]
    assert trial.standings.blocked_for(last) == 0.0


def test_after_a_good_probe_an_endpoint_begins_small_and_may_grow_again() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.clock.now += RULES.open_for
    trial.standings.blocked_for(A)
    trial.standings.changed.take()

    trial.note(SUCCESS)
    assert (trial.allowed, trial.is_proven) == (START, True)
    assert trial.due[-1] == (A, 0.0)
    assert trial.standings.changed.take() == [A]
    trial.note(SUCCESS, 2)
    assert trial.allowed == 4 * START


def test_after_a_bad_probe_it_is_left_alone_for_twice_as_long() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.clock.now += RULES.open_for
    trial.standings.blocked_for(A)

    trial.note(FAILURE)

    assert trial.allowed == 0
    assert trial.standings.blocked_for(A) == 2 * RULES.open_for


def test_late_answers_to_what_was_sent_before_it_opened_change_nothing() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.note(SUCCESS, 3)

    assert (trial.allowed, trial.is_proven) == (0, False)


def test_a_change_of_an_endpoint_closes_its_breaker() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.standings.changed.take()

    trial.standings.reset([A, B])

    assert trial.standings.blocked_for(A) == 0.0
    assert trial.allowed == START
    assert trial.standings.changed.take() == [A]


def test_an_endpoint_that_moved_has_to_prove_itself_anew() -> None:
    trial = Trial()
    trial.note(SUCCESS, 5)
    trial.standings.hold(A, 7)
    trial.standings.forget([A, B])

    assert (trial.allowed, trial.is_proven, trial.standings.of(A).in_hand) == (START, False, 7)
    assert trial.standings.unproven_in_hand == 7


def test_what_is_written_down_is_taken_over_at_a_start() -> None:
    trial = Trial()
    trial.standings.restore({A: 100.0}, {}, {})

    assert trial.allowed == 0
    assert trial.standings.blocked_for(A) == 100.0


def test_what_is_written_down_counts_only_after_another_relay_may_have_been_at_work() -> None:
    trial = Trial()
    trial.standings.restore({}, {}, {})
    trial.open_breaker()
    trial.standings.restore({}, {}, {})
    assert trial.standings.blocked_for(A) == RULES.open_for

    trial.standings.distrust()
    trial.standings.restore({B: 0.0}, {}, {})
    assert trial.standings.blocked_for(A) == 0.0
    assert trial.standings.blocked_for(B) == 0.0
    assert trial.standings.of(B).breaker.state == "half_open"


def test_breakers_that_are_switched_off_close() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.standings.change(breaker_rules_of(Settings.model_validate({"breaker": {"enabled": False}})))

    assert trial.standings.blocked_for(A) == 0.0
    trial.note(FAILURE, 1000)
    assert trial.standings.blocked_for(A) == 0.0


@pytest.mark.parametrize(
    "outcome", [BUSY, UNAVAILABLE, Dead(reason="exhausted", is_failure=True, throttle=BUSY.throttle)]
)
def test_an_endpoint_that_asks_for_it_is_left_alone_for_so_long_and_then_begins_small(
    outcome: Outcome,
) -> None:
    trial = Trial()
    trial.note(SUCCESS, 10)
    trial.note(outcome)

    assert trial.standings.of(A).is_throttled
    assert trial.standings.blocked_for(A) == pytest.approx(30.0)
    assert trial.due == [(A, 30.0)]
    trial.clock.now += 29.0
    assert trial.standings.blocked_for(A) == pytest.approx(1.0)
    trial.clock.now += 1.0
    assert trial.standings.blocked_for(A) == 0.0
    assert not trial.standings.of(A).is_throttled
    assert trial.allowed == START


def test_that_it_is_busy_is_no_failure_of_an_endpoint() -> None:
    trial = Trial()
    trial.note(BUSY, RULES.min_attempts * 3)
    assert trial.standings.of(A).breaker.state == "closed"

    trial.note(UNAVAILABLE, RULES.min_attempts)
    assert trial.standings.of(A).breaker.state == "open"


def test_many_in_flight_that_bring_the_same_wish_are_one_wish() -> None:
    trial = Trial()
    trial.note(BUSY)
    trial.standings.changed.take()
    trial.clock.now += 0.5
    trial.note(BUSY)

    assert trial.standings.changed.take() == []
    trial.clock.now += 10.0
    trial.note(BUSY)
    assert trial.standings.blocked_for(A) == pytest.approx(30.0)
    assert trial.standings.changed.take() == [A]


def test_a_shorter_wish_does_not_end_a_longer_one() -> None:
    trial = Trial()
    trial.note(BUSY)
    trial.note(Retrying(delay=5.0, throttle=Throttle(seconds=2.0, is_failure=False)))

    assert trial.standings.blocked_for(A) == pytest.approx(30.0)


def test_a_probe_that_finds_an_endpoint_busy_leaves_it_alone_again() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.clock.now += RULES.open_for
    assert trial.standings.blocked_for(A) == 0.0

    trial.note(BUSY)

    assert trial.standings.of(A).breaker.state == "open"
    assert trial.standings.blocked_for(A) == pytest.approx(max(30.0, RULES.open_for * 2))


def test_successes_that_were_under_way_do_not_end_a_wish() -> None:
    trial = Trial()
    trial.note(BUSY)
    trial.note(SUCCESS, 5)

    assert trial.standings.blocked_for(A) == pytest.approx(30.0)


def test_a_change_of_an_endpoint_ends_its_wish() -> None:
    trial = Trial()
    trial.note(BUSY)
    trial.standings.changed.take()
    trial.standings.reset([A])

    assert trial.standings.blocked_for(A) == 0.0
    assert trial.standings.changed.take() == [A]
    assert trial.standings.of(A).left_alone_for(trial.clock.now) == 0.0


def test_a_wish_that_is_written_down_is_kept_at_a_start() -> None:
    trial = Trial()
    trial.standings.restore({}, {A: 20.0}, {})

    assert trial.standings.blocked_for(A) == pytest.approx(20.0)
    assert trial.standings.of(A).breaker.state == "closed"


def test_what_could_not_be_written_is_kept_for_the_next_time() -> None:
    trial = Trial()
    trial.open_breaker()
    trial.standings.changed.put_back(trial.standings.changed.take())

    assert trial.standings.changed.take() == [A]


STEPS = st.sampled_from(["hold", "let_go", "success", "failure", "wait", "forget", "reset"])


@given(st.lists(st.tuples(STEPS, st.sampled_from([A, B]), st.integers(1, 12)), max_size=80))
def test_the_slots_of_unproven_endpoints_are_always_counted_right(
    script: list[tuple[str, UUID, int]],
) -> None:
    trial = Trial()
    standings = trial.standings
    for step, endpoint_id, count in script:
        held = standings.of(endpoint_id).in_hand
        match step:
            case "hold":
                standings.hold(endpoint_id, count)
            case "let_go":
                standings.let_go(endpoint_id, min(count, held))
            case "success":
                trial.note(SUCCESS, count, of=endpoint_id)
            case "failure":
                trial.note(FAILURE, count, of=endpoint_id)
            case "wait":
                trial.sweep_for(float(count))
                standings.blocked_for(endpoint_id)
            case "forget":
                standings.forget([endpoint_id])
            case _:
                standings.reset([endpoint_id])
        both = [standings.of(each) for each in (A, B)]
        assert standings.unproven_in_hand == sum(each.in_hand for each in both if not each.is_proven)
        assert all(each.breaker.state == "closed" or each.allowed <= 1 for each in both)
        assert all(each.breaker.state != "closed" or each.allowed >= START for each in both)
