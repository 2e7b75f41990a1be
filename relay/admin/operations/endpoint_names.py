"""What people call endpoints: lists of other things have their ids alone."""

from collections.abc import Iterable
from uuid import UUID

from relay.store.session import Session


async def of(session: Session, endpoint_ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return the descriptions of endpoints, or their URLs if they have none; those that are gone are left out."""
    wanted = list({each for each in endpoint_ids if each is not None})
    if not wanted:
        return {}
    return {row["id"]: row["name"] for row in await session.fetch("endpoint_names", wanted)}
