"""New retry windows for what waited while sending was stopped."""

from uuid import UUID

from relay.store.session import Session


async def reopen_windows(session: Session, endpoint_id: UUID) -> int:
    """Give every waiting delivery of an endpoint a new retry window and return how many there were.

    The time held does not count. At most 1000 deliveries a transaction, so that nobody waits long for their locks.
    """
    opened, after = 0, 0
    while row := await session.fetch_row("endpoint_reopen", endpoint_id, after):
        opened, after = opened + row["opened"], row["last_seq"]
    return opened
