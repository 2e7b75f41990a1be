"""Data on standard output: as a table for people, or as JSON for programs."""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, assert_never
from uuid import UUID

import click

from relay.admin.unshowable import UNSHOWABLE
from relay.cli.common import OutputFormat
from relay.durations import format_duration

_UNSHOWABLE = re.compile(f"[{UNSHOWABLE}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its heading, what it shows of a row, and whether that must stay in one piece."""

    heading: str
    value: Callable[[Any], object]
    is_id: bool = False


def show_rows(rows: Sequence[object], columns: Sequence[Column], output: OutputFormat) -> None:
    """Print rows (dataclasses) as a table, as one JSON array, or as a JSON object a line."""
    match output:
        case "table":
            from relay.cli.tables import print_table  # noqa: PLC0415 - rich is only for people

            print_table(rows, columns)
        case "json":
            click.echo(to_json([plain(row) for row in rows], indent=2))
        case "jsonl":
            for row in rows:
                click.echo(to_json(plain(row)))
        case _:
            assert_never(output)


def show_one(row: object, output: OutputFormat) -> None:
    """Print one value (a dataclass or a mapping) as a list of its fields, or as a JSON object."""
    show_fields(plain(row), output)


def show_fields(fields: Mapping[str, object], output: OutputFormat) -> None:
    """Print fields that are plain already as `show_one` does."""
    match output:
        case "table":
            from relay.cli.tables import print_fields  # noqa: PLC0415 - rich is only for people

            print_fields(fields)
        case "json":
            click.echo(to_json(fields, indent=2))
        case "jsonl":
            click.echo(to_json(fields))
        case _:
            assert_never(output)


def to_json(value: object, indent: int | None = None) -> str:
    """Return plain data as JSON text in which nothing can act on a terminal."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return _UNSHOWABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plain(value: Any) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """Return a value as JSON can say it: times in UTC by RFC 3339, durations as "30s"."""
    match value:
        case Enum():
            return value.value
        case UUID():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return format_duration(value)
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value
