"""The checker of the three logs must say so when one is dropped, repeated, invented or altered."""

import time
from dataclasses import replace
from uuid import uuid4

import pytest

from relay.http.signature import SignatureFormat, parse_secret, sign
from tests.support.application import SECRET, sha256
from tests.support.checker import Findings, Name, check
from tests.support.receiver import Receipt, Received

BODY = b'{"id": 1}'


def receipt_of(name: Name, *, body: bytes = BODY, status: int | None = 200) -> Receipt:
    event_id, path = name
    now = time.time()
    signed = sign(event_id, int(now), body, [parse_secret(SECRET)], SignatureFormat.BOTH)
    headers = [("Host", "example.com"), ("X-Webhook-Id", event_id), *signed]
    head = "\r\n".join([f"POST {path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers), "", ""]).encode()
    request = Received(head=head, body=body, at=0.0, wall=now, number=1, connection=1, on_connection=1)
    return Receipt(request, status)


def make(count: int) -> tuple[dict[Name, str], list[Receipt], dict[Name, str]]:
    names = [(str(uuid4()), "/hook") for _ in range(count)]
    return (
        dict.fromkeys(names, sha256(BODY)),
        [receipt_of(name) for name in names],
        dict.fromkeys(names, "delivered"),
    )


def findings_of(committed: dict[Name, str], receipts: list[Receipt], states: dict[Name, str]) -> Findings:
    return check(committed=committed, receipts=receipts, states=states)


def test_three_logs_that_agree_are_right() -> None:
    findings = findings_of(*make(10))

    assert findings == Findings()
    findings.assert_right()


def test_a_dropped_receipt_is_missed() -> None:
    committed, receipts, states = make(10)
    dropped = receipts.pop(3)

    findings = findings_of(committed, receipts, states)

    assert findings.wrong == {"unreceipted": [(dropped.request.event_id, "/hook")]}
    with pytest.raises(AssertionError, match="unreceipted"):
        findings.assert_right()


def test_an_event_that_is_nowhere_is_lost() -> None:
    committed, receipts, states = make(10)
    dropped = receipts.pop(3)
    name = (dropped.request.event_id, "/hook")
    del states[name]

    findings = findings_of(committed, receipts, states)

    assert findings.wrong == {"lost": [name]}


def test_a_delivery_that_still_waits_is_unfinished() -> None:
    committed, receipts, states = make(2)
    name = (receipts.pop().request.event_id, "/hook")
    states[name] = "retrying"

    assert findings_of(committed, receipts, states).wrong == {"unfinished": [name]}


@pytest.mark.parametrize("state", ["dead", "cancelled", "unrouted"])
def test_a_state_that_a_person_sees_is_no_loss(state: str) -> None:
    committed, receipts, states = make(2)
    states[receipts.pop().request.event_id, "/hook"] = state

    assert findings_of(committed, receipts, states).wrong == {}


def test_a_repeated_receipt_is_a_duplicate() -> None:
    committed, receipts, states = make(10)
    receipts += [receipts[4], receipts[4], replace(receipts[5], status=None)]

    findings = findings_of(committed, receipts, states)

    assert findings.wrong == {}
    assert findings.duplicates == {
        (receipts[4].request.event_id, "/hook"): 2,
        (receipts[5].request.event_id, "/hook"): 1,
    }
    findings.assert_right(most_duplicates=3)
    with pytest.raises(AssertionError, match="3 duplicates, at most 2"):
        findings.assert_right(most_duplicates=2)


def test_a_retry_after_a_failure_is_no_duplicate() -> None:
    committed, receipts, states = make(2)
    receipts.insert(0, replace(receipts[0], status=500))

    assert findings_of(committed, receipts, states) == Findings()


def test_an_invented_receipt_is_unexpected() -> None:
    committed, receipts, states = make(10)
    invented = (str(uuid4()), "/hook")

    findings = findings_of(committed, [*receipts, receipt_of(invented)], states)

    assert findings.wrong == {"unexpected": [invented]}


def test_a_receipt_at_another_endpoint_is_unexpected() -> None:
    committed, receipts, states = make(1)
    elsewhere = (receipts[0].request.event_id, "/other")

    findings = findings_of(committed, [*receipts, receipt_of(elsewhere)], states)

    assert findings.wrong == {"unexpected": [elsewhere]}


def test_an_altered_body_is_found_even_if_its_signature_is_right() -> None:
    committed, receipts, states = make(2)
    name = (receipts[1].request.event_id, "/hook")
    receipts[1] = receipt_of(name, body=b'{"id":1}')

    assert findings_of(committed, receipts, states).wrong == {"altered": [name]}


def test_a_wrong_signature_is_unverified() -> None:
    committed, receipts, states = make(2)
    request = receipts[0].request
    forged = replace(request, head=request.head.replace(b"v1=", b"v1=0"))
    receipts[0] = replace(receipts[0], request=forged)

    assert findings_of(committed, receipts, states).wrong == {"unverified": [(request.event_id, "/hook")]}


def test_a_receipt_that_the_database_knows_nothing_of_is_unrecorded() -> None:
    committed, receipts, states = make(2)
    name = (receipts[0].request.event_id, "/hook")
    del states[name]

    assert findings_of(committed, receipts, states).wrong == {"unrecorded": [name]}
