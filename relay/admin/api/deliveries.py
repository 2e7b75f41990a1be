"""Deliveries: list, show, retry and discard them."""

import json
from dataclasses import asdict

from relay.admin.api import tenancy
from relay.admin.api.ask import Ask, Reply
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import deliveries as models
from relay.admin.operations import deliveries, delivery_changes, delivery_pages
from relay.admin.operations.deliveries import (
    Attempt,
    DeliveryName,
    DeliveryReport,
    DeliveryStatus,
    Filter,
)
from relay.admin.operations.delivery_changes import Change
from relay.admin.operations.errors import NotFound, Refused
from relay.admin.operations.explain import explain


async def list_deliveries(ask: Ask) -> Reply:
    """List deliveries, those of the newest events first."""
    query: models.DeliveriesQuery = ask.query
    wanted = Filter(**query.model_dump(exclude={"limit", "cursor"}))
    async with ask.session() as session:
        page = await delivery_pages.page(session, wanted, limit=query.limit, cursor=query.cursor)
    items = [delivery_of(each, ask) for each in page.items]
    return Reply(answer=models.DeliveryPage(items=items, next_cursor=page.next_cursor))


async def show_delivery(ask: Ask) -> Reply:
    """Show a delivery with every attempt."""
    async with ask.session() as session:
        report = await deliveries.show(session, _name(ask))
    return Reply(answer=report_of(report, ask))


async def retry_delivery(ask: Ask) -> Reply:
    """Send a delivery again."""
    return await _change_one(ask, "retry")


async def discard_delivery(ask: Ask) -> Reply:
    """Give a delivery up."""
    return await _change_one(ask, "discard")


async def retry_deliveries(ask: Ask) -> Reply:
    """Send deliveries again that are named."""
    return await _change_named(ask, "retry")


async def discard_deliveries(ask: Ask) -> Reply:
    """Give deliveries up that are named."""
    return await _change_named(ask, "discard")


def delivery_of(status: DeliveryStatus, ask: Ask) -> models.Delivery:
    """Return a delivery as whoever asks may see it."""
    return models.Delivery.model_validate(_fields(tenancy.status_for(status, ask.tenant)))


def report_of(report: DeliveryReport, ask: Ask) -> models.DeliveryReport:
    """Return a delivery with its attempts as whoever asks may see them."""
    status = tenancy.status_for(report.status, ask.tenant)
    sentence = explain(status, now=report.asked_at, is_relay_running=report.is_relay_running)
    log = [_attempt_of(tenancy.attempt_for(each, ask.tenant)) for each in report.attempts]
    return models.DeliveryReport.model_validate({**_fields(status), "explanation": sentence, "log": log})


def _fields(status: DeliveryStatus) -> dict[str, object]:
    name = None
    if status.endpoint_id is not None:
        name = str(DeliveryName(event_id=status.event_id, endpoint_id=status.endpoint_id))
    return {"delivery": name, **asdict(status)}


def _attempt_of(attempt: Attempt) -> models.Attempt:
    answered = None if attempt.response_headers is None else json.loads(attempt.response_headers)
    headers = {"request_headers": json.loads(attempt.request_headers), "response_headers": answered}
    return models.Attempt.model_validate({**asdict(attempt), **headers})


def _name(ask: Ask) -> DeliveryName:
    return DeliveryName(event_id=ask.event_id, endpoint_id=ask.endpoint_id)


async def _change_one(ask: Ask, kind: Change) -> Reply:
    async with ask.session() as session:
        (found,) = await delivery_changes.change(
            session, kind, [_name(ask)], actor=ask.actor, tenant=ask.tenant
        )
    if found.result == "not_found":
        raise NotFound(f"there is no delivery {found.delivery}")
    if found.result not in delivery_changes.DONE[kind]:
        raise Refused(f"delivery {found.delivery}: {found.message}")
    return Reply(answer=_result_of(found))


async def _change_named(ask: Ask, kind: Change) -> Reply:
    names = [DeliveryName.parse(text) for text in ask.body.deliveries]
    async with ask.session() as session:
        found = await delivery_changes.change(session, kind, names, actor=ask.actor, tenant=ask.tenant)
    return Reply(answer=models.ChangeResults(items=[_result_of(each) for each in found]))


def _result_of(found: delivery_changes.ChangeResult) -> models.ChangeResult:
    return models.ChangeResult(delivery=str(found.delivery), result=found.result, message=found.message)


ROUTES = (
    ApiRoute(
        method="GET",
        path="/deliveries",
        call=list_deliveries,
        scope="read",
        tag="Deliveries",
        summary="List deliveries, those of the newest events first",
        query=models.DeliveriesQuery,
        answer=models.DeliveryPage,
    ),
    ApiRoute(
        method="GET",
        path="/deliveries/{event_id}/{endpoint_id}",
        call=show_delivery,
        scope="read",
        tag="Deliveries",
        summary="Show a delivery with every attempt",
        answer=models.DeliveryReport,
    ),
    ApiRoute(
        method="POST",
        path="/deliveries/{event_id}/{endpoint_id}/retry",
        call=retry_delivery,
        scope="operate",
        tag="Deliveries",
        summary="Send a delivery again, with a new retry window",
        answer=models.ChangeResult,
    ),
    ApiRoute(
        method="POST",
        path="/deliveries/{event_id}/{endpoint_id}/discard",
        call=discard_delivery,
        scope="operate",
        tag="Deliveries",
        summary="Give a delivery up",
        answer=models.ChangeResult,
    ),
    ApiRoute(
        method="POST",
        path="/deliveries/retry",
        call=retry_deliveries,
        scope="operate",
        tag="Deliveries",
        summary="Send deliveries again that are named",
        body=models.NamedBody,
        answer=models.ChangeResults,
    ),
    ApiRoute(
        method="POST",
        path="/deliveries/discard",
        call=discard_deliveries,
        scope="operate",
        tag="Deliveries",
        summary="Give deliveries up that are named",
        body=models.NamedBody,
        answer=models.ChangeResults,
    ),
)
