"""Giving up what waited for a stopped endpoint, before it is resumed: to begin with what is new."""

from uuid import UUID

from relay.admin.operations import bulk, endpoints
from relay.admin.operations.deliveries import Filter
from relay.admin.operations.errors import Refused
from relay.lookback.runner import work_off
from relay.store.session import Session


async def discard_held(session: Session, endpoint_id: UUID, *, actor: str) -> int:
    """Give up what waits for a paused or disabled endpoint, and return how many deliveries that were.

    Raises:
        NotFound: There is no endpoint of that id.
        Refused: It is active, or something ended this before it was done.
    """
    endpoint = await endpoints.show(session, endpoint_id)
    if endpoint.state == "active":
        raise Refused(
            f"endpoint {endpoint_id} is active, so nothing of it waits for this; "
            "`relay delivery discard --state retrying --endpoint ID` gives up what it failed at"
        )
    wanted = Filter(state="held", endpoint_id=endpoint_id)
    selected = await bulk.prepare_change(session, "discard", wanted, rate=None, actor=actor)
    await bulk.change(session, selected.operation_id, "start", actor=actor)
    # Here and not by the relay: it is to be done before the endpoint is resumed.
    await work_off(session, await bulk.show(session, selected.operation_id))
    done = await bulk.show(session, selected.operation_id)
    if done.state != "done":
        raise Refused(f"operation {done.id}, which gives up what waits, is {done.state}; nothing was resumed")
    return done.results.get("discarded", 0)
