"""Events: publish, find, show and withdraw them."""

import json
from dataclasses import asdict, replace
from uuid import UUID

from relay.admin.api.ask import Ask, Reply
from relay.admin.api.deliveries import delivery_of
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import events as models
from relay.admin.api.models.fields import Changed
from relay.admin.api.once import Creation, once
from relay.admin.api.raw import member
from relay.admin.operations import event_pages, events
from relay.admin.operations.event_pages import EventFilter
from relay.admin.operations.events import NewEvent, Published
from relay.store.session import Statements


async def list_events(ask: Ask) -> Reply:
    """List events, the newest first."""
    query: models.EventsQuery = ask.query
    wanted = EventFilter(**query.model_dump(exclude={"limit", "cursor"}))
    async with ask.session() as session:
        page = await event_pages.page(session, wanted, limit=query.limit, cursor=query.cursor)
    return Reply(answer=models.EventPage.model_validate(page))


async def publish_event(ask: Ask) -> Reply:
    """Publish an event."""
    body: models.NewEventBody = ask.body
    given = body.model_dump(exclude={"payload", "tenant"})
    wanted = NewEvent(**given, payload=member(ask.text, "payload") or "", tenant=body.tenant or "")

    async def create(statements: Statements, event_id: UUID) -> Published:
        return await events.publish(statements, replace(wanted, id=event_id), actor=ask.actor)

    creation = Creation(
        what=f"event {wanted.payload}",
        create=create,
        find=events.published,
        id_of=lambda made: made.event_id,
    )
    published, is_new = await once(ask, creation)
    return Reply(
        answer=models.Published.model_validate(published),
        status=201 if is_new and published.is_new else 200,
        headers={"Location": f"/api/v1/events/{published.event_id}"},
    )


async def show_event(ask: Ask) -> Reply:
    """Show an event and what became of it."""
    async with ask.session() as session:
        report = await events.show(session, ask.event_id)
    event = {
        **asdict(report.event),
        "headers": json.loads(report.event.headers or "{}"),
        "deliveries": [delivery_of(each, ask) for each in report.deliveries],
    }
    return Reply(answer=models.Event.model_validate(event))


async def cancel_event(ask: Ask) -> Reply:
    """Withdraw what of an event has not been claimed."""
    async with ask.session() as session:
        is_changed = await events.cancel(session, ask.event_id, actor=ask.actor)
    return Reply(answer=Changed(changed=is_changed))


ROUTES = (
    ApiRoute(
        method="GET",
        path="/events",
        call=list_events,
        scope="read",
        tag="Events",
        summary="List events, the newest first",
        query=models.EventsQuery,
        answer=models.EventPage,
    ),
    ApiRoute(
        method="POST",
        path="/events",
        call=publish_event,
        scope="operate",
        tag="Events",
        summary="Publish an event",
        note="An application publishes in its own transaction, by SQL; this is for what has none.",
        body=models.NewEventBody,
        answer=models.Published,
        status=201,
        creates_once=True,
    ),
    ApiRoute(
        method="GET",
        path="/events/{event_id}",
        call=show_event,
        scope="read",
        tag="Events",
        summary="Show an event and what became of it",
        answer=models.Event,
    ),
    ApiRoute(
        method="POST",
        path="/events/{event_id}/cancel",
        call=cancel_event,
        scope="operate",
        tag="Events",
        summary="Withdraw what of an event has not been claimed",
        answer=Changed,
    ),
)
