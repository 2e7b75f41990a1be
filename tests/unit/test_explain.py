"""The sentence on why a delivery is where it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from relay.admin.operations.deliveries import DeliveryStatus
from relay.admin.operations.explain import explain

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ENDPOINT = UUID(int=7)
STATUS = DeliveryStatus(
    event_id=UUID(int=1),
    endpoint_id=ENDPOINT,
    event_type="a",
    tenant="",
    state="pending",
    reason=None,
    attempts=0,
    last_status_code=None,
    last_error=None,
    next_attempt_at=None,
    created_at=NOW,
    ended_at=None,
)


def sentence(*, running: bool = True, **values: Any) -> str:
    return explain(replace(STATUS, **values), now=NOW, is_relay_running=running)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"state": "delivered", "attempts": 2, "last_status_code": 204},
            "delivered with attempt 2, status 204",
        ),
        ({"state": "in_flight", "attempts": 2}, "attempt 3 is being made now"),
        ({"state": "cancelled"}, "withdrawn before it was sent"),
        (
            {"state": "dead", "reason": "gone", "last_status_code": 410},
            "given up: the receiver answered 410 Gone, and the endpoint was disabled (last: status 410)",
        ),
        ({"state": "dead", "reason": "a new one"}, "given up (a new one)"),
        ({"state": "held", "reason": "a new one"}, "waits (a new one)"),
        (
            {
                "state": "retrying",
                "attempts": 1,
                "last_error": "timeout",
                "next_attempt_at": NOW + timedelta(seconds=5),
            },
            "attempt 1 failed (last: timeout); the next is due at 2026-07-01 12:00:05 UTC, in 0:00:05",
        ),
        (
            {"next_attempt_at": NOW + timedelta(days=1), "reason": "deliver_at"},
            "to be sent at 2026-07-02 12:00:00 UTC, in 1 day, 0:00:00",
        ),
        (
            {"next_attempt_at": NOW},
            "is due, and goes out as soon as its endpoint has room, and is not left alone (`relay.endpoint_health`)",
        ),
        ({"endpoint_id": None}, "committed, and about to be fanned out"),
    ],
)
def test_it_says_what_is_the_matter(values: dict[str, Any], expected: str) -> None:
    assert sentence(**values) == expected


def test_it_says_which_command_helps() -> None:
    assert f"`relay endpoint resume {ENDPOINT}`" in sentence(state="held", reason="endpoint_paused")
    assert "`relay resume`" in sentence(state="held", reason="sending_paused")
    assert "`relay run`" in sentence(running=False)


def test_it_has_words_for_every_state_and_reason() -> None:
    for state in ("pending", "in_flight", "retrying", "held", "delivered", "dead", "cancelled", "unrouted"):
        assert sentence(state=state)
    reasons = ("exhausted", "expired", "gone", "aborted", "not_allowed", "discarded", "quarantined")
    for reason in (*reasons, "unprocessable", "endpoint_removed"):
        assert f"({reason})" not in sentence(state="dead", reason=reason)
