"""Every route of the panel."""

from aiohttp import web

from relay.admin.context import CONTEXT
from relay.admin.live import LIVE, SAMPLES, STOPPING, Live
from relay.admin.pages import (
    alerts,
    audit,
    deliveries,
    delivery,
    endpoint_changes,
    endpoint_states,
    endpoints,
    event_form,
    events,
    operations,
    overview,
    sending,
    sign_in,
    static,
)
from relay.admin.principal import Scope
from relay.admin.routes import Handler, Route
from relay.admin.samples import Samples

__all__ = ["ROUTES", "STOPPING", "prepare"]


def _get(path: str, answer: Handler, scope: Scope | None = "read") -> Route:
    return Route(method="GET", path=path, answer=answer, scope=scope)


def _post(path: str, answer: Handler, scope: Scope | None) -> Route:
    return Route(method="POST", path=path, answer=answer, scope=scope)


_ENDPOINT = "/endpoints/{endpoint_id}"
_DELIVERY = "/deliveries/{event_id}/{endpoint_id}"
_EVENT = "/events/{event_id}"

ROUTES: tuple[Route, ...] = (
    _get("/", overview.overview),
    Route(method="GET", path="/live", answer=overview.stream, scope="read", is_stream=True),
    _get("/static/{version}/{name}", static.show_file, None),
    _get("/sign-in", sign_in.show_sign_in, None),
    _post("/sign-in", sign_in.sign_in, None),
    _post("/sign-out", sign_in.sign_out, "read"),
    _get("/sending/pause", sending.confirm_pause, "operate"),
    _post("/sending/pause", sending.pause, "operate"),
    _post("/sending/resume", sending.resume, "operate"),
    _get("/deliveries", deliveries.list_deliveries),
    _post("/deliveries", deliveries.change_selected, "operate"),
    _get(_DELIVERY, delivery.show_delivery),
    _post(f"{_DELIVERY}/retry", delivery.retry, "operate"),
    _get(f"{_DELIVERY}/discard", delivery.confirm_discard, "operate"),
    _post(f"{_DELIVERY}/discard", delivery.discard, "operate"),
    _get(_DELIVERY + "/responses/{key}", delivery.download_response),
    _get("/endpoints", endpoints.list_endpoints),
    _get("/endpoints/new", endpoint_changes.show_new, "admin"),
    _post("/endpoints", endpoint_changes.create, "admin"),
    _get(_ENDPOINT, endpoints.show_endpoint),
    _get(f"{_ENDPOINT}/edit", endpoint_changes.show_edit, "admin"),
    _post(f"{_ENDPOINT}/edit", endpoint_changes.edit, "admin"),
    _post(f"{_ENDPOINT}/pause", endpoint_states.pause, "operate"),
    _get(f"{_ENDPOINT}/resume", endpoint_states.show_resume, "operate"),
    _post(f"{_ENDPOINT}/resume", endpoint_states.resume, "operate"),
    _post(f"{_ENDPOINT}/test", endpoint_states.send_test, "operate"),
    _get(f"{_ENDPOINT}/rotate-secret", endpoint_changes.show_rotate, "admin"),
    _post(f"{_ENDPOINT}/rotate-secret", endpoint_changes.rotate, "admin"),
    _get(f"{_ENDPOINT}/remove", endpoint_changes.confirm_remove, "admin"),
    _post(f"{_ENDPOINT}/remove", endpoint_changes.remove, "admin"),
    _get("/events", events.list_events),
    _get("/events/new", event_form.show_form, "operate"),
    _post("/events", event_form.publish, "operate"),
    _get(_EVENT, events.show_event),
    _get(f"{_EVENT}/payload", events.download_payload),
    _get(f"{_EVENT}/cancel", events.confirm_cancel, "operate"),
    _post(f"{_EVENT}/cancel", events.cancel, "operate"),
    _get("/operations", operations.list_operations),
    _post("/operations", operations.prepare, "operate"),
    _get("/operations/{number}", operations.show_operation),
    _post("/operations/{number}/{action}", operations.change, "operate"),
    _get("/alerts", alerts.show_alerts),
    _get("/audit", audit.list_audit),
)


def prepare(app: web.Application) -> None:
    """Give the application what pages share: the samples of the process, and the look that all viewers share."""
    context = app[CONTEXT]
    samples = app[SAMPLES] = Samples(context.readings)
    app[LIVE] = Live(context.sessions)

    async def start(_: web.Application) -> None:
        samples.start()

    async def stop(_: web.Application) -> None:
        samples.stop()

    app.on_startup.append(start)
    app.on_cleanup.append(stop)
