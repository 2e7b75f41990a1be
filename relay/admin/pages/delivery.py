"""The page of one delivery: why it is where it is, and every attempt with what was sent and what came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
from aiohttp import hdrs, web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations.deliveries import Attempt, DeliveryName, DeliveryReport
from relay.admin.operations.delivery_changes import Change
from relay.admin.operations.endpoint_values import EndpointDetails
from relay.admin.operations.errors import NotFound
from relay.admin.operations.explain import explain
from relay.admin.pages import deliveries, fields, visible
from relay.admin.pages.curl import as_curl
from relay.admin.pages.flash import go_on
from relay.admin.pages.rendering import render
from relay.admin.principal import Principal
from relay.store.session import Session

_SOON = timedelta(seconds=60)
_MOST_SHOWN = 64 * 1024
"""Characters of a body that a page shows; the whole of it can be downloaded."""
_MOST_ATTEMPTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAttempt:
    """An attempt as the page shows it.

    Attributes:
        key: Tells it from the others of its delivery.
        curl: A command that sends the request again.
    """

    attempt: Attempt
    key: int
    request_headers: Mapping[str, str]
    response_headers: Mapping[str, str]
    curl: str

    @property
    def tone(self) -> str:
        """How it went, as a colour."""
        return {"delivered": "good", "dead": "bad"}.get(self.attempt.outcome, "warn")


async def show_delivery(request: web.Request) -> web.StreamResponse:
    """Show a delivery."""
    name = _name_of(request)
    principal = request[PRINCIPAL]
    async with request.app[CONTEXT].sessions.session() as session:
        report = await visible.delivery(session, principal, name)
        endpoint = await _endpoint_of(session, principal, name)
    status = report.status
    return render(
        request,
        "delivery.html",
        name=name,
        delivery=status,
        endpoint=endpoint,
        why=explain(status, now=report.asked_at, is_relay_running=report.is_relay_running),
        attempts=[_shown(each) for each in reversed(report.attempts[-_MOST_ATTEMPTS:])],
        hidden=max(len(report.attempts) - _MOST_ATTEMPTS, 0),
        refreshes=_changes_soon(report),
        most_shown=_MOST_SHOWN,
    )


async def download_response(request: web.Request) -> web.StreamResponse:
    """Send what a receiver answered, as a file: nothing of it is ever shown by the browser itself."""
    name = _name_of(request)
    async with request.app[CONTEXT].sessions.session() as session:
        report = await visible.delivery(session, request[PRINCIPAL], name)
    for each in report.attempts:
        if str(key_of(each)) == request.match_info["key"] and each.response_body is not None:
            return as_file(each.response_body.encode("utf-8", "replace"), f"response-{each.attempt}.bin")
    raise NotFound("there is no such response; the endpoint may not keep what it answers")


async def retry(request: web.Request) -> web.StreamResponse:
    """Send a delivery again and show it."""
    return await _change(request, "retry")


async def discard(request: web.Request) -> web.StreamResponse:
    """Give a delivery up and show it."""
    return await _change(request, "discard")


async def confirm_discard(request: web.Request) -> web.StreamResponse:
    """Ask whether a delivery is to be given up."""
    name = _name_of(request)
    async with request.app[CONTEXT].sessions.session() as session:
        report = await visible.delivery(session, request[PRINCIPAL], name)
    return render(
        request,
        "confirm.html",
        title="Give this delivery up?",
        text=f"{report.status.event_type} will not be sent to this endpoint any more. "
        "The log keeps what was tried, and a retry takes it up again as long as it is kept.",
        target=f"/deliveries/{name}/discard",
        button="Give it up",
        back=f"/deliveries/{name}",
        fields={},
    )


def as_file(body: bytes, name: str) -> web.Response:
    """Return bytes that strangers wrote so that a browser saves them, whatever they are."""
    return web.Response(
        body=body,
        content_type="application/octet-stream",
        headers={hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'},
    )


def key_of(attempt: Attempt) -> int:
    """Return what tells an attempt from the others of its delivery: its time in microseconds."""
    since = attempt.attempted_at - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


async def _change(request: web.Request, kind: Change) -> web.Response:
    name = _name_of(request)
    async with request.app[CONTEXT].sessions.session() as session:
        await visible.delivery(session, request[PRINCIPAL], name)
        results = await deliveries.change(session, request[PRINCIPAL], kind, [str(name)])
    text, is_good = deliveries.summary(kind, results)
    return go_on(request, f"/deliveries/{name}", text, "good" if is_good else "bad")


async def _endpoint_of(session: Session, principal: Principal, name: DeliveryName) -> EndpointDetails | None:
    try:
        return await visible.endpoint(session, principal, name.endpoint_id)
    except NotFound:
        return None  # it was removed


def _name_of(request: web.Request) -> DeliveryName:
    return DeliveryName(
        event_id=fields.path_id(request, "event_id"), endpoint_id=fields.path_id(request, "endpoint_id")
    )


def _shown(attempt: Attempt) -> ShownAttempt:
    headers = _headers_of(attempt.request_headers)
    return ShownAttempt(
        attempt=attempt,
        key=key_of(attempt),
        request_headers=headers,
        response_headers=_headers_of(attempt.response_headers),
        curl=as_curl(attempt.url, headers, attempt.request_body),
    )


def _headers_of(text: str | None) -> Mapping[str, str]:
    """Return headers as they are stored: a name may have several values."""
    found = orjson.loads(text) if text else {}
    pairs = found.items() if isinstance(found, dict) else found
    return {
        str(name): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in pairs
    }


def _changes_soon(report: DeliveryReport) -> bool:
    status = report.status
    if status.state in {"pending", "in_flight"}:
        return True
    due = status.next_attempt_at
    return status.state == "retrying" and (due is None or due < report.asked_at + _SOON)
