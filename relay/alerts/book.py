"""Which alerts last: what the database knows, so that neither a restart nor a takeover raises one twice."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import asyncpg
import orjson

from relay.alerts.alert import Change, ClearedAlert, Finding, Key, RaisedAlert
from relay.alerts.rules import Latch
from relay.store.session import DatabaseAway, Session


@dataclass(frozen=True, slots=True)
class _Entry:
    """An alert that lasts: its row, and whether things have been well since."""

    id: int
    raised: RaisedAlert
    latch: Latch


class AlertBook:
    """Raises and clears alerts, in the database first.

    Args:
        session: One that moves no deliveries.
        tell: Gets what was raised or cleared, once it is stored.

    Attributes:
        is_read: What is known is what the database knows.
    """

    def __init__(self, session: Session, tell: Callable[[Change], None]) -> None:
        self._session = session
        self._tell = tell
        self._entries: dict[Key, _Entry] = {}
        self._raising: set[Key] = set()
        self._clearing: dict[int, RaisedAlert] = {}
        self._has_lost_answer = False
        self.is_read = False

    def raised(self) -> frozenset[Key]:
        """Return which alerts last."""
        return frozenset(self._entries)

    def counts(self) -> Mapping[str, int]:
        """Return how many alerts last, by name."""
        return Counter(key.alert for key in self._entries)

    def forget(self) -> None:
        """Know nothing: another relay keeps the book."""
        self._entries.clear()
        self._raising.clear()
        self._clearing.clear()
        self._has_lost_answer = False
        self.is_read = False

    async def read(self) -> None:
        """Read which alerts last; those that were known keep since when things are well.

        Raises:
            DatabaseAway: As of any statement.
        """
        rows = await self._session.fetch("alert_active")
        before = self._entries
        self._entries = {key: _entry(key, row, before.get(key)) for row in rows for key in (_key(row),)}
        self.is_read = True
        for key in self._raising & self._entries.keys() - before.keys():
            self._tell(self._entries[key].raised)  # stored by us; only the answer was lost
        self._raising.clear()

    async def settle(self, findings: Iterable[Finding], now: float) -> None:
        """Raise and clear what these findings demand. An alert that nothing was found for has lost its cause.

        Args:
            findings: At most one for each alert.
            now: Monotonic seconds.

        Raises:
            DatabaseAway: What is not stored is not told, and is found again.
        """
        found = {finding.key: finding for finding in findings}
        if self._clearing:
            await self._finish_clearing()
        over = [key for key, entry in self._entries.items() if _is_over(entry, found.get(key), now)]
        new = [
            finding
            for key, finding in found.items()
            if key not in self._entries and Latch().note(finding.state, now, calm=finding.calm)
        ]
        if over:
            await self._clear(over)
        if new:
            await self._raise(new)

    async def _clear(self, keys: list[Key]) -> None:
        entries = [self._entries.pop(key) for key in keys]
        self._clearing |= {entry.id: entry.raised for entry in entries}
        await self._finish_clearing()

    async def _finish_clearing(self) -> None:
        try:
            rows = await self._session.fetch("alert_clear", list(self._clearing))
        except DatabaseAway:
            self._has_lost_answer = True  # they may be cleared
            raise
        for row in rows:
            if row["by_this"] or self._has_lost_answer:
                self._tell(ClearedAlert(raised=self._clearing[row["id"]], cleared_at=row["cleared_at"]))
        self._entries = {key: each for key, each in self._entries.items() if each.id not in self._clearing}
        self._clearing.clear()
        self._has_lost_answer = False

    async def _raise(self, findings: list[Finding]) -> None:
        try:
            rows = await self._session.fetch(
                "alert_raise",
                [finding.key.alert for finding in findings],
                [finding.key.endpoint_id for finding in findings],
                [finding.summary for finding in findings],
                [orjson.dumps(dict(finding.detail)).decode() for finding in findings],
            )
        except DatabaseAway:
            self._raising.update(finding.key for finding in findings)
            self.is_read = False  # they may be stored
            raise
        for row in rows:
            key = _key(row)
            self._raising.discard(key)
            entry = self._entries[key] = _entry(key, row, None)
            self._tell(entry.raised)
        if len(rows) < len(findings):
            self.is_read = False  # somebody else raised the others; they are read with the next round


def raised_of(key: Key, row: asyncpg.Record) -> RaisedAlert:
    """Return the alert in a row of relay.alert."""
    return RaisedAlert(
        key=key, summary=row["summary"], detail=json.loads(row["detail"]), raised_at=row["raised_at"]
    )


def _is_over(entry: _Entry, finding: Finding | None, now: float) -> bool:
    return finding is None or not entry.latch.note(finding.state, now, calm=finding.calm)


def _key(row: asyncpg.Record) -> Key:
    return Key(row["alert"], row["endpoint_id"])


def _entry(key: Key, row: asyncpg.Record, before: _Entry | None) -> _Entry:
    latch = Latch(is_raised=True) if before is None else before.latch
    return _Entry(row["id"], raised_of(key, row), latch)
