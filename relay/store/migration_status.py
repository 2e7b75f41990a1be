"""Which migrations a database and this code have, and what that means for working together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import asyncpg

from relay.store.migrations import Migration


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """One migration as this database and this code know it.

    `changed`: applied with another text than this code's. `unknown`: applied, and not part of this code.
    """

    version: int
    name: str
    state: Literal["applied", "pending", "changed", "unknown"]
    breaking: bool
    applied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether this code may work on this database, and in words what to do if not.

    `pending`: migrations are to be applied. `newer`: the database has a breaking migration that this code
    does not know. `diverged`: a migration was applied with another text, or out of its order.
    """

    kind: Literal["ok", "pending", "newer", "diverged"]
    message: str

    @property
    def is_ok(self) -> bool:
        """Whether this code may work on this database."""
        return self.kind == "ok"


def compare(known: Iterable[Migration], applied: Mapping[int, asyncpg.Record]) -> list[MigrationStatus]:
    """Return every migration of the two, oldest first; `applied` has the rows of the bookkeeping by version."""
    found = {
        row["version"]: MigrationStatus(
            version=row["version"],
            name=row["name"],
            state="unknown",
            breaking=row["breaking"],
            applied_at=row["applied_at"],
        )
        for row in applied.values()
    }
    for each in known:
        row = applied.get(each.version)
        found[each.version] = MigrationStatus(
            version=each.version,
            name=each.name,
            state=_state(each, row),
            breaking=each.breaking,
            applied_at=row["applied_at"] if row else None,
        )
    return [found[version] for version in sorted(found)]


def judge(found: Iterable[MigrationStatus]) -> Verdict:
    """Return the verdict on the migrations that the database and this code have."""
    found = tuple(found)
    last_applied = max((each.version for each in found if each.state != "pending"), default=0)
    changed = [each for each in found if each.state == "changed"]
    late = [each for each in found if each.state == "pending" and each.version < last_applied]
    unknown = [each for each in found if each.state == "unknown" and each.breaking]
    pending = [each for each in found if each.state == "pending"]
    if changed:
        message = (
            f"migration {_name(changed[0])} was applied with another text than this version of Relay has"
        )
        return Verdict(kind="diverged", message=f"{message}; install the version that applied it")
    if unknown:
        message = f"the database was migrated by a newer Relay (to {_name(unknown[-1])})"
        return Verdict(kind="newer", message=f"{message}; install that version, or a later one")
    if late:
        message = f"migration {_name(late[0])} is missing although a later one was applied"
        return Verdict(
            kind="diverged", message=f"{message}; restore the database, or install a later version"
        )
    if pending:
        number = "1 migration is" if len(pending) == 1 else f"{len(pending)} migrations are"
        message = f"{number} pending, the next is {_name(pending[0])}"
        return Verdict(kind="pending", message=f"{message}; run `relay migrate up`")
    return Verdict(kind="ok", message=f"the schema is at migration {last_applied:04}")


def _name(found: MigrationStatus) -> str:
    return f"{found.version:04}_{found.name}"


def _state(migration: Migration, row: asyncpg.Record | None) -> Literal["applied", "pending", "changed"]:
    if row is None:
        return "pending"
    return "applied" if row["checksum"] == migration.checksum else "changed"
