"""Kinds of field that bodies, queries and answers share, and what every model has."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from relay.admin.operations.inputs import MAX_NAME
from relay.durations import format_duration, parse_duration

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
_DURATION = {
    "type": "string",
    "pattern": r"^(\d+(\.\d+)?(us|ms|s|m|h|d))+$",
    "description": "A length of time, such as 250ms, 30s, 1h30m or 3d.",
    "examples": ["30s"],
}

Item = TypeVar("Item")


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError('it is no duration; write for example "30s"')  # noqa: TRY004 - pydantic wants these
    return parse_duration(value)


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("it is no time with a time zone; write for example 2026-07-01T12:00:00Z")
    return datetime.fromisoformat(value.upper())


def _sensible(value: datetime) -> datetime:
    if not _FIRST <= value <= _LAST:
        raise ValueError("it is not between the years 1970 and 3000")
    return value


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("it has a NUL character, which cannot be stored")
    return value


Duration = Annotated[
    timedelta,
    PlainValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(_DURATION),
]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_moment),
    AfterValidator(_sensible),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-07-01T12:00:00Z"]}),
]
Name = Annotated[str, StringConstraints(max_length=MAX_NAME), AfterValidator(_storable)]
"""A tenant, a key, a type: what the database keeps short."""
Json = dict[str, Any]
"""Any JSON object."""


class Given(BaseModel):
    """What a program sends: exactly the fields that are known, each of its own type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Answer(BaseModel):
    """What a program gets. More fields may come with later versions."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class ListQuery(Given):
    """Which part of a list.

    A page may have fewer items than `limit`, or none, and still a `next_cursor`: what matches is looked for among
    millions, and a page is not waited for. Only a page without `next_cursor` is the last.
    """

    limit: int = Field(50, ge=1, le=500, description="At most so many items.")
    cursor: str | None = Field(
        None, max_length=300, description="Where the page begins: the `next_cursor` of the one before."
    )


class PageOf(Answer, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null: there is none.")


class Changed(Answer):
    """Whether a wish changed anything; what it asked for is so in any case."""

    changed: bool


class Problem(BaseModel):
    """Why a request was not done (RFC 9457)."""

    type: str
    title: str = Field(description="The status in words.")
    status: int
    code: str = Field(description="What the matter is, in one word for programs.")
    detail: str = Field(description="What the matter is and what to do, for people.")
    errors: list["FieldError"] = Field(default=[], description="Which fields cannot be used, if it is that.")


class FieldError(BaseModel):
    """A field that cannot be used, and why."""

    field: str
    reason: str
