"""While many commit at once none of them is asked to notify; what is found tells when they have become fewer."""

from collections.abc import Iterator
from itertools import cycle, islice

import pytest

from relay.pipeline.haste import LEAST_RATE, NOTIFIED, NOTIFIED_BY_FEW, SEVERAL, WINDOW, Haste

LOOK = 0.01
"""Seconds from look to look."""


class Relay:
    """A look every 10 ms, and what was notified before each."""

    def __init__(self) -> None:
        self.now = 100.0
        self.haste = Haste(now=self.now)
        self.begun = 0

    def look(self, *, notified: int = 0, sessions: int = 1, found: int = 0, has_more: bool = False) -> bool:
        """Hear notifications, look, and say whether it is in haste then."""
        for committer in islice(cycle(range(sessions)), notified):
            self.haste.heard(committer)
        self.now += LOOK
        self.begun += self.haste.saw(found, has_more=has_more, now=self.now)
        return self.haste.is_on

    def go_on(
        self, seconds: float, *, notified: int = 0, sessions: int = 1, found: int = 0
    ) -> Iterator[bool]:
        """Look for that long, with so much before and in each look."""
        for _ in range(round(seconds / LOOK)):
            yield self.look(notified=notified, sessions=sessions, found=found)


def test_several_that_commit_at_the_same_time_bring_haste_at_once() -> None:
    relay = Relay()

    assert relay.look(notified=NOTIFIED, sessions=SEVERAL, found=NOTIFIED)
    assert relay.begun == 1


def test_fewer_than_several_have_to_commit_more_for_that() -> None:
    relay = Relay()

    assert not any(relay.go_on(1.0, notified=15, sessions=SEVERAL - 1, found=15))
    assert any(relay.go_on(WINDOW, notified=30, sessions=1, found=30))


@pytest.mark.parametrize("a_look", [0, 1])
def test_commits_now_and_then_bring_none_however_many_sessions(a_look: int) -> None:
    assert not any(Relay().go_on(5.0, notified=a_look, sessions=50, found=a_look))


def test_one_commit_of_very_many_events_brings_none() -> None:
    relay = Relay()

    assert not relay.look(notified=1, found=250, has_more=True)
    assert not any(relay.go_on(1.0, found=250))


def test_notifications_without_events_bring_none() -> None:
    assert not any(Relay().go_on(2.0, notified=100, sessions=10))


def test_what_was_notified_in_a_long_wait_counts_by_its_length() -> None:
    relay = Relay()
    relay.now += 5.0

    assert not relay.look(notified=NOTIFIED_BY_FEW, sessions=SEVERAL, found=NOTIFIED_BY_FEW)


def test_haste_goes_on_without_notifications_while_events_come() -> None:
    relay = Relay()
    relay.look(notified=NOTIFIED, sessions=SEVERAL, found=NOTIFIED)

    assert all(relay.go_on(3.0, found=2))
    assert relay.begun == 1


def test_haste_ends_soon_after_the_events_become_few() -> None:
    relay = Relay()
    relay.look(notified=NOTIFIED, sessions=SEVERAL, found=NOTIFIED)

    states = list(relay.go_on(2 * WINDOW + LOOK))
    assert states[0]
    assert not states[-1]


def test_haste_stays_while_there_is_more_to_be_had() -> None:
    relay = Relay()
    relay.look(notified=NOTIFIED, sessions=SEVERAL, found=NOTIFIED)

    assert all(relay.look(has_more=True) for _ in range(100))


def test_a_slow_look_is_judged_by_its_length() -> None:
    relay = Relay()
    relay.look(notified=NOTIFIED, sessions=SEVERAL, found=NOTIFIED)
    relay.now += 2.0

    assert not relay.look(found=int(LEAST_RATE * 1.5))
