"""What is done with an endpoint: pause and resume it, change its secret, send it a test."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

from relay.admin.api.ask import Ask, Reply
from relay.admin.api.deliveries import report_of
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import endpoints as models
from relay.admin.api.models.deliveries import DeliveryReport
from relay.admin.api.raw import member
from relay.admin.operations import catch_up, deliveries, endpoint_tests, endpoints
from relay.admin.operations.deliveries import DeliveryName
from relay.admin.operations.endpoint_tests import ENDED, LOOK_EVERY
from relay.admin.operations.errors import InvalidInput

LONGEST_WAIT = timedelta(seconds=30)
LONGEST_OVERLAP = timedelta(days=30)


async def pause_endpoint(ask: Ask) -> Reply:
    """Hold an endpoint's deliveries."""
    async with ask.session() as session:
        change = await endpoints.pause(session, ask.endpoint_id, actor=ask.actor)
    return Reply(
        answer=models.EndpointChange(
            endpoint=models.Endpoint.model_validate(change.endpoint), changed=change.is_changed, discarded=0
        )
    )


async def resume_endpoint(ask: Ask) -> Reply:
    """Send to an endpoint again."""
    discarded = 0
    if ask.body.discard_waiting:
        async with ask.patient() as session:
            discarded = await catch_up.discard_held(session, ask.endpoint_id, actor=ask.actor)
    async with ask.session() as session:
        change = await endpoints.resume(session, ask.endpoint_id, actor=ask.actor)
    return Reply(
        answer=models.EndpointChange(
            endpoint=models.Endpoint.model_validate(change.endpoint),
            changed=change.is_changed,
            discarded=discarded,
        )
    )


async def rotate_secret(ask: Ask) -> Reply:
    """Give an endpoint another secret."""
    body: models.RotateBody = ask.body
    if body.overlap > LONGEST_OVERLAP:
        raise InvalidInput("overlap must be at most 30d; a secret that signs for ever is no old one")
    async with ask.session() as session:
        rotated = await endpoints.rotate_secret(
            session,
            ask.endpoint_id,
            box=ask.context.box(),
            actor=ask.actor,
            overlap=body.overlap,
            secret=body.secret,
        )
    return Reply(answer=models.RotatedSecret.model_validate(rotated))


async def test_endpoint(ask: Ask) -> Reply:
    """Send a test event to an endpoint, and wait for what comes of it."""
    body: models.TestBody = ask.body
    wait = body.wait or timedelta(0)
    if wait > LONGEST_WAIT:
        raise InvalidInput("wait must be at most 30s; ask for the delivery later")
    async with ask.session() as session:
        event_id = await endpoint_tests.send(
            session,
            ask.endpoint_id,
            actor=ask.actor,
            event_type=body.event_type,
            payload=member(ask.text or "{}", "payload") or endpoint_tests.TEST_PAYLOAD,
        )
    return Reply(answer=await _outcome(ask, event_id, wait.total_seconds()))


async def _outcome(ask: Ask, event_id: UUID, limit: float) -> DeliveryReport:
    """Look until the test has ended or the time is over; between looks others may have the session."""
    name = DeliveryName(event_id=event_id, endpoint_id=ask.endpoint_id)
    deadline = time.monotonic() + limit
    while True:
        async with ask.session() as session:
            report = await deliveries.show(session, name)
        if report.status.state in ENDED or time.monotonic() >= deadline:
            return report_of(report, ask)
        await asyncio.sleep(LOOK_EVERY)


ROUTES = (
    ApiRoute(
        method="POST",
        path="/endpoints/{endpoint_id}/pause",
        call=pause_endpoint,
        scope="operate",
        tag="Endpoints",
        summary="Hold an endpoint's deliveries until it is resumed",
        answer=models.EndpointChange,
    ),
    ApiRoute(
        method="POST",
        path="/endpoints/{endpoint_id}/resume",
        call=resume_endpoint,
        scope="operate",
        tag="Endpoints",
        summary="Send to a paused or disabled endpoint again",
        body=models.ResumeBody,
        is_body_optional=True,
        answer=models.EndpointChange,
    ),
    ApiRoute(
        method="POST",
        path="/endpoints/{endpoint_id}/rotate-secret",
        call=rotate_secret,
        scope="admin",
        tag="Endpoints",
        summary="Give an endpoint another secret",
        body=models.RotateBody,
        answer=models.RotatedSecret,
    ),
    ApiRoute(
        method="POST",
        path="/endpoints/{endpoint_id}/test",
        call=test_endpoint,
        scope="operate",
        tag="Endpoints",
        summary="Send a test event to an endpoint",
        note="It is sent once, whatever the endpoint subscribes to. The answer is its delivery after `wait`; "
        "ask for that delivery to see what comes later.",
        body=models.TestBody,
        is_body_optional=True,
        answer=DeliveryReport,
        status=201,
    ),
)
