"""Changes of many deliveries: prepared, which counts them, and then started."""

from collections.abc import Awaitable, Callable, Mapping

from relay.admin.api import tenancy
from relay.admin.api.ask import Ask, Reply
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import operations as models
from relay.admin.operations import bulk, operation_pages
from relay.admin.operations.bulk import ReplayFilter
from relay.admin.operations.deliveries import Filter
from relay.admin.operations.errors import InvalidInput
from relay.admin.operations.inputs import checked_text
from relay.lookback.operations import Action, Operation, Selected

ACTIONS: Mapping[Action, str] = {
    "start": "Let the relay begin with an operation",
    "pause": "Let an operation rest",
    "resume": "Go on with an operation that rests",
    "cancel": "End an operation; what it has done stays",
}


async def list_operations(ask: Ask) -> Reply:
    """List operations, the newest first."""
    query: models.OperationsQuery = ask.query
    async with ask.session() as session:
        page = await operation_pages.page(
            session, limit=query.limit, cursor=query.cursor, tenant=query.tenant, state=query.state
        )
    items = [_answer_of(each, ask) for each in page.items]
    return Reply(answer=models.OperationPage(items=items, next_cursor=page.next_cursor))


async def prepare_operation(ask: Ask) -> Reply:
    """Select what is to be retried or discarded."""
    body: models.NewOperationBody = ask.body
    wanted = Filter(**body.filter.model_dump())
    _check(wanted.event_type, wanted.tenant, wanted.reason)
    async with ask.patient() as session:
        selected = await bulk.prepare_change(session, body.kind, wanted, rate=body.rate, actor=ask.actor)
    return await _prepared(ask, selected)


async def prepare_replay(ask: Ask) -> Reply:
    """Select what is to be sent again."""
    body: models.NewReplayBody = ask.body
    if body.missing and "states" in body.model_fields_set:
        raise InvalidInput("missing is about what was never sent, so it has no states; leave one of them out")
    given = body.model_dump(exclude={"rate", "states"})
    wanted = ReplayFilter(**given, states=tuple(dict.fromkeys(body.states)))
    _check(wanted.event_type, wanted.tenant)
    async with ask.patient() as session:
        selected = await bulk.prepare_replay(session, wanted, rate=body.rate, actor=ask.actor)
    return await _prepared(ask, selected)


async def show_operation(ask: Ask) -> Reply:
    """Show an operation and how far the relay has got with it."""
    return Reply(answer=await _shown(ask, ask.ids["operation_id"]))


def changing(action: Action) -> Callable[[Ask], Awaitable[Reply]]:
    """Return what starts, pauses, resumes or cancels an operation."""

    async def change(ask: Ask) -> Reply:
        number = ask.ids["operation_id"]
        async with ask.session() as session:
            is_changed = await bulk.change(session, number, action, actor=ask.actor)
        return Reply(answer=models.OperationChange(operation=await _shown(ask, number), changed=is_changed))

    change.__name__ = f"{action}_operation"
    return change


async def _prepared(ask: Ask, selected: Selected) -> Reply:
    answer = await _shown(ask, selected.operation_id)
    return Reply(answer=answer, headers={"Location": f"/api/v1/operations/{answer.id}"})


async def _shown(ask: Ask, number: int) -> models.Operation:
    async with ask.session() as session:
        return _answer_of(await bulk.show(session, number), ask)


def _answer_of(operation: Operation, ask: Ask) -> models.Operation:
    return models.Operation.model_validate(tenancy.operation_for(operation, ask.principal))


def _check(*texts: str | None) -> None:
    for text in texts:
        if text is not None:
            checked_text("a text of the filter", text)


ROUTES = (
    ApiRoute(
        method="GET",
        path="/operations",
        call=list_operations,
        scope="read",
        tag="Operations",
        summary="List changes of many deliveries, the newest first",
        query=models.OperationsQuery,
        answer=models.OperationPage,
    ),
    ApiRoute(
        method="POST",
        path="/operations",
        call=prepare_operation,
        scope="operate",
        tag="Operations",
        summary="Select what is to be retried or discarded",
        note="Nothing is changed yet: look at `total`, and start or cancel it.",
        body=models.NewOperationBody,
        answer=models.Operation,
        status=201,
    ),
    ApiRoute(
        method="POST",
        path="/replays",
        call=prepare_replay,
        scope="operate",
        tag="Operations",
        summary="Select what is to be sent again",
        note="Nothing is sent yet: look at `total`, and start or cancel the operation.",
        body=models.NewReplayBody,
        answer=models.Operation,
        status=201,
    ),
    ApiRoute(
        method="GET",
        path="/operations/{operation_id}",
        call=show_operation,
        scope="read",
        tag="Operations",
        summary="Show an operation and how far the relay has got with it",
        answer=models.Operation,
    ),
    *(
        ApiRoute(
            method="POST",
            path=f"/operations/{{operation_id}}/{action}",
            call=changing(action),
            scope="operate",
            tag="Operations",
            summary=summary,
            answer=models.OperationChange,
        )
        for action, summary in ACTIONS.items()
    ),
)
