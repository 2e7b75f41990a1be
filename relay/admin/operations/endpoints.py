"""Operations on endpoints: each changes the registry and notes who did it in one statement."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from relay.admin.operations.endpoint_values import (
    EndpointChanges,
    EndpointDetails,
    NewEndpoint,
    UrlRules,
    columns_of,
    endpoint_of,
)
from relay.admin.operations.errors import InvalidInput, NotFound, Refused
from relay.admin.operations.inputs import refused_by_database
from relay.admin.operations.windows import reopen_windows
from relay.http.signature import InvalidSecret, generate_secret, parse_secret
from relay.store.secrets import CannotOpen, SecretBox
from relay.store.session import Session, Statements

_FIELDS = (
    "event_types",
    "headers",
    "signature",
    "timeout",
    "max_in_flight",
    "retry_schedule",
    "store_response_body",
    "metadata",
)
_LATER_FIELDS = ("filter", "rate_limit", "ordered")
"""These and those above in the order in which endpoint_add and endpoint_edit take them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedEndpoint:
    """A new endpoint with its secret, which is told this once."""

    endpoint: EndpointDetails
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedSecret:
    """An endpoint with its new secret, which is told this once, and how many secrets sign its requests now."""

    endpoint: EndpointDetails
    secret: str
    signing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """An endpoint after a wish to pause or resume it, and whether the wish changed anything."""

    endpoint: EndpointDetails
    is_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedEndpoint:
    """An endpoint that was removed, and how many of its waiting deliveries that ended."""

    endpoint: EndpointDetails
    ended: int


async def add(
    session: Statements,
    wanted: NewEndpoint,
    *,
    rules: UrlRules,
    box: SecretBox,
    actor: str,
    secret: str | None = None,
    endpoint_id: UUID | None = None,
) -> AddedEndpoint:
    """Add an endpoint.

    Args:
        session: The database.
        wanted: What it is to be.
        rules: Which URLs are allowed.
        box: Seals the secret.
        actor: Who does it, for the audit.
        secret: What signs its requests; None makes a new one.
        endpoint_id: What it is called; None: a new id.

    Raises:
        InvalidInput: A field, or the secret, cannot be used.
    """
    columns = columns_of(wanted, rules)
    chosen = generate_secret() if secret is None else _checked_secret(secret)
    endpoint_id = endpoint_id or uuid4()
    sealed = box.seal(chosen, endpoint_id=endpoint_id)
    with refused_by_database():
        rows = await session.fetch(
            "endpoint_add",
            endpoint_id,
            columns["url"],
            columns["description"],
            columns["tenant"],
            *(columns[name] for name in _FIELDS),
            sealed.sealed,
            sealed.key_id,
            actor,
            *(columns[name] for name in _LATER_FIELDS),
        )
    return AddedEndpoint(endpoint=endpoint_of(rows[0]), secret=chosen)


async def first_secret(session: Statements, endpoint_id: UUID, *, box: SecretBox) -> str | None:
    """Return the secret that an endpoint was added with, if it is its only one still and can be opened; else None."""
    row = await session.fetch_row("endpoint_first_secret", endpoint_id)
    try:
        return None if row is None else box.open(row["sealed"], row["key_id"], endpoint_id=endpoint_id)
    except CannotOpen:
        return None


async def list_all(
    session: Session, *, tenant: str | None = None, state: str | None = None
) -> list[EndpointDetails]:
    """Return the endpoints, oldest first; only those of a tenant, or in a state, if that is given."""
    return [endpoint_of(row) for row in await session.fetch("endpoint_list", tenant, state)]


async def show(session: Statements, endpoint_id: UUID) -> EndpointDetails:
    """Return one endpoint.

    Raises:
        NotFound: There is none of that id, or it was removed.
    """
    return endpoint_of(await _present(session, endpoint_id))


async def edit(
    session: Session, endpoint_id: UUID, changes: EndpointChanges, *, rules: UrlRules, actor: str
) -> EndpointDetails:
    """Change fields of an endpoint and return it as it is then.

    Raises:
        InvalidInput: Nothing is to be changed, or a field cannot have its value.
        NotFound: There is none of that id, or it was removed.
    """
    changed = changes.changed()
    if not changed:
        raise InvalidInput("nothing is to be changed; say what")
    columns = columns_of(changes, rules)
    with refused_by_database():
        row = await session.fetch_row(
            "endpoint_edit",
            endpoint_id,
            list(changed),
            columns.get("url"),
            columns.get("description"),
            *(columns.get(name) for name in _FIELDS),
            actor,
            *(columns.get(name) for name in _LATER_FIELDS),
        )
    return endpoint_of(row or await _present(session, endpoint_id))


async def rotate_secret(
    session: Session,
    endpoint_id: UUID,
    *,
    box: SecretBox,
    actor: str,
    overlap: timedelta,
    secret: str | None = None,
) -> RotatedSecret:
    """Give an endpoint another secret, which signs first from now on.

    Args:
        session: The database.
        endpoint_id: Whose.
        box: Seals the secret.
        actor: Who does it, for the audit.
        overlap: How long the old ones sign as well; zero ends them at once.
        secret: The new one; None makes it.

    Raises:
        InvalidInput: The secret cannot be used.
        NotFound: There is no endpoint of that id, or it was removed.
    """
    chosen = generate_secret() if secret is None else _checked_secret(secret)
    sealed = box.seal(chosen, endpoint_id=endpoint_id)
    now = await session.fetch_row("endpoint_signing", endpoint_id)
    if now is not None and not now["signing"]:
        # What waited was held for want of a secret, and time held does not count.
        await reopen_windows(session, endpoint_id)
    row = await session.fetch_row(
        "endpoint_rotate_secret", endpoint_id, sealed.sealed, sealed.key_id, overlap, actor
    )
    endpoint = endpoint_of(await _present(session, endpoint_id))
    if row is None:
        raise Refused(f"endpoint {endpoint_id} was changed at the same moment; look, and try again")
    return RotatedSecret(endpoint=endpoint, secret=chosen, signing=row["signing"])


async def pause(session: Session, endpoint_id: UUID, *, actor: str) -> StateChange:
    """Hold an endpoint's deliveries until it is resumed; one that is disabled is left so, since it gets nothing.

    Raises:
        NotFound: There is none of that id, or it was removed.
    """
    return await _state_change(session, endpoint_id, ("paused", ["active"], actor, "endpoint.pause"))


async def resume(session: Session, endpoint_id: UUID, *, actor: str) -> StateChange:
    """Send to a paused or disabled endpoint again, each waiting delivery with a new retry window.

    One that is left alone because it failed is tried again at once.

    Raises:
        NotFound: There is none of that id, or it was removed.
    """
    found = await _present(session, endpoint_id)
    if found["state"] != "active":
        # Before it is active: the relay would end what is past its old window.
        await reopen_windows(session, endpoint_id)
    stopped = ["paused", "disabled"]
    return await _state_change(session, endpoint_id, ("active", stopped, actor, "endpoint.resume"))


async def remove(session: Session, endpoint_id: UUID, *, actor: str) -> RemovedEndpoint:
    """Remove an endpoint with its secrets, and end its waiting deliveries; what is in flight ends by itself.

    Raises:
        NotFound: There is none of that id, or it was removed already.
    """
    row = await session.fetch_row("endpoint_remove", endpoint_id, actor)
    if row is None:
        await _present(session, endpoint_id)
        raise Refused(f"endpoint {endpoint_id} was changed at the same moment; look, and try again")
    return RemovedEndpoint(endpoint=endpoint_of(row), ended=await _end_deliveries(session, endpoint_id))


async def _end_deliveries(session: Session, endpoint_id: UUID) -> int:
    ended, after = 0, 0
    while row := await session.fetch_row("endpoint_end_deliveries", endpoint_id, after):
        ended, after = ended + row["ended"], row["last_seq"]
    return ended


async def _state_change(session: Session, endpoint_id: UUID, wish: tuple[object, ...]) -> StateChange:
    """Run the statement with its parameters after the first: the state, from which states, who, and its name."""
    row = await session.fetch_row("endpoint_set_state", endpoint_id, *wish)
    if row is None:
        return StateChange(endpoint=endpoint_of(await _present(session, endpoint_id)), is_changed=False)
    return StateChange(endpoint=endpoint_of(row), is_changed=row["is_changed"])


async def _present(session: Statements, endpoint_id: UUID) -> asyncpg.Record:
    row = await session.fetch_row("endpoint_show", endpoint_id)
    if row is None:
        raise NotFound(f"there is no endpoint {endpoint_id}; `relay endpoint list` shows those there are")
    if row["removed_at"] is not None:
        raise NotFound(f"endpoint {endpoint_id} was removed on {row['removed_at']:%Y-%m-%d at %H:%M UTC}")
    return row


def _checked_secret(secret: str) -> str:
    try:
        return parse_secret(secret).text
    except InvalidSecret as error:
        raise InvalidInput(str(error)) from error
