from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from relay.alerts.recent import STEPS, RecentlyDelivered

HERE, THERE = UUID(int=1), UUID(int=2)


def test_what_was_delivered_in_the_window_is_the_growth_of_the_counter() -> None:
    recent = RecentlyDelivered()
    recent.look(100, [(HERE, 5)])
    recent.look(101, [(HERE, 7), (THERE, 1)])

    assert (recent.of(HERE), recent.of(THERE)) == (7, 1)


def test_what_is_older_than_the_window_does_not_count() -> None:
    recent = RecentlyDelivered()
    recent.look(100, [(HERE, 5)])
    recent.look(110, [(HERE, 6)])
    recent.look(100 + STEPS, [(HERE, 6)])
    assert recent.of(HERE) == 6

    recent.look(101 + STEPS, [(HERE, 6)])
    assert recent.of(HERE) == 1

    recent.look(1000, [(HERE, 6)])
    assert recent.of(HERE) == 0


def test_an_endpoint_that_is_gone_is_forgotten_and_begins_anew() -> None:
    recent = RecentlyDelivered()
    recent.look(1, [(HERE, 5)])
    recent.look(2, [])
    assert recent.of(HERE) == 0
    assert not recent._rings

    recent.look(3, [(HERE, 2)])
    assert recent.of(HERE) == 2


def test_a_counter_that_began_anew_is_not_negative() -> None:
    recent = RecentlyDelivered()
    recent.look(1, [(HERE, 5)])
    recent.look(2, [(HERE, 3)])

    assert recent.of(HERE) == 8


def test_forgetting_leaves_the_counter_where_it_is() -> None:
    recent = RecentlyDelivered()
    recent.look(1, [(HERE, 5)])
    recent.forget()
    recent.look(7, [(HERE, 6)])

    assert recent.of(HERE) == 1


@given(st.lists(st.tuples(st.integers(0, 2 * STEPS), st.integers(0, 9)), max_size=60))
def test_the_sum_is_that_of_the_last_steps(looks: list[tuple[int, int]]) -> None:
    recent, step, count, log = RecentlyDelivered(), 0, 0, []
    for wait, grown in looks:
        step, count = step + wait, count + grown
        log.append((step, grown))
        recent.look(step, [(HERE, count)])

    assert recent.of(HERE) == sum(grown for at, grown in log if at >= step - STEPS)
