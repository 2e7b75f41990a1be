"""A test event to one endpoint, and what came of it."""

import asyncio
import time
from uuid import UUID, uuid4

from relay.admin.operations import endpoints, events
from relay.admin.operations.errors import Refused
from relay.admin.operations.events import EventReport, NewEvent
from relay.admin.operations.inputs import refused_by_database
from relay.store.session import Session

TEST_TYPE = "relay.test"
TEST_PAYLOAD = '{"test": true}'
LOOK_EVERY = 0.1
ENDED = frozenset({"delivered", "dead", "cancelled"})
"""States that a delivery does not leave by itself."""


async def send(
    session: Session,
    endpoint_id: UUID,
    *,
    actor: str,
    event_type: str = TEST_TYPE,
    payload: str = TEST_PAYLOAD,
) -> UUID:
    """Store a test event for an endpoint, whatever that subscribes to; it is sent once and not retried.

    Args:
        session: The database.
        endpoint_id: Who gets it.
        actor: Who does it, for the audit.
        event_type: What it pretends to be.
        payload: JSON text, sent as it is.

    Returns:
        The event's id.

    Raises:
        InvalidInput: Type or payload cannot be used.
        NotFound: There is no endpoint of that id, or it was removed.
    """
    events.check(NewEvent(event_type=event_type, payload=payload))
    await endpoints.show(session, endpoint_id)
    with refused_by_database():
        row = await session.fetch_row("endpoint_test", endpoint_id, uuid4(), event_type, payload, actor)
    if row is None:
        raise Refused(f"endpoint {endpoint_id} was removed at the same moment")
    event_id: UUID = row["id"]
    return event_id


async def outcome(session: Session, event_id: UUID, *, limit: float) -> EventReport:
    """Wait until the delivery of an event has ended, but at most `limit` seconds, and return how it stands."""
    deadline = time.monotonic() + limit
    while True:
        report = await events.show(session, event_id)
        has_ended = any(each.state in ENDED for each in report.deliveries)
        if has_ended or time.monotonic() >= deadline:
            return report
        await asyncio.sleep(LOOK_EVERY)
