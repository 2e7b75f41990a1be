import json
from typing import Any
from uuid import uuid4

import pytest

from relay.endpoints.endpoint import Endpoint
from relay.http.headers import InvalidHeader
from relay.http.signature import SignatureFormat, generate_secret, parse_secret, sign
from relay.model import Event, Schedule
from relay.pipeline.compose import compose
from relay.pipeline.texts import HIDDEN

NOW = 1_760_000_000
SECRET = parse_secret(generate_secret())
SIGNED = {"X-Webhook-Signature", "webhook-signature"}


def event(**changes: Any) -> Event:
    plain = Event(1, str(uuid4()), "invoice.paid", "", b"{}", "application/json", None, None, None, None, 0.0)
    return plain._replace(**changes)


def endpoint(
    *,
    fmt: SignatureFormat = SignatureFormat.BOTH,
    headers: tuple[tuple[str, str], ...] = (),
) -> Endpoint:
    return Endpoint(
        id=uuid4(),
        url="https://example.com/hook",
        tenant="",
        event_types=("*",),
        headers=headers,
        signature=fmt,
        secrets=(SECRET,),
        timeout=30.0,
        max_in_flight=100,
        schedule=Schedule(),
        store_response_body=True,
        hold=None,
        refusal=None,
    )


def composed(of: Event, to: Endpoint) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Return the headers on the wire, and those that the log shows, in their order."""
    head, shown = compose(of, to, number=3, timestamp=NOW, user_agent="Relay/1.0")
    assert head.endswith(b"\r\n")
    lines = head.decode().removesuffix("\r\n").split("\r\n")
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    return pairs, json.loads(shown)


@pytest.mark.parametrize("fmt", list(SignatureFormat))
@pytest.mark.parametrize(
    "of",
    [
        event(),
        event(content_type='text/plain; charset="utf-8"'),
        event(sequence=7, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
        event(headers='{"X-Region": "eu", "X-Quote": "say \\"hi\\" \\\\ bye"}'),
    ],
)
@pytest.mark.parametrize("own", [(), (("Authorization", "Bearer canary"), ("X-Note", "a\\b"))])
def test_the_log_shows_what_goes_over_the_wire_but_for_secrets(
    fmt: SignatureFormat, of: Event, own: tuple[tuple[str, str], ...]
) -> None:
    wire, shown = composed(of, endpoint(fmt=fmt, headers=own))

    hidden = SIGNED | {"Authorization"}
    assert list(shown.items()) == [(name, HIDDEN if name in hidden else value) for name, value in wire]


def test_the_headers_come_in_the_order_that_is_documented() -> None:
    of = event(sequence=7)
    wire, _ = composed(of, endpoint(headers=(("X-Own", "1"),)))

    assert wire == [
        ("User-Agent", "Relay/1.0"),
        ("Content-Type", "application/json"),
        ("X-Webhook-Id", of.id),
        *sign(of.id, NOW, of.body, (SECRET,), SignatureFormat.BOTH),
        ("X-Webhook-Event", "invoice.paid"),
        ("X-Webhook-Attempt", "3"),
        ("X-Webhook-Sequence", "7"),
        ("X-Own", "1"),
    ]


def test_a_header_of_the_event_does_not_replace_one_of_the_endpoint() -> None:
    wire, _ = composed(event(headers='{"x-own": "2", "X-New": "3"}'), endpoint(headers=(("X-Own", "1"),)))

    assert wire[-2:] == [("X-Own", "1"), ("X-New", "3")]


@pytest.mark.parametrize("headers", ['{"Host": "internal"}', '{"X-A": "1\\r\\nHost: b"}', '{"a": 1}'])
def test_headers_that_may_not_be_sent_are_refused(headers: str) -> None:
    with pytest.raises(InvalidHeader):
        compose(event(headers=headers), endpoint(), number=1, timestamp=NOW, user_agent="Relay/1.0")


def test_of_two_trace_contexts_the_events_own_is_sent() -> None:
    own = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    wire, _ = composed(event(traceparent=own), endpoint(headers=(("Traceparent", "of the endpoint"),)))

    assert [value for name, value in wire if name.lower() == "traceparent"] == [own]
