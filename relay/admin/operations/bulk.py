"""Changes of many deliveries: select them, look at how many they are, and let the relay work them off."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from relay.admin.operations.deliveries import Filter
from relay.admin.operations.errors import InvalidInput, NotFound, Refused
from relay.lookback import operations
from relay.lookback.operations import Action, Operation, Preparing, Selected, State
from relay.store.session import Session

SELECTING = 600.0
"""Seconds that a session for selecting should give its statements: a log may have a hundred million rows."""
ENDED_STATES = ("delivered", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """What is sent again; None lets all pass.

    Attributes:
        states: Of `delivered` and `dead`; not used with `missing`.
        event_type: A type, or a pattern as endpoints have it.
        since: Only of events inserted then or later.
        until: Only of events inserted before.
        missing: Instead what endpoints subscribe to now and never had.
        where: A condition in SQL that chose the events, to be shown.
    """

    states: tuple[str, ...] = ENDED_STATES
    endpoint_id: UUID | None = None
    event_type: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    missing: bool = False
    where: str | None = None

    def parameters(self) -> tuple[object, ...]:
        """Return the values in the order in which the statements take them, after the operation's."""
        values = (self.endpoint_id, self.event_type, self.tenant, self.since, self.until)
        return values if self.missing else (list(self.states), *values)


async def prepare_change(
    session: Session, kind: Literal["retry", "discard"], wanted: Filter, *, rate: float | None, actor: str
) -> Selected:
    """Select deliveries that have not ended well; the filter must have a state. Nothing is changed yet."""
    async with session.transaction() as run:
        selection = {key: value for key, value in asdict(wanted).items() if value is not None}
        preparing = await operations.begin(run, kind, selection=selection, rate=rate, actor=actor)
        await preparing.add("operation_select", *wanted.parameters())
        return await preparing.count()


async def prepare_replay(
    session: Session,
    wanted: ReplayFilter,
    *,
    rate: float | None,
    actor: str,
    events: AsyncIterator[Sequence[int]] | None = None,
) -> Selected:
    """Select what is to be sent again, or what endpoints never had. Nothing is sent yet.

    Args:
        session: The database.
        wanted: What is wanted.
        rate: Deliveries a second at most; None: no limit.
        actor: Who does it.
        events: Only of these, by their `seq`; None: of all.

    Raises:
        InvalidInput: `missing` was asked for since before the log begins.
    """
    wanted = await _within_the_log(session, wanted) if wanted.missing else wanted
    async with session.transaction() as run:
        shown = {key: value for key, value in asdict(wanted).items() if value not in (None, False)}
        preparing = await operations.begin(
            run,
            "replay",
            selection=shown,
            rate=rate,
            actor=actor,
            redeliver=not wanted.missing and "delivered" in wanted.states,
            make_missing=wanted.missing,
        )
        if events is None:
            await _select(preparing, wanted, None)
        else:
            async for chunk in events:
                await _select(preparing, wanted, chunk)
        if wanted.missing:
            await preparing.drop_filtered()
        return await preparing.count()


async def change(session: Session, operation_id: int, action: Action, *, actor: str) -> bool:
    """Start, pause, resume or cancel an operation; returns whether it was not so before.

    Raises:
        NotFound: There is none of that number.
        Refused: Its state does not allow that.
    """
    found = await operations.change(session, operation_id, action, actor=actor)
    if found is None:
        raise _no_operation(operation_id)
    state, is_changed = found
    if not is_changed and state != _LEADS_TO[action]:
        raise Refused(f"operation {operation_id} is {state}, so it cannot be {_DONE[action]}")
    return is_changed


async def show(session: Session, operation_id: int) -> Operation:
    """Return an operation.

    Raises:
        NotFound: There is none of that number.
    """
    found = await operations.find(session, operation_id)
    if found is None:
        raise _no_operation(operation_id)
    return found


async def forget(session: Session, operation_id: int) -> None:
    """Take back an operation that was prepared and not started."""
    await session.fetch("operation_forget", operation_id)


async def is_relay_running(session: Session) -> bool:
    """Say whether a relay is there to work operations off."""
    (row,) = await session.fetch("relay_running")
    return bool(row["is_relay_running"])


_LEADS_TO: dict[Action, State] = {
    "start": "running",
    "pause": "paused",
    "resume": "running",
    "cancel": "cancelled",
}
_DONE: dict[Action, str] = {
    "start": "started",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
}


async def _select(preparing: Preparing, wanted: ReplayFilter, seqs: Sequence[int] | None) -> None:
    statement = "operation_select_missing" if wanted.missing else "operation_select_ended"
    await preparing.add(statement, *wanted.parameters(), seqs)


async def _within_the_log(session: Session, wanted: ReplayFilter) -> ReplayFilter:
    (row,) = await session.fetch("log_begins")
    begins: datetime = row["log_begins"]
    if wanted.since is None:
        return replace(wanted, since=begins)
    if wanted.since < begins:
        raise InvalidInput(
            f"the log begins at {begins.isoformat()}: what was delivered before is not known any more, "
            "so neither is what is missing; give a later --since, or select by --where without --missing"
        )
    return wanted


def _no_operation(operation_id: int) -> NotFound:
    return NotFound(f"there is no operation {operation_id}; `relay operation list` shows those there are")
