"""Where events are in their order, for lists that go through it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.admin.operations.paging import no_cursor
from relay.store.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """A stretch of the order of events.

    Attributes:
        first: No event before this place is wanted.
        last: None after this one; None: up to the newest.
    """

    first: int = 0
    last: int | None = None


async def between(session: Session, since: datetime | None, until: datetime | None) -> Places:
    """Return where all events are that were inserted within a while; some others are there as well."""
    if since is None and until is None:
        return Places()
    (row,) = await session.fetch("event_places", since, until)
    return Places(first=row["first_seq"], last=None if until is None else row["last_seq"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of an event, and its id, which stands for it outside: places are nobody's business but Relay's."""

    seq: int
    event_id: UUID


async def to_go_on_from(session: Session, reached: Place, tenant: str | None) -> Place | None:
    """Return from where a list goes on that has looked down to a place; None if nothing more can match.

    What a list of one tenant reached may be another's event, of which the cursor must not tell.
    """
    if tenant is None:
        return reached
    row = await session.fetch_row("event_of_tenant_before", tenant, reached.seq)
    return None if row is None else Place(seq=row["seq"], event_id=row["id"])


async def of_cursor(session: Session, event_id: UUID, tenant: str | None) -> int:
    """Return the place of the event that a cursor names.

    Raises:
        InvalidInput: It is gone, or it is another tenant's.
    """
    row = await session.fetch_row("event_place", event_id, tenant)
    if row is None:
        raise no_cursor()
    place: int = row["seq"]
    return place
