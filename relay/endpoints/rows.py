"""Rows of the registry turned into endpoints."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson

from relay.endpoints.endpoint import Endpoint
from relay.endpoints.failing import WrittenStreak
from relay.endpoints.filters import parse
from relay.http.headers import InvalidHeader, check_headers
from relay.http.signature import InvalidSecret, Secret, SignatureFormat, parse_secret
from relay.model import Schedule
from relay.observe.logs import get_logger
from relay.store.secrets import CannotOpen, SecretBox
from relay.store.session import Session

log = get_logger()

UNUSABLE = "endpoint_unusable"
"""Why an endpoint takes no deliveries whose row cannot be used; what is wrong with it was logged."""
TROUBLES = {
    "secret_missing": "it has no secret, and nothing is sent unsigned; give it one",
    "secret_unreadable": "its secret cannot be read, and nothing is sent unsigned; give it another",
}
"""Why an endpoint takes no deliveries though nobody stopped it, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What an endpoint has where its row says nothing."""

    timeout: float
    max_in_flight: int
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a reading of the registry brought.

    Attributes:
        is_whole: These are all endpoints, not only the changed ones.
        open_for: Seconds more for each whose breaker is open, as it is written down; read only with the whole.
        throttled_for: The same for each that asked to be left alone.
        failing: Those that do nothing but fail.
    """

    version: int
    is_whole: bool
    endpoints: tuple[Endpoint, ...]
    removed: tuple[UUID, ...]
    open_for: Mapping[UUID, float]
    throttled_for: Mapping[UUID, float]
    failing: Mapping[UUID, WrittenStreak]


class EndpointRows:
    """Reads endpoints from the database.

    Args:
        defaults: For what a row leaves open.
        secrets: Opens sealed secrets.
        refuse_url: Why a URL can never be called, or None.
    """

    def __init__(
        self, *, defaults: Defaults, secrets: SecretBox, refuse_url: Callable[[str], str | None]
    ) -> None:
        self._defaults = defaults
        self.secrets = secrets
        self._refuse_url = refuse_url

    def change(self, *, defaults: Defaults, refuse_url: Callable[[str], str | None]) -> None:
        """Read with other rules from now on."""
        self._defaults = defaults
        self._refuse_url = refuse_url

    async def read(self, session: Session, *, known: int) -> Changes:
        """Read what changed after version `known`, or everything where that cannot be told apart."""
        head = await session.fetch_row("registry_version")
        assert head is not None  # noqa: S101 - the migration puts the one row there
        since = 0 if head["reload_from"] > known else known
        pauses = {row["tenant"] for row in await session.fetch("registry_pauses")}
        present = await session.fetch("registry_load", since)
        conditions = await session.fetch("registry_conditions") if since == 0 else []
        return Changes(
            # What changed after the first of these statements is read again with the next look.
            version=head["version"],
            is_whole=since == 0,
            endpoints=tuple(self._endpoints(present, pauses)),
            removed=tuple(row["id"] for row in present if row["removed"]),
            open_for={row["endpoint_id"]: row["seconds"] for row in conditions if row["is_broken"]},
            throttled_for={row["endpoint_id"]: row["seconds"] for row in conditions if row["is_throttled"]},
            failing={
                row["endpoint_id"]: _written(row) for row in conditions if row["failing_for"] is not None
            },
        )

    def _endpoints(self, rows: list[asyncpg.Record], pauses: set[str | None]) -> Iterator[Endpoint]:
        """Yield the endpoints of these rows; one that cannot be read must not take the others along."""
        for row in rows:
            if row["removed"]:
                continue
            try:
                endpoint = self._endpoint(row, pauses)
            except (ValueError, TypeError) as error:
                log.error(  # noqa: TRY400 - somebody wrote the row so: no traceback
                    "endpoint.unusable", endpoint_id=str(row["id"]), detail=f"{type(error).__name__}: {error}"
                )
                endpoint = _unusable(row)
            if endpoint.hold in TROUBLES:
                log.error("endpoint.unusable", endpoint_id=str(row["id"]), detail=TROUBLES[endpoint.hold])
            yield endpoint

    def _endpoint(self, row: asyncpg.Record, pauses: set[str | None]) -> Endpoint:
        secrets, ends, trouble = self._open(row)
        headers, bad_header = _headers(row["headers"])
        defaults = self._defaults
        return Endpoint(
            id=row["id"],
            url=row["url"],
            tenant=row["tenant"],
            event_types=tuple(row["event_types"]),
            filter=None if row["filter"] is None else parse(row["filter"]),
            headers=headers,
            signature=SignatureFormat(row["signature"]),
            secrets=secrets,
            secrets_end_at=ends,
            timeout=row["timeout"] or defaults.timeout,
            ordered=row["ordered"],
            rate_limit=row["rate_limit"],
            max_in_flight=row["max_in_flight"] or defaults.max_in_flight,
            schedule=_schedule(row["retry_schedule"], defaults.schedule),
            store_response_body=row["store_response_body"],
            hold=_hold(row, pauses) or trouble,
            refusal=self._refuse_url(row["url"]) or bad_header,
        )

    def _open(self, row: asyncpg.Record) -> tuple[tuple[Secret, ...], tuple[float, ...], str | None]:
        """Return the secrets that can be read, when each ends, and why nothing can be signed if there is none."""
        stored = list(zip(row["sealed"] or (), row["key_ids"] or (), row["ends"] or (), strict=True))
        readable: list[tuple[Secret, float]] = []
        for data, key_id, end in stored:
            try:
                secret = parse_secret(self.secrets.open(data, key_id, endpoint_id=row["id"]))
            except (CannotOpen, InvalidSecret):
                continue
            readable.append((secret, math.inf if end is None else end))
        trouble = None if readable else "secret_unreadable" if stored else "secret_missing"
        return tuple(secret for secret, _ in readable), tuple(end for _, end in readable), trouble


def _unusable(row: asyncpg.Record) -> Endpoint:
    """Return an endpoint whose row cannot be used: it gets its deliveries, held until somebody mends it."""
    return Endpoint(
        id=row["id"],
        url=row["url"],
        tenant=row["tenant"],
        event_types=tuple(row["event_types"]),
        headers=(),
        signature=SignatureFormat.BOTH,
        secrets=(),
        timeout=1.0,
        max_in_flight=1,
        schedule=Schedule(),
        store_response_body=False,
        hold=UNUSABLE,
        refusal=None,
    )


def _written(row: asyncpg.Record) -> WrittenStreak:
    return WrittenStreak(**{each.name: row[each.name] for each in fields(WrittenStreak)})


def _hold(row: asyncpg.Record, pauses: set[str | None]) -> str | None:
    if row["state"] != "active":
        return f"endpoint_{row['state']}"
    if None in pauses or row["tenant"] in pauses:
        return "sending_paused"
    return None


def _headers(text: str) -> tuple[tuple[tuple[str, str], ...], str | None]:
    """Return the checked headers, or why they can never be sent."""
    try:
        return check_headers(orjson.loads(text)), None
    except (InvalidHeader, ValueError) as error:
        return (), str(error)


def _schedule(delays: list[float] | None, default: Schedule) -> Schedule:
    if delays is None:
        return default
    return replace(default, delays=tuple(timedelta(seconds=delay) for delay in delays))
