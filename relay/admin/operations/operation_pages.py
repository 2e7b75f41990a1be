"""Lists of operations on many deliveries, page by page."""

from relay.admin.operations.inputs import checked_text
from relay.admin.operations.paging import Page, from_cursor, number_of, to_cursor
from relay.lookback.operations import Operation, State, operation_of
from relay.store.session import Session


async def page(
    session: Session,
    *,
    limit: int,
    cursor: str | None = None,
    tenant: str | None = None,
    state: State | None = None,
) -> Page[Operation]:
    """Return operations, the newest first; those that were prepared and not started only if that state is asked for.

    Args:
        session: The database.
        limit: At most so many.
        cursor: Where the page begins; None: with the newest.
        tenant: Only those that were prepared for this one alone; None: all.
        state: Only those in it.

    Raises:
        InvalidInput: The cursor is none of this list, or the tenant cannot be one.
    """
    if tenant is not None:
        checked_text("tenant", tenant)
    (before,) = (None,) if cursor is None else from_cursor(cursor, number_of)
    rows = await session.fetch("operation_page", tenant, before, state, limit + 1)
    items = tuple(operation_of(row) for row in rows[:limit])
    return Page(items=items, next_cursor=to_cursor(items[-1].id) if len(rows) > limit else None)
