"""Whether everything came, once, as it was inserted, and signed as it has to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.bench.load import Connection
from relay.bench.receipts import Captured
from relay.bench.scene import Scene
from relay.receiver.verify import VerificationError, verify

BODIES = "select id, payload::text as payload from relay.outbox where id = any($1::uuid[])"
AGES = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is wrong with what the sink got.

    Attributes:
        lost: Deliveries that did not come.
        duplicates: Requests that came once more.
        checked: Requests that were captured and verified, one in a hundred.
        wrong: Of these, without right signatures or without the event's own bytes.
    """

    lost: int
    duplicates: int
    checked: int
    wrong: int

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing."""
        return self.lost == self.duplicates == self.wrong == 0


async def prove(scene: Scene, deliveries: int) -> Proof:
    """Compare what the sink got since the last reset with what was to be delivered."""
    counts = await scene.stage.sink.counts()
    captured = await scene.stage.sink.captured()
    return Proof(
        lost=deliveries - counts.distinct,
        duplicates=counts.repeated,
        checked=len(captured),
        wrong=await count_wrong(scene.observer, captured, scene.secrets),
    )


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
