"""The counts of endpoints: every one has its own, some have a name, and no counter that is shown ever falls."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.observe import endpoint_counts
from relay.observe.endpoint_counts import CLASSES, REPEATED, SUCCESS, EndpointCounts, deliveries_of

IDS = [UUID(int=number) for number in range(1, 7)]


def test_deliveries_are_the_successes_that_ended_one() -> None:
    counts = EndpointCounts(most_named=1).of(IDS[0])
    counts[SUCCESS] += 5
    counts[REPEATED] += 2

    assert deliveries_of(counts) == 3


def test_endpoints_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_counts, "MOST", 2)
    counts = EndpointCounts(most_named=10)
    for endpoint_id in IDS:
        counts.of(endpoint_id)[SUCCESS] += 1

    assert len(counts.by_id) == 2
    assert counts.others()[SUCCESS] == 4


def test_what_is_repeated_is_no_class_of_its_own() -> None:
    counts = EndpointCounts(most_named=1)
    for endpoint_id in IDS[:2]:
        counts.of(endpoint_id)[REPEATED] += 1

    assert [len(each) for each in (*counts.named().values(), counts.others())] == [len(CLASSES)] * 2


@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(["count", "remove"])), max_size=60))
def test_no_count_that_is_shown_ever_falls_while_its_endpoint_is_there(steps: list[tuple[UUID, str]]) -> None:
    counts = EndpointCounts(most_named=2)
    counted = 0
    others = 0
    named: dict[UUID, int] = {}
    gone = 0
    for endpoint_id, what in steps:
        if what == "count":
            counts.of(endpoint_id)[SUCCESS] += 1
            counted += 1
        else:
            gone += counts.named().get(endpoint_id, [0] * len(CLASSES))[SUCCESS]
            named.pop(endpoint_id, None)
            counts.forget(lambda each, removed=endpoint_id: each != removed)  # type: ignore[misc]
        now = {each: values[SUCCESS] for each, values in counts.named().items()}
        assert len(now) <= 2
        assert all(now[each] >= before for each, before in named.items())
        assert counts.others()[SUCCESS] >= others
        named, others = now, counts.others()[SUCCESS]
        assert sum(named.values()) + others + gone == counted
