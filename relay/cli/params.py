"""The kinds of value that options have, each with an error that says what to write instead.

Each function is a click type: it reads what the command line says, or raises click.BadParameter.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from relay.admin.operations.deliveries import DeliveryName
from relay.admin.operations.errors import InvalidInput
from relay.durations import parse_duration

NONE = "none"
"""What takes a limit or a condition away."""
DEFAULT = "default"
"""What gives a limit back to the configuration; it is read as None."""


def duration(text: str) -> timedelta | None:
    """Read "30s" or "default"."""
    return None if text == DEFAULT else span(text)


def span(text: str) -> timedelta:
    """Read "30s"."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def durations(text: str) -> tuple[timedelta, ...] | None:
    """Read "5s,1m,1h" or "default"."""
    if text == DEFAULT:
        return None
    try:
        return tuple(parse_duration(each.strip()) for each in text.split(","))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def number(text: str) -> int | None:
    """Read a whole number or "default"."""
    if text == DEFAULT:
        return None
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no number; write a whole number, or {DEFAULT}") from None


def moment_ago(text: str) -> datetime:
    """Read a time ("2026-07-01T12:00:00Z"; local without a zone), or how long ago that is ("2h")."""
    return _moment(text, -1)


def moment_ahead(text: str) -> datetime:
    """Read a time as `moment_ago` does, or how far ahead it is."""
    return _moment(text, 1)


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter('it is not a JSON object; write for example {"team": "billing"}')
    return found


def json_object_or_none(text: str) -> dict[str, Any] | None:
    """Read a JSON object or "none"."""
    return None if text == NONE else json_object(text)


def rate(text: str) -> float | None:
    """Read so many a second, or "none"."""
    if text == NONE:
        return None
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no number; write how many a second, or {NONE}") from None


def header(text: str) -> tuple[str, str]:
    """Read a request header, "NAME: VALUE"."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter("it is no header; write 'Name: value'")
    return name.strip(), value.strip()


def headers_of(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the headers that a repeated option gave; one given twice is an error."""
    headers = dict(pairs)
    if len(headers) < len(pairs):
        raise click.BadParameter("a header is given twice; give it once", param_hint="'--header'")
    return headers


def delivery_name(text: str) -> DeliveryName:
    """Read the name of a delivery, EVENT_ID/ENDPOINT_ID."""
    try:
        return DeliveryName.parse(text)
    except InvalidInput as error:
        raise click.BadParameter(str(error)) from None


def _moment(text: str, sign: int) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) + sign * parse_duration(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; write for example 2026-07-01T12:00:00Z, 2026-07-01, 30m or 2d"
        ) from None
