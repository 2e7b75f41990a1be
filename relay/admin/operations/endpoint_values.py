"""What an endpoint is to an operator: its fields, which values they may have, and its rows."""

import json
import re
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import asyncpg

from relay.admin.operations.errors import InvalidInput
from relay.admin.operations.inputs import MAX_NAME, checked_text
from relay.endpoints.filters import depth_of, parse
from relay.http.addresses import AddressPolicy
from relay.http.headers import InvalidHeader, check_headers
from relay.http.signature import SignatureFormat
from relay.http.url import InvalidUrl, check_url

LONGEST_TIMEOUT = timedelta(minutes=5)
MAX_PATTERNS = 500
MAX_DESCRIPTION = 1000
MAX_METADATA = 16 * 1024
MAX_RETRIES = 100
MAX_FILTER = 4096
DEEPEST_FILTER = 20
LEAST_RATE, MOST_RATE = 0.001, 100_000
_END_OF_INTEGER = 2**31

_PATTERN = re.compile(r"\*|[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*(\.\*)?")


class Unchanged(Enum):
    """The one value that leaves a field as it is."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED
Value = TypeVar("Value")
Change: TypeAlias = Value | Unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRules:
    """Which URLs an endpoint may have; see `relay.http.url.check_url`."""

    allow_http: bool
    allow_ports: Sequence[Container[int]]
    policy: AddressPolicy
    own: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """An endpoint to add; None leaves a limit to the configuration."""

    url: str
    description: str = ""
    tenant: str = ""
    event_types: tuple[str, ...] = ("*",)
    filter: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    signature: str = "both"
    timeout: timedelta | None = None
    ordered: bool = False
    rate_limit: float | None = None
    max_in_flight: int | None = None
    retry_schedule: tuple[timedelta, ...] | None = None
    store_response_body: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChanges:
    """Which fields of an endpoint to change, and to what; None gives a limit back to the configuration."""

    url: Change[str] = UNCHANGED
    description: Change[str] = UNCHANGED
    event_types: Change[tuple[str, ...]] = UNCHANGED
    filter: Change[Mapping[str, Any] | None] = UNCHANGED
    headers: Change[Mapping[str, str]] = UNCHANGED
    signature: Change[str] = UNCHANGED
    timeout: Change[timedelta | None] = UNCHANGED
    ordered: Change[bool] = UNCHANGED
    rate_limit: Change[float | None] = UNCHANGED
    max_in_flight: Change[int | None] = UNCHANGED
    retry_schedule: Change[tuple[timedelta, ...] | None] = UNCHANGED
    store_response_body: Change[bool] = UNCHANGED
    metadata: Change[Mapping[str, Any]] = UNCHANGED

    def changed(self) -> tuple[str, ...]:
        """Return the names of the fields that change."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) is not UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointDetails:
    """An endpoint as operators see it, without its secrets."""

    id: UUID
    url: str
    description: str
    tenant: str
    event_types: tuple[str, ...]
    filter: Mapping[str, Any] | None
    headers: Mapping[str, str]
    signature: str
    timeout: timedelta | None
    ordered: bool
    rate_limit: float | None
    max_in_flight: int | None
    retry_schedule: tuple[timedelta, ...] | None
    store_response_body: bool
    metadata: Mapping[str, Any]
    state: str
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


def endpoint_of(row: asyncpg.Record) -> EndpointDetails:
    """Return the endpoint that a row of one of the endpoint statements describes."""
    values = {each.name: row[each.name] for each in fields(EndpointDetails)}
    schedule, rate = row["retry_schedule"], row["rate_limit"]
    return EndpointDetails(
        **{
            **values,
            "event_types": tuple(row["event_types"]),
            "filter": None if row["filter"] is None else json.loads(row["filter"]),
            "rate_limit": int(rate) if rate is not None and rate.is_integer() else rate,
            "headers": json.loads(row["headers"]),
            "metadata": json.loads(row["metadata"]),
            "retry_schedule": None if schedule is None else tuple(schedule),
        }
    )


def columns_of(wanted: NewEndpoint | EndpointChanges, rules: UrlRules) -> dict[str, Any]:
    """Return the checked fields that are given, by column, as the statements take them.

    Raises:
        InvalidInput: A field has a value that it may not have; the message says which and what to do.
    """
    given = {each.name: getattr(wanted, each.name) for each in fields(wanted)}
    return {name: _checked(name, value, rules) for name, value in given.items() if value is not UNCHANGED}


def _checked(name: str, value: Any, rules: UrlRules) -> Any:
    return _url(value, rules) if name == "url" else _CHECKS[name](value)


def headers_text(headers: Mapping[str, str]) -> str:
    """Return request headers as the JSON text that is stored.

    Raises:
        InvalidInput: One of them cannot be sent.
    """
    try:
        return json.dumps(dict(check_headers(headers)))
    except InvalidHeader as error:
        raise InvalidInput(str(error)) from error


def _url(url: str, rules: UrlRules) -> str:
    try:
        return check_url(
            url,
            allow_http=rules.allow_http,
            allow_ports=rules.allow_ports,
            policy=rules.policy,
            own=rules.own,
        ).url
    except InvalidUrl as error:
        raise InvalidInput(f"{error} ({error.reason})") from error


def _patterns(patterns: Sequence[str]) -> list[str]:
    if not 0 < len(patterns) <= MAX_PATTERNS:
        raise InvalidInput(f"event_types takes 1 to {MAX_PATTERNS} patterns; * is every event")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern) or len(pattern) > MAX_NAME:
            raise InvalidInput(
                f"{ascii(pattern)[:100]} is no pattern of event types; "
                "write a type such as invoice.paid, a prefix such as invoice.*, or * for everything"
            )
    return list(dict.fromkeys(patterns))


def _signature(value: str) -> str:
    try:
        return SignatureFormat(value).value
    except ValueError:
        choices = ", ".join(SignatureFormat)
        raise InvalidInput(f"{ascii(value)[:50]} is no signature format; choose one of {choices}") from None


def _metadata(metadata: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(dict(metadata), allow_nan=False)
    except ValueError as error:
        raise InvalidInput(f"metadata is not JSON: {error}") from error
    if len(text) > MAX_METADATA:
        raise InvalidInput(f"metadata is {len(text)} bytes of JSON; at most {MAX_METADATA} are stored")
    return text


def _filter(condition: Mapping[str, Any] | None) -> str | None:
    if condition is None:
        return None
    try:
        text = json.dumps(dict(condition), allow_nan=False)
        depth = depth_of(parse(text))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"filter is not JSON that can be judged: {error}") from error
    if not condition:
        raise InvalidInput("filter is empty, and would take every event; leave it out for that")
    if len(text) > MAX_FILTER or depth > DEEPEST_FILTER:
        raise InvalidInput(
            f"filter has {len(text)} bytes and is {depth} deep; at most {MAX_FILTER} and {DEEPEST_FILTER} are judged"
        )
    return text


def _rate_limit(value: float | None) -> float | None:
    if value is not None and not LEAST_RATE <= value <= MOST_RATE:
        raise InvalidInput(
            f"rate_limit must be {LEAST_RATE} to {MOST_RATE} requests a second; write for example 50"
        )
    return value


def _timeout(value: timedelta | None) -> timedelta | None:
    if value is not None and not timedelta(0) < value <= LONGEST_TIMEOUT:
        raise InvalidInput("timeout must be more than 0 and at most 5m; write for example 30s")
    return value


def _max_in_flight(value: int | None) -> int | None:
    if value is not None and not 0 < value < _END_OF_INTEGER:
        raise InvalidInput("max_in_flight must be 1 or more")
    return value


def _retry_schedule(value: Sequence[timedelta] | None) -> list[timedelta] | None:
    if value is None:
        return None
    if not 0 < len(value) <= MAX_RETRIES or not all(value):
        raise InvalidInput(
            f"retry_schedule must be 1 to {MAX_RETRIES} delays of more than 0; write for example 5s,1m,1h"
        )
    return list(value)


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "description": partial(checked_text, "description", longest=MAX_DESCRIPTION),
    "tenant": partial(checked_text, "tenant"),
    "event_types": _patterns,
    "filter": _filter,
    "headers": headers_text,
    "signature": _signature,
    "timeout": _timeout,
    "ordered": bool,
    "rate_limit": _rate_limit,
    "max_in_flight": _max_in_flight,
    "retry_schedule": _retry_schedule,
    "store_response_body": bool,
    "metadata": _metadata,
}
