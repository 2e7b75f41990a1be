"""The rule of tenants, in one place: a token that is bound to one tenant sees and changes what is that tenant's.

Every request passes here before its route is called. What the path names has to be the tenant's, or is answered as if
it did not exist; what the query or the body says of a tenant is set to its own. Routes that cannot be narrowed like
that are closed to such tokens. And what answers tell them says nothing of the machines and networks behind.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from relay.admin.api.models.fields import Given
from relay.admin.operations.deliveries import Attempt, DeliveryStatus
from relay.admin.operations.errors import InvalidInput
from relay.admin.principal import Principal
from relay.admin.problems import Problem, ProblemError
from relay.http.url import InvalidUrl
from relay.lookback.operations import Operation, find
from relay.store.session import Session

NOT_ALLOWED = "destination_not_allowed"
_ERRORS = {
    "dns": "the host name could not be resolved",
    "connect": "no connection could be made",
    "tls": "no secure connection could be made",
    "timeout": "it took too long",
    "reset": "the connection was closed before the answer was there",
    "protocol": "the answer was no HTTP that can be read",
    "not_allowed": NOT_ALLOWED,
    "status": "the answer was not 2xx",
}
_NO_ANSWER = "no answer came; the attempts say why"

Model = TypeVar("Model", bound=Given)


def check_route(principal: Principal, *, for_tenants: bool) -> None:
    """Refuse what concerns more than one tenant.

    Raises:
        ProblemError: The token is bound to one (403).
    """
    if principal.tenant is not None and not for_tenants:
        raise ProblemError(
            Problem(
                status=403,
                code="tenant",
                detail="this concerns all tenants, and the token is bound to one; it needs a token that is not",
            )
        )


def narrowed(given: Model | None, tenant: str | None) -> Model | None:
    """Return a query or a body that is about the token's tenant alone.

    Raises:
        ProblemError: It is about another, or about all (403).
    """
    if given is None or tenant is None:
        return given
    update: dict[str, Any] = {}
    fields = type(given).model_fields
    if "tenant" in fields:
        asked = getattr(given, "tenant")  # noqa: B009 - not every model has it
        is_everything = asked is None and fields["tenant"].is_required()
        if is_everything or asked not in {None, tenant}:
            raise _other_tenant()
        update["tenant"] = tenant
    update |= {
        name: narrowed(getattr(given, name), tenant)
        for name in fields
        if isinstance(getattr(given, name), Given)
    }
    return given.model_copy(update=update)


async def check_path(session: Session, ids: dict[str, Any], tenant: str) -> None:
    """Refuse a path that names what is not the tenant's, with the words for what is not there.

    Raises:
        ProblemError: It does (404).
    """
    for name, found in ids.items():
        if await _OWNER[name](session, found) != tenant:
            raise absent(name.removesuffix("_id"), found)


def absent(kind: str, found: object) -> ProblemError:
    """Return the answer to who asks for what is not there, as far as they may know."""
    return ProblemError(Problem(status=404, code="not_found", detail=f"there is no {kind} {found}"))


def refusal_of(error: InvalidInput, tenant: str | None) -> ProblemError | None:
    """Return the problem of a URL that may not be used, by its own code; None if it is about something else."""
    cause = error.__cause__
    if not isinstance(cause, InvalidUrl):
        return None
    reason = url_reason(cause, tenant)
    return ProblemError(
        Problem(
            status=422,
            code=cause.reason,
            detail=f"url cannot be used: {reason}",
            extra={"errors": [{"field": "url", "reason": reason}]},
        )
    )


def url_reason(error: InvalidUrl, tenant: str | None) -> str:
    """Return why a URL may not be used; to a tenant not which address, nor why that one."""
    return NOT_ALLOWED if tenant is not None and error.reason == NOT_ALLOWED else str(error)


def status_for(status: DeliveryStatus, tenant: str | None) -> DeliveryStatus:
    """Return what may be told of a delivery."""
    if tenant is None or status.last_error is None:
        return status
    return replace(status, last_error=NOT_ALLOWED if status.reason == "not_allowed" else _NO_ANSWER)


def attempt_for(attempt: Attempt, tenant: str | None) -> Attempt:
    """Return what may be told of an attempt."""
    if tenant is None or attempt.error_code is None:
        return attempt
    code = NOT_ALLOWED if attempt.error_code == "not_allowed" else attempt.error_code
    return replace(attempt, error_code=code, error=_ERRORS.get(attempt.error_code, _NO_ANSWER))


def operation_for(operation: Operation, principal: Principal) -> Operation:
    """Return what may be told of an operation."""
    if principal.tenant is None:
        return operation
    selection = {name: value for name, value in operation.selection.items() if name != "where"}
    return replace(
        operation,
        selection=selection,
        actor=operation.actor if operation.actor == principal.actor else "operator",
        detail=None if operation.detail is None else "it could not go on; ask the operator",
    )


def _other_tenant() -> ProblemError:
    return ProblemError(
        Problem(
            status=403,
            code="tenant",
            detail="this token is bound to one tenant; leave tenant out, or give the token's own",
        )
    )


async def _of_endpoint(session: Session, endpoint_id: UUID) -> object:
    row = await session.fetch_row("endpoint_show", endpoint_id)
    return None if row is None else row["tenant"]


async def _of_event(session: Session, event_id: UUID) -> object:
    row = await session.fetch_row("event_tenant", event_id)
    return None if row is None else row["tenant"]


async def _of_operation(session: Session, operation_id: int) -> object:
    operation = await find(session, operation_id)
    return None if operation is None else operation.selection.get("tenant")


async def _of_token(session: Session, token_id: UUID) -> object:  # noqa: ARG001 - as the others
    return None  # tokens are no tenant's


_OWNER: dict[str, Callable[[Session, Any], Awaitable[object]]] = {
    "endpoint_id": _of_endpoint,
    "event_id": _of_event,
    "operation_id": _of_operation,
    "token_id": _of_token,
}
