"""Rows of the outbox turned into the values of the pipeline."""

import asyncpg

from relay.model import Claim, Event

JSON = "application/json"
BYTES = "application/octet-stream"


def event_of(row: asyncpg.Record, seq: int) -> Event:
    """Return the event in a row of the statements `look` or `claim_due`, its body byte for byte as inserted."""
    payload, body = row["payload"], row["body"]
    if payload is not None:
        data, content_type = payload.encode(), JSON
    else:
        data, content_type = bytes(body or b""), row["content_type"] or BYTES
    return Event(
        seq,
        str(row["event_id"]),
        row["event_type"],
        row["tenant"],
        data,
        content_type,
        row["sequence"],
        row["headers"],
        row["traceparent"],
        row["expires_at"],
        row["created_at"],
    )


def claim_of(row: asyncpg.Record) -> Claim:
    """Return the claim in a row of the statement `claim_due`."""
    return Claim(
        event_seq=row["event_seq"],
        endpoint_id=row["endpoint_id"],
        event=None if row["event_id"] is None else event_of(row, row["event_seq"]),
        number=row["claim"],
        size=row["size"],
        attempts=row["attempt"],
        window_attempts=row["window_attempt"],
        window_started_at=row["window_started_at"],
        trigger_type=row["trigger_type"],
        lost=row["taken"],
        is_cancelled=row["cancelled"],
        delivered_before=row["delivered_before"],
        ordering_hash=row["ordering_hash"],
    )
