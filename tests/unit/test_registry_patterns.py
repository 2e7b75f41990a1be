from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Settings
from relay.endpoints.defaults import breaker_rules_of, defaults_of
from relay.endpoints.endpoint import Endpoint
from relay.endpoints.health import Standings
from relay.endpoints.registry import Registry, patterns_of
from relay.endpoints.rows import EndpointRows
from relay.http.signature import SignatureFormat
from relay.model import Schedule
from relay.store.secrets import SecretBox


def endpoint(number: int, *event_types: str, tenant: str = "") -> Endpoint:
    return Endpoint(
        id=UUID(int=number),
        url="https://example.com/hook",
        tenant=tenant,
        event_types=event_types,
        headers=(),
        signature=SignatureFormat.BOTH,
        secrets=(),
        timeout=30,
        max_in_flight=10,
        schedule=Schedule(),
        store_response_body=True,
        hold=None,
        refusal=None,
    )


def registry(*endpoints: Endpoint) -> Registry:
    rows = EndpointRows(defaults=defaults_of(Settings()), secrets=SecretBox(), refuse_url=lambda _: None)
    standings = Standings(rules=breaker_rules_of(Settings()), note_due=lambda _, __: None)
    made = Registry(rows, standings)
    made._learn(endpoints)
    return made


def matched(known: Registry, event_type: str, *, tenant: str = "", only: int | None = None) -> list[int]:
    addressed = None if only is None else UUID(int=only)
    return [found.int for found in known.match(tenant=tenant, event_type=event_type, only=addressed)]


@pytest.mark.parametrize(
    ("pattern", "event_type", "takes"),
    [
        ("*", "a", True),
        ("*", "a.b.c", True),
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.b", "a", False),
        ("a.b", "A.b", False),
        ("a.b.*", "a.b.c", True),
        ("a.b.*", "a.b.c.d.e", True),
        ("a.b.*", "a.b", False),
        ("a.b.*", "a.bc", False),
        ("a.b.*", "a.bc.d", False),
        ("a.*", "b.a.c", False),
    ],
)
def test_a_pattern_takes_what_it_says_and_nothing_else(pattern: str, event_type: str, takes: bool) -> None:
    assert bool(matched(registry(endpoint(1, pattern)), event_type)) is takes


def test_an_endpoint_with_several_patterns_that_match_gets_an_event_once() -> None:
    assert matched(registry(endpoint(1, "*", "a.*", "a.b")), "a.b") == [1]


def test_endpoints_come_in_the_order_of_their_ids() -> None:
    assert matched(registry(*(endpoint(n, "*") for n in (5, 3, 9, 1))), "a") == [1, 3, 5, 9]


def test_a_tenant_gets_only_its_own_events() -> None:
    known = registry(endpoint(1, "*"), endpoint(2, "*", tenant="blue"))

    assert matched(known, "a") == [1]
    assert matched(known, "a", tenant="blue") == [2]
    assert matched(known, "a", tenant="red") == []


def test_an_addressed_event_goes_to_its_endpoint_whatever_that_subscribes_to() -> None:
    known = registry(endpoint(1, "x.y"), endpoint(2, "*"), endpoint(3, "*", tenant="blue"))

    assert matched(known, "a", only=1) == [1]
    assert matched(known, "a", only=3) == []
    assert matched(known, "a", only=4) == []


def test_what_was_answered_before_a_change_is_not_answered_after_it() -> None:
    known = registry(endpoint(1, "a"))
    assert matched(known, "a") == [1]

    known._learn([endpoint(2, "*")])
    assert matched(known, "a") == [1, 2]
    known._forget([UUID(int=1)])
    known._learn([])
    assert matched(known, "a") == [2]


@given(st.lists(st.from_regex(r"\A[a-c]{1,2}\Z"), min_size=1, max_size=6))
def test_the_patterns_of_a_type_are_few_and_match_by_prefix(parts: list[str]) -> None:
    event_type = ".".join(parts)
    patterns = patterns_of(event_type)

    assert len(patterns) == len(set(patterns)) == len(parts) + 1
    assert all(
        pattern in {"*", event_type} or event_type.startswith(pattern.removesuffix("*"))
        for pattern in patterns
    )
