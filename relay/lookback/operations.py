"""Operations: changes of many deliveries, kept as rows that a relay works off.

Whoever wants one prepares it, which selects its deliveries once and for all, looks at how many these are, and starts it
or lets it go. From then on it belongs to the relay: it goes on after a restart, and can be paused and cancelled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

import asyncpg
import orjson

from relay.endpoints.filters import NotJudged, contains, parse
from relay.store.session import Run, Session

Kind = Literal["replay", "retry", "discard"]
State = Literal["prepared", "running", "paused", "done", "cancelled", "failed"]
Action = Literal["start", "pause", "resume", "cancel"]

OVER = frozenset({"done", "cancelled", "failed"})
"""States that an operation does not leave."""
_PAGE = 1000
_CHANGES: Mapping[Action, tuple[State, tuple[State, ...]]] = {
    "start": ("running", ("prepared",)),
    "pause": ("paused", ("running",)),
    "resume": ("running", ("paused",)),
    "cancel": ("cancelled", ("prepared", "running", "paused")),
}
"""What state an action leads to, and from which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation, as it stands.

    Attributes:
        selection: What selected its deliveries.
        rate: Deliveries a second at most; None: no limit.
        total: How many were selected.
        taken: How many of them are done with.
        results: How many of those had which result.
        detail: Why it failed.
    """

    id: int
    kind: Kind
    state: State
    selection: Mapping[str, object]
    rate: float | None
    total: int
    taken: int
    results: Mapping[str, int]
    actor: str
    detail: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Deliveries that an operation was prepared for."""

    operation_id: int
    total: int


class Preparing:
    """An operation that is being prepared: deliveries are added to it, all within one transaction."""

    def __init__(self, run: Run, operation_id: int) -> None:
        self._run = run
        self.operation_id = operation_id

    async def add(self, statement: str, *arguments: object) -> None:
        """Select what a statement finds, whose first parameter is the operation."""
        await self._run(statement, self.operation_id, *arguments)

    async def drop_filtered(self) -> None:
        """Take out what the endpoints' own filters on payloads keep out, or what they cannot be asked about."""
        last: tuple[int, UUID] = (0, UUID(int=0))
        while rows := await self._run("operation_filtered", self.operation_id, *last, _PAGE):
            out = [row for row in rows if not _passes(row["payload"], row["filter"])]
            await self._run(
                "operation_unselect",
                self.operation_id,
                [row["event_seq"] for row in out],
                [row["endpoint_id"] for row in out],
            )
            last = (rows[-1]["event_seq"], rows[-1]["endpoint_id"])

    async def count(self) -> Selected:
        """Return what was selected."""
        rows = await self._run("operation_count", self.operation_id)
        return Selected(operation_id=self.operation_id, total=rows[0]["total"])


async def begin(
    run: Run,
    kind: Kind,
    *,
    selection: Mapping[str, object],
    rate: float | None,
    actor: str,
    redeliver: bool = False,
    make_missing: bool = False,
) -> Preparing:
    """Begin to prepare an operation, in a transaction.

    Args:
        run: Of the transaction.
        kind: What is done with its deliveries.
        selection: What selects them, for people: shown, and in the audit.
        rate: Deliveries a second at most; None: no limit.
        actor: Who does it.
        redeliver: What was delivered is sent again; else it is left, if that happens meanwhile.
        make_missing: Deliveries are made that never were.
    """
    text = orjson.dumps(selection, default=str).decode()
    rows = await run("operation_prepare", kind, text, rate, actor, redeliver, make_missing)
    return Preparing(run, rows[0]["id"])


async def change(
    session: Session, operation_id: int, action: Action, *, actor: str
) -> tuple[State, bool] | None:
    """Start, pause, resume or cancel an operation; returns its state then, and whether that was done by this.

    None if there is no such operation.
    """
    state, from_states = _CHANGES[action]
    arguments = (operation_id, state, list(from_states), actor, f"operation.{action}")
    row = await session.fetch_row("operation_change", *arguments)
    return None if row is None else (row["state"], row["is_changed"])


async def find(session: Session, operation_id: int) -> Operation | None:
    """Return an operation; None if there is none of that number."""
    rows = await session.fetch("operation_list", operation_id, 1)
    return operation_of(rows[0]) if rows else None


async def newest(session: Session, *, limit: int) -> list[Operation]:
    """Return the operations that were started, the newest first, at most `limit`."""
    return [operation_of(row) for row in await session.fetch("operation_list", None, limit)]


def _passes(payload: str | None, wanted: str) -> bool:
    try:
        return payload is not None and contains(parse(payload), parse(wanted))
    except NotJudged:
        return True  # as fan-out does: an event too many is better than one lost


def operation_of(row: asyncpg.Record) -> Operation:
    """Return the operation that a row says."""
    return Operation(
        id=row["id"],
        kind=cast(Kind, row["kind"]),
        state=cast(State, row["state"]),
        selection=orjson.loads(row["selection"]),
        rate=row["rate"],
        total=row["total"],
        taken=row["taken"],
        results=orjson.loads(row["results"]),
        actor=row["actor"],
        detail=row["detail"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
