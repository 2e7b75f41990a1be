"""Stopping and resuming all sending, or that of one tenant."""

from dataclasses import dataclass
from datetime import datetime

from relay.admin.operations.inputs import checked_text, refused_by_database
from relay.admin.operations.windows import reopen_windows
from relay.store.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What an operator has stopped: a tenant's sending, or (None) everything."""

    tenant: str | None
    paused_at: datetime
    paused_by: str


async def list_pauses(session: Session) -> list[Pause]:
    """Return what is paused, the oldest first."""
    return [
        Pause(tenant=row["tenant"], paused_at=row["paused_at"], paused_by=row["paused_by"])
        for row in await session.fetch("pause_list")
    ]


async def pause(session: Session, tenant: str | None, *, actor: str) -> bool:
    """Stop sending for a tenant, or (None) for everything; return whether that was not so already.

    Raises:
        InvalidInput: The tenant's name cannot be one.
    """
    _check(tenant)
    with refused_by_database():
        return bool(await session.fetch("pause_set", tenant, actor))


async def resume(session: Session, tenant: str | None, *, actor: str) -> bool:
    """Go on sending for a tenant, or (None) for everything; return whether it was paused by that name.

    What waited gets a new retry window: time held does not count.

    Raises:
        InvalidInput: The tenant's name cannot be one.
    """
    _check(tenant)
    if all(each.tenant != tenant for each in await list_pauses(session)):
        return False
    for row in await session.fetch("pause_endpoints", tenant):
        await reopen_windows(session, row["id"])
    return bool(await session.fetch("pause_end", tenant, actor))


def _check(tenant: str | None) -> None:
    if tenant is not None:
        checked_text("tenant", tenant)
