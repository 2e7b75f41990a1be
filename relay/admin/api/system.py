"""What concerns everything: numbers, the audit, alerts, and who asks."""

from relay.admin.api.ask import Ask, Reply
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import system as models
from relay.admin.operations import alerts, audit, stats
from relay.admin.operations.audit import AuditFilter
from relay.admin.operations.paging import from_cursor, number_of, to_cursor


async def whoami(ask: Ask) -> Reply:
    """Tell the name, the scope and the tenant of the token."""
    return Reply(answer=models.Whoami.model_validate(ask.principal))


async def show_stats(ask: Ask) -> Reply:
    """Tell the state of everything in a few numbers."""
    async with ask.session() as session:
        found = await stats.gather(session)
    return Reply(answer=models.Stats.model_validate(found))


async def list_audit(ask: Ask) -> Reply:
    """List who changed what, the newest first."""
    query: models.AuditQuery = ask.query
    wanted = AuditFilter(**query.model_dump(exclude={"limit", "cursor"}))
    async with ask.session() as session:
        page = await audit.page(session, wanted, limit=query.limit, cursor=query.cursor)
    return Reply(answer=models.AuditPage.model_validate(page))


async def list_alerts(ask: Ask) -> Reply:
    """List alerts, the newest first."""
    query: models.AlertsQuery = ask.query
    (before,) = (None,) if query.cursor is None else from_cursor(query.cursor, number_of)
    async with ask.session() as session:
        found = await alerts.list_alerts(
            session, active=query.active, tenant=query.tenant, before=before, limit=query.limit + 1
        )
    items = [models.Alert.model_validate(each) for each in found[: query.limit]]
    next_cursor = to_cursor(items[-1].id) if len(found) > query.limit else None
    return Reply(answer=models.AlertPage(items=items, next_cursor=next_cursor))


ROUTES = (
    ApiRoute(
        method="GET",
        path="/whoami",
        call=whoami,
        scope="read",
        tag="Everything",
        summary="Tell what the token may do",
        answer=models.Whoami,
    ),
    ApiRoute(
        method="GET",
        path="/stats",
        call=show_stats,
        scope="read",
        tag="Everything",
        summary="Tell the state of everything in a few numbers",
        answer=models.Stats,
        for_tenants=False,
    ),
    ApiRoute(
        method="GET",
        path="/alerts",
        call=list_alerts,
        scope="read",
        tag="Everything",
        summary="List alerts, the newest first",
        query=models.AlertsQuery,
        answer=models.AlertPage,
    ),
    ApiRoute(
        method="GET",
        path="/audit",
        call=list_audit,
        scope="read",
        tag="Everything",
        summary="List who changed what, the newest first",
        query=models.AuditQuery,
        answer=models.AuditPage,
        for_tenants=False,
    ),
)
