"""The list of deliveries, and what is done with those that somebody ticked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web
from multidict import MultiDictProxy

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import delivery_changes, delivery_pages, endpoint_names
from relay.admin.operations.deliveries import STATES, DeliveryName, statuses_of
from relay.admin.operations.delivery_changes import DONE, Change, ChangeResult
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages import visible
from relay.admin.pages.delivery_filter import NAMES, changes_for, filter_of
from relay.admin.pages.flash import go_on
from relay.admin.pages.pages_of import PageLinks
from relay.admin.pages.rendering import render
from relay.admin.principal import Principal
from relay.store.session import Session

ON_A_PAGE = 50
_MOST_NAMED = 200
_DID = {"retry": "will be sent again", "discard": "given up"}


async def list_deliveries(request: web.Request) -> web.StreamResponse:
    """Show the deliveries that match the filters in the address."""
    links = PageLinks.of(request, NAMES)
    principal = request[PRINCIPAL]
    problem, page, names, status = None, None, {}, 200
    try:
        wanted = filter_of(links.filters, principal)
        async with request.app[CONTEXT].sessions.session() as session:
            page = await delivery_pages.page(session, wanted, limit=ON_A_PAGE, cursor=links.cursor)
            page = replace(page, items=tuple(visible.statuses(page.items, principal)))
            names = await endpoint_names.of(session, (each.endpoint_id for each in page.items))
    except InvalidInput as error:
        problem, status = str(error), 422
    return render(
        request,
        "deliveries.html",
        status=status,
        links=links,
        page=page,
        names=names,
        problem=problem,
        states=STATES,
        changes=changes_for(links.filters.get("state")),
    )


async def change_selected(request: web.Request) -> web.StreamResponse:
    """Send the ticked deliveries again, or give them up, and show the list again."""
    form = await request.post()
    kind, names = _wish_of(form)
    back = _back_of(str(form.get("back", "")))
    if not names:
        return go_on(request, back, "Nothing was selected, so nothing was changed.", "note")
    async with request.app[CONTEXT].sessions.session() as session:
        results = await change(session, request[PRINCIPAL], kind, names)
    text, is_good = summary(kind, results)
    return go_on(request, back, text, "good" if is_good else "bad")


async def change(
    session: Session, principal: Principal, kind: Change, names: Sequence[str]
) -> list[ChangeResult]:
    """Change deliveries that are named; to a token of one tenant those of others are not there.

    Raises:
        InvalidInput: One of them is no name, or there are too many.
    """
    if len(names) > _MOST_NAMED:
        raise InvalidInput(f"at most {_MOST_NAMED} deliveries are named at once; use all that match instead")
    parsed = [DeliveryName.parse(each) for each in names]
    known = [each for each in parsed if await _is_visible(session, principal, each)]
    results = await delivery_changes.change(session, kind, known, actor=principal.actor)
    hidden = [each for each in parsed if each not in known]
    return [*results, *(ChangeResult(delivery=each, result="not_found") for each in hidden)]


def summary(kind: Change, results: Sequence[ChangeResult]) -> tuple[str, bool]:
    """Return what became of the wish in a sentence, and whether all of it was granted."""
    if len(results) == 1:
        message = results[0].message.replace("`", "")
        return f"{message[:1].upper()}{message[1:]}.", results[0].result in DONE[kind]
    counts = Counter(each.result for each in results)
    done = sum(counts.pop(each, 0) for each in DONE[kind])
    left = [f"{number} {result.replace('_', ' ')}" for result, number in sorted(counts.items())]
    said = f"{done} of {len(results)} {_DID[kind]}"
    return f"{said}; nothing was changed of the others: {', '.join(left)}." if left else f"{said}.", not left


def _wish_of(form: MultiDictProxy[Any]) -> tuple[Change, list[str]]:
    """Return what is to be done, and with which deliveries: with one whose button was pressed, or with those ticked.

    Raises:
        InvalidInput: That is not said.
    """
    if one := form.get("retry_one"):
        return "retry", [str(one)]
    names = [str(each) for each in form.getall("delivery", [])]
    match form.get("change"):
        case "retry":
            return "retry", names
        case "discard":
            return "discard", names
    raise InvalidInput("choose what is to be done: retry or discard")


async def _is_visible(session: Session, principal: Principal, name: DeliveryName) -> bool:
    if principal.tenant is None:
        return True
    found = await statuses_of(session, name.event_id, name.endpoint_id)
    return any(each.tenant == principal.tenant for each in found)


def _back_of(path: str) -> str:
    """Return where to go on: a list of deliveries."""
    return path if path.startswith("/deliveries") and path.isprintable() else "/deliveries"
