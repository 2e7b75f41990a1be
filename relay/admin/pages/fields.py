"""What people put into forms and addresses, read with errors that say what to write instead."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web

from relay.admin.operations.errors import InvalidInput
from relay.durations import parse_duration

LEAST_STATUS, MOST_STATUS = 100, 999
_LONGEST = 2**63 - 1
Values = Mapping[str, str]


async def values_of(request: web.Request) -> dict[str, str]:
    """Return the texts of a submitted form, without what surrounds them; of a repeated one the last."""
    form = await request.post()
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


def text_of(values: Values, name: str) -> str | None:
    """Return a text; None if there is none."""
    return values.get(name, "").strip() or None


def id_of(values: Values, name: str) -> UUID | None:
    """Return an id; None if there is none.

    Raises:
        InvalidInput: It is no id.
    """
    text = text_of(values, name)
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise InvalidInput(
            f"{ascii(text)[:60]} is no id; one looks like 6f0c1a52-0000-4000-8000-000000000000"
        ) from None


def number_of(values: Values, name: str) -> int | None:
    """Return a whole number; None if there is none.

    Raises:
        InvalidInput: It is none that can be stored.
    """
    text = text_of(values, name)
    try:
        number = None if text is None else int(text[:30])
    except ValueError:
        raise InvalidInput(f"{ascii(text)[:40]} is no whole number") from None
    if number is not None and abs(number) > _LONGEST:
        raise InvalidInput("it must fit into 64 bits")
    return number


def status_of(values: Values, name: str) -> int | None:
    """Return a status code; None if there is none.

    Raises:
        InvalidInput: It is none.
    """
    number = number_of(values, name)
    if number is not None and not LEAST_STATUS <= number <= MOST_STATUS:
        raise InvalidInput(f"a status code is {LEAST_STATUS} to {MOST_STATUS}, for example 503")
    return number


def moment_of(values: Values, name: str, *, ahead: bool = False) -> datetime | None:
    """Return a time, in UTC if its zone is not said, or a span from now; None if there is none.

    Args:
        values: Of the form.
        name: Of the field.
        ahead: Spans lead into the future, not the past.

    Raises:
        InvalidInput: It is neither.
    """
    text = text_of(values, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) + (parse_duration(text) if ahead else -parse_duration(text))
    except ValueError:
        raise InvalidInput(
            f"{ascii(text)[:40]} is no time; write 30m, 2d, 2026-07-01 or 2026-07-01T12:00 (UTC)"
        ) from None


def path_id(request: web.Request, name: str) -> UUID:
    """Return an id that is part of the address.

    Raises:
        web.HTTPNotFound: It is none, so there is nothing there.
    """
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise web.HTTPNotFound from None
