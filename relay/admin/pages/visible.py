"""What somebody may see: a token of one tenant knows of nothing else, not even that it is there.

What is returned here is in the words that they may read.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from aiohttp import web

from relay.admin import discretion
from relay.admin.confidential import endpoint_for, event_headers_for
from relay.admin.context import PRINCIPAL
from relay.admin.operations import bulk, deliveries, endpoints, events
from relay.admin.operations.deliveries import DeliveryName, DeliveryReport, DeliveryStatus
from relay.admin.operations.endpoint_values import EndpointDetails
from relay.admin.operations.errors import NotFound
from relay.admin.operations.events import EventReport
from relay.admin.principal import Principal
from relay.admin.problems import Problem, ProblemError
from relay.lookback.operations import Operation
from relay.store.session import Session


async def endpoint(session: Session, principal: Principal, endpoint_id: UUID) -> EndpointDetails:
    """Return an endpoint.

    Raises:
        NotFound: There is none of that id, or it is another tenant's.
    """
    try:
        found = await endpoints.show(session, endpoint_id)
    except NotFound:
        # That one was removed is told to those alone who may know of all there were.
        if principal.tenant is None:
            raise
        found = None
    if found is None or not _is_of(principal, found.tenant):
        raise NotFound(f"there is no endpoint {endpoint_id}; the list of endpoints has those there are")
    return endpoint_for(principal, found)


async def event(session: Session, principal: Principal, event_id: UUID) -> EventReport:
    """Return an event and what became of it.

    Raises:
        NotFound: There is none of that id, or it is another tenant's.
    """
    found = await events.show(session, event_id)
    if not _is_of(principal, found.event.tenant):
        raise NotFound(f"there is no event {event_id}: it was never committed, or retention has deleted it")
    found = replace(found, deliveries=tuple(statuses(found.deliveries, principal)))
    if found.event.headers is None or principal.may("admin"):
        return found
    headers = json.dumps(event_headers_for(principal, found.event.headers), ensure_ascii=False)
    return replace(found, event=replace(found.event, headers=headers))


async def delivery(session: Session, principal: Principal, name: DeliveryName) -> DeliveryReport:
    """Return a delivery with its attempts.

    Raises:
        NotFound: There is none of that name, or it is another tenant's.
    """
    found = await deliveries.show(session, name)
    if not _is_of(principal, found.status.tenant):
        raise NotFound(
            f"there is no delivery {name}: the endpoint did not subscribe to the event, "
            "or retention has deleted it"
        )
    return replace(
        found,
        status=discretion.status_for(found.status, principal.tenant),
        attempts=tuple(discretion.attempt_for(each, principal.tenant) for each in found.attempts),
    )


def statuses(found: Iterable[DeliveryStatus], principal: Principal) -> list[DeliveryStatus]:
    """Return what may be told of deliveries that somebody may see."""
    return [discretion.status_for(each, principal.tenant) for each in found]


async def operation(session: Session, principal: Principal, operation_id: int) -> Operation:
    """Return an operation.

    Raises:
        NotFound: There is none of that number, or it is about more than this tenant.
    """
    found = await bulk.show(session, operation_id)
    if principal.tenant is not None and found.selection.get("tenant") != principal.tenant:
        raise NotFound(f"there is no operation {operation_id}")
    return discretion.operation_for(found, principal)


def check_all_tenants(request: web.Request, what: str) -> None:
    """Refuse what tells of all tenants to a token of one.

    Raises:
        ProblemError: It is one (403).
    """
    principal = request[PRINCIPAL]
    if principal.tenant is not None:
        raise ProblemError(
            Problem(
                status=403,
                code="scope",
                detail=f"{what} is about all tenants, and the token {principal.name!r} is for one",
            )
        )


def _is_of(principal: Principal, tenant: str) -> bool:
    return principal.tenant is None or principal.tenant == tenant
