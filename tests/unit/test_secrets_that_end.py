"""Which secrets sign: those that can be read, for as long as they last."""

import math
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest

from relay.config import Settings
from relay.endpoints.defaults import breaker_rules_of, defaults_of
from relay.endpoints.endpoint import Endpoint
from relay.endpoints.health import Standings
from relay.endpoints.registry import Registry
from relay.endpoints.rows import EndpointRows
from relay.http.signature import generate_secret
from relay.store.secrets import SecretBox

NEW, OLD = generate_secret(), generate_secret()
UNREADABLE = (b"sealed", "a key that is not there")


def endpoint(*stored: tuple[bytes, str | None, float | None]) -> Endpoint:
    """Return the endpoint that a row with these secrets makes: each with its key, and when it ends."""
    row: dict[str, Any] = {
        "id": uuid4(),
        "url": "https://example.com/",
        "tenant": "",
        "event_types": ["*"],
        "filter": None,
        "rate_limit": None,
        "ordered": False,
        "headers": "{}",
        "signature": "both",
        "timeout": None,
        "max_in_flight": None,
        "retry_schedule": None,
        "store_response_body": True,
        "state": "active",
        "sealed": [data for data, _, _ in stored] or None,
        "key_ids": [key for _, key, _ in stored] or None,
        "ends": [end for _, _, end in stored] or None,
    }
    rows = EndpointRows(defaults=defaults_of(Settings()), secrets=SecretBox(), refuse_url=lambda _: None)
    return rows._endpoint(cast("asyncpg.Record", row), set())


def registry(*endpoints: Endpoint) -> Registry:
    standings = Standings(rules=breaker_rules_of(Settings()), note_due=lambda _, __: None)
    made = Registry(cast("EndpointRows", None), standings)
    made._learn(endpoints)
    return made


def texts(endpoint: Endpoint | None) -> list[str]:
    assert endpoint is not None
    return [secret.text for secret in endpoint.secrets]


def test_the_newest_signs_first_and_an_old_one_until_it_ends() -> None:
    made = endpoint((NEW.encode(), None, None), (OLD.encode(), None, 100.0))
    known = registry(made)

    known.end_secrets(99.9)
    assert texts(known.get(made.id)) == [NEW, OLD]
    known.end_secrets(100.0)
    assert texts(known.get(made.id)) == [NEW]
    known.end_secrets(1e12)
    assert texts(known.get(made.id)) == [NEW]


def test_without_any_secret_left_nothing_is_sent() -> None:
    made = endpoint((OLD.encode(), None, 100.0))
    known = registry(made)
    assert made.hold is None

    known.end_secrets(100.0)

    left = known.get(made.id)
    assert left is not None
    assert (texts(left), left.hold) == ([], "secret_missing")


def test_a_secret_that_cannot_be_read_does_not_keep_the_others_from_signing() -> None:
    made = endpoint((NEW.encode(), None, None), (*UNREADABLE, 100.0))
    known = registry(made)

    assert (texts(made), made.secrets_end_at, made.hold) == ([NEW], (math.inf,), None)
    known.end_secrets(200.0)
    assert texts(known.get(made.id)) == [NEW]


@pytest.mark.parametrize(
    ("stored", "hold"), [((), "secret_missing"), (((*UNREADABLE, 100.0),), "secret_unreadable")]
)
def test_an_endpoint_without_a_usable_secret_is_held(
    stored: tuple[tuple[bytes, str | None, float | None], ...], hold: str
) -> None:
    made = endpoint(*stored)
    known = registry(made)
    known.end_secrets(200.0)

    left = known.get(made.id)
    assert left is not None
    assert left.hold == hold
