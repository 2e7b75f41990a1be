"""The form of an endpoint: what its fields say, each with its own error beside it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from relay.admin.operations.endpoint_values import (
    EndpointChanges,
    EndpointDetails,
    NewEndpoint,
    UrlRules,
    columns_of,
)
from relay.admin.operations.errors import InvalidInput
from relay.durations import format_duration, parse_duration

_DEFAULTS = {"event_types": "*", "signature": "both", "store_response_body": "yes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as it is filled in.

    Attributes:
        values: The texts in the fields, by their names.
        errors: What is wrong, by the field; under "" what is wrong with no field in particular.
    """

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


def new_form() -> Form:
    """Return the form of an endpoint that is to be made."""
    return Form(values=_DEFAULTS)


def form_of(endpoint: EndpointDetails) -> Form:
    """Return the form of an endpoint that is there."""
    schedule = endpoint.retry_schedule
    values = {
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": "\n".join(endpoint.event_types),
        "filter": "" if endpoint.filter is None else _json(endpoint.filter),
        "headers": "\n".join(f"{name}: {value}" for name, value in endpoint.headers.items()),
        "signature": endpoint.signature,
        "timeout": "" if endpoint.timeout is None else format_duration(endpoint.timeout),
        "ordered": "yes" if endpoint.ordered else "",
        "rate_limit": "" if endpoint.rate_limit is None else f"{endpoint.rate_limit:g}",
        "max_in_flight": "" if endpoint.max_in_flight is None else str(endpoint.max_in_flight),
        "retry_schedule": "" if schedule is None else ", ".join(map(format_duration, schedule)),
        "store_response_body": "yes" if endpoint.store_response_body else "",
        "metadata": _json(endpoint.metadata) if endpoint.metadata else "",
    }
    return Form(values=values)


def read(values: Mapping[str, str], rules: UrlRules) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields that a form gives, checked, and what is wrong with the others.

    Args:
        values: What was filled in.
        rules: Which URLs are allowed.
    """
    fields: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, reader in _READERS.items():
        try:
            fields[name] = reader(values.get(name, "").strip())
            columns_of(EndpointChanges(**{name: fields[name]}), rules)
        except InvalidInput as error:
            errors[name] = str(error)
    return fields, errors


def new_endpoint_of(fields: Mapping[str, Any], tenant: str) -> NewEndpoint:
    """Return the endpoint that a form asks for."""
    return NewEndpoint(tenant=tenant, **fields)


def changes_of(fields: Mapping[str, Any], now: EndpointDetails) -> EndpointChanges:
    """Return what a form changes of an endpoint."""
    return EndpointChanges(**{name: value for name, value in fields.items() if value != getattr(now, name)})


def _patterns(text: str) -> tuple[str, ...]:
    return tuple(each for each in re.split(r"[,\s]+", text) if each)


def _headers(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InvalidInput(f"{ascii(line)[:60]} is no header; write one a line, such as X-Team: billing")
        if name.strip().lower() in {each.lower() for each in headers}:
            raise InvalidInput(f"{ascii(name.strip())[:60]} is given twice; give it once")
        headers[name.strip()] = value.strip()
    return headers


def _span(text: str) -> timedelta | None:
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def _spans(text: str) -> tuple[timedelta, ...] | None:
    spans = [_span(each) for each in re.split(r"\s*,\s*", text) if each]
    return tuple(each for each in spans if each is not None) or None


def _number(kind: type[int] | type[float]) -> Callable[[str], float | int | None]:
    def read_number(text: str) -> float | int | None:
        try:
            return kind(text[:40]) if text else None
        except ValueError:
            what = "whole number" if kind is int else "number"
            raise InvalidInput(f"{ascii(text)[:40]} is no {what}; leave it empty for the default") from None

    return read_number


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput('it is not a JSON object; write for example {"team": "billing"}')
    return found


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, indent=2)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "url": str,
    "description": str,
    "event_types": _patterns,
    "filter": lambda text: _object(text) if text else None,
    "headers": _headers,
    "signature": str,
    "timeout": _span,
    "ordered": lambda text: text == "yes",
    "rate_limit": _number(float),
    "max_in_flight": _number(int),
    "retry_schedule": _spans,
    "store_response_body": lambda text: text == "yes",
    "metadata": _object,
}
