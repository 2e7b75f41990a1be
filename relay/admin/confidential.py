"""What of endpoints and events is shown to those alone who may change it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from relay.admin.operations.endpoint_values import EndpointDetails
from relay.admin.principal import Principal
from relay.pipeline.texts import HIDDEN, carries_secret


def endpoint_for(principal: Principal, endpoint: EndpointDetails) -> EndpointDetails:
    """Return an endpoint as somebody may see it."""
    return replace(endpoint, headers=_for(principal, endpoint.headers))


def event_headers_for(principal: Principal, text: str | None) -> dict[str, Any]:
    """Return the headers of an event as somebody may see them.

    Args:
        principal: Who.
        text: As the event has them: a JSON object, or whatever else an application wrote there.
    """
    headers = json.loads(text or "{}")
    return _for(principal, headers) if isinstance(headers, dict) else {}


def _for(principal: Principal, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return headers without the values that carry secrets, such as Authorization; who makes endpoints sees them."""
    if principal.may("admin"):
        return dict(headers)
    return {name: HIDDEN if carries_secret(name) else value for name, value in headers.items()}
