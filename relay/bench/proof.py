"""Whether what the sink captured is what was inserted, signed as it has to be."""

from collections.abc import Sequence
from uuid import UUID

from relay.bench.load import Connection
from relay.bench.receipts import Captured
from relay.receiver.verify import VerificationError, verify

BODIES = "select id, payload::text as payload from relay.outbox where id = any($1::uuid[])"
AGES = 86400.0


async def count_wrong(connection: Connection, captured: Sequence[Captured], secrets: Sequence[str]) -> int:
    """Return how many of these requests have a wrong signature, of either format, or not the event's own bytes."""
    ids = [UUID(each.headers["X-Webhook-Id"]) for each in captured]
    rows = await connection.fetch(BODIES, ids)
    bodies = {row["id"]: row["payload"].encode() for row in rows}
    right = (
        bodies.get(event_id) == each.body and is_signed(each, secrets[each.endpoint])
        for event_id, each in zip(ids, captured, strict=True)
    )
    return sum(not each for each in right)


def is_signed(request: Captured, secret: str) -> bool:
    """Say whether both signatures are right."""
    try:
        verify(request.body, request.headers, secret, "standard", tolerance=AGES)
        verify(request.body, request.headers, secret, "x-webhook", tolerance=AGES)
    except VerificationError:
        return False
    return True
