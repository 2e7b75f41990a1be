from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.demo.proof import Finding, compare_with_log, prove
from relay.demo.records import Event, Receipt, digest_of

BOTH = frozenset({"billing", "ledger"})
Receipts = list[Receipt]


def event(name: str, endpoints: frozenset[str] = BOTH) -> Event:
    return Event(id=name, event_type="invoice.paid", digest=digest_of(name), endpoints=endpoints)


def receipt(of: Event, endpoint: str, *, status: int = 200, attempt: int = 1) -> Receipt:
    return Receipt(
        event_id=of.id,
        endpoint=endpoint,
        event_type=of.event_type,
        attempt=attempt,
        digest=of.digest,
        status=status,
    )


def delivered(events: list[Event]) -> Receipts:
    return [receipt(each, endpoint) for each in events for endpoint in sorted(each.endpoints)]


def findings(receipts: Receipts) -> tuple[Finding, ...]:
    committed = {"a": event("a"), "b": event("b")}
    return prove(committed, {"undone"}, receipts).findings


EVERYTHING = delivered([event("a"), event("b")])


def test_what_arrived_everywhere_once_is_whole() -> None:
    proof = prove({"a": event("a"), "b": event("b")}, {"undone"}, EVERYTHING)

    assert proof.is_whole
    assert (proof.committed, proof.rolled_back, proof.expected, proof.accepted) == (2, 1, 4, 4)
    assert (proof.received, proof.retried, proof.duplicates) == (4, 0, 0)


def test_nothing_committed_and_nothing_received_is_whole() -> None:
    assert prove({}, set(), []).is_whole


def test_an_event_that_nobody_subscribes_to_is_not_lost() -> None:
    assert prove({"a": event("a", frozenset())}, set(), []).is_whole


def test_a_retry_after_a_refusal_is_whole_and_counted() -> None:
    refused = replace(EVERYTHING[0], status=500)
    again = replace(EVERYTHING[0], attempt=2)
    proof = prove({"a": event("a"), "b": event("b")}, set(), [refused, again, *EVERYTHING[1:]])

    assert proof.is_whole
    assert (proof.received, proof.accepted, proof.retried, proof.duplicates) == (5, 4, 1, 0)


def test_a_second_arrival_is_a_duplicate_and_no_fault() -> None:
    proof = prove({"a": event("a"), "b": event("b")}, set(), [*EVERYTHING, EVERYTHING[2]])

    assert proof.is_whole
    assert proof.duplicates == 1


@pytest.mark.parametrize("missing", range(4))
def test_one_that_did_not_arrive_is_lost_by_name(missing: int) -> None:
    gone = EVERYTHING[missing]

    found = findings([each for each in EVERYTHING if each is not gone])

    assert [(each.kind, each.event_id, each.endpoint) for each in found] == [
        ("lost", gone.event_id, gone.endpoint)
    ]


def test_one_that_was_only_refused_is_lost() -> None:
    assert [each.kind for each in findings([replace(EVERYTHING[0], status=500), *EVERYTHING[1:]])] == ["lost"]


HARMS: list[tuple[str, str, Callable[[Receipt], Receipt]]] = [
    ("unexpected", "nobody committed it", lambda one: replace(one, event_id="never")),
    ("unexpected", "rolled back, and arrived", lambda one: replace(one, event_id="undone")),
    ("unexpected", "nobody subscribes", lambda one: replace(one, endpoint="crm")),
    ("altered", "byte for byte", lambda one: replace(one, digest=digest_of("other"))),
    ("altered", "arrived as 'invoice.voided'", lambda one: replace(one, event_type="invoice.voided")),
    ("signature failures", "mismatch", lambda one: replace(one, status=401, fault="mismatch")),
]


@pytest.mark.parametrize(("kind", "words", "harm"), HARMS)
def test_one_request_too_many_is_named_with_what_is_wrong(
    kind: str, words: str, harm: Callable[[Receipt], Receipt]
) -> None:
    harmed = harm(EVERYTHING[1])

    (found,) = findings([*EVERYTHING, harmed])

    assert (found.kind, found.event_id, found.endpoint) == (kind, harmed.event_id, harmed.endpoint)
    assert words in found.what


def test_what_was_refused_is_checked_like_the_rest() -> None:
    (found,) = findings([*EVERYTHING, replace(EVERYTHING[0], status=500, event_id="undone")])

    assert found.kind == "unexpected"


@given(data=st.data())
def test_whatever_is_dropped_is_what_is_lost(data: st.DataObject) -> None:
    endpoints = st.frozensets(st.sampled_from(["ledger", "billing", "crm"]))
    names = data.draw(st.lists(st.uuids().map(str), max_size=8, unique=True))
    committed = {name: event(name, data.draw(endpoints)) for name in names}
    everything = data.draw(st.permutations(delivered(list(committed.values()))))
    kept = [each for each in everything if data.draw(st.booleans())]

    proof = prove(committed, set(), kept)

    lost = {(each.event_id, each.endpoint) for each in proof.findings}
    assert lost == {each.pair for each in everything} - {each.pair for each in kept}
    assert proof.count("lost") == len(proof.findings) == len(everything) - len(kept)


def test_the_log_agrees_when_it_has_a_row_for_each_accepted_request() -> None:
    refused = replace(EVERYTHING[0], status=500)

    assert compare_with_log([refused, *EVERYTHING], [each.pair for each in EVERYTHING]) == ()


def test_a_request_without_a_row_and_a_row_without_a_request_are_named() -> None:
    logged = [each.pair for each in EVERYTHING[1:]] + [("ghost", "ledger")]

    found = compare_with_log(EVERYTHING, logged)

    assert [(each.kind, each.event_id, each.what) for each in found] == [
        ("log", "a", "answered 2xx once, logged as delivered 0 times"),
        ("log", "ghost", "answered 2xx 0 times, logged as delivered once"),
    ]
