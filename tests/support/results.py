"""Makes results as the recorder gets them, each with as little as its test needs to say."""

from uuid import UUID, uuid4

from relay.model import Answer, Attempt, Claim, Delivered, Event, Outcome, Response, Result

CREATED = 1_760_000_000.0
"""When the events of tests were inserted."""


def event(seq: int = 1, *, created_at: float = CREATED) -> Event:
    """Return an event."""
    return Event(
        seq=seq,
        id=str(uuid4()),
        event_type="invoice.paid",
        tenant="",
        body=b"{}",
        content_type="application/json",
        sequence=None,
        headers=None,
        traceparent=None,
        expires_at=None,
        created_at=created_at,
    )


def claim(
    seq: int = 1,
    *,
    endpoint_id: UUID | None = None,
    attempts: int = 0,
    delivered_before: bool = False,
    has_event: bool = True,
) -> Claim:
    """Return a claim of a delivery with so many attempts behind it."""
    return Claim(
        event_seq=seq,
        endpoint_id=endpoint_id or uuid4(),
        event=event(seq) if has_event else None,
        number=attempts + 1,
        size=2,
        attempts=attempts,
        delivered_before=delivered_before,
    )


def result(
    of: Claim | None = None,
    outcome: Outcome | None = None,
    *,
    answer: Answer | None = None,
    waited: float = 0.2,
    took: float = 0.3,
    is_sent: bool = True,
) -> Result:
    """Return the result of a claim: delivered unless said otherwise.

    Args:
        of: The claim.
        outcome: What became of it.
        answer: What came back; a 200 unless said.
        waited: Seconds from the insert to the attempt.
        took: Seconds that the attempt took.
        is_sent: Whether a request was made.
    """
    of = of or claim()
    started = CREATED + waited
    attempt = Attempt(
        number=of.attempts + 1,
        started_at=started,
        ended_at=started + took,
        url="https://example.com/hook",
        request_headers="{}",
        answer=answer or Response(status=200, headers={}, body=b""),
        store_body=True,
    )
    return Result(
        claim=of,
        outcome=outcome or Delivered(),
        attempt=attempt if is_sent else None,
        ended_at=started + took,
    )
