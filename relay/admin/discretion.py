"""What is told to a token of one tenant: nothing of the machines, the networks and the people behind."""

from dataclasses import replace

from relay.admin.operations.deliveries import Attempt, DeliveryStatus
from relay.admin.operations.errors import InvalidInput
from relay.admin.operations.overview import Failing
from relay.admin.principal import Principal
from relay.http.url import InvalidUrl
from relay.lookback.operations import Operation

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


def url_reason(error: InvalidUrl, tenant: str | None) -> str:
    """Return why a URL may not be used; to a tenant not which address, nor why that one."""
    return NOT_ALLOWED if tenant is not None and error.reason == NOT_ALLOWED else str(error)


def refusal(error: InvalidInput, tenant: str | None) -> str:
    """Return why a value was refused, in the words that whoever gave it may read."""
    cause = error.__cause__
    return url_reason(cause, tenant) if tenant is not None and isinstance(cause, InvalidUrl) else str(error)


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


def failing_for(failing: Failing, tenant: str | None) -> Failing:
    """Return what may be told of deliveries that fail."""
    if tenant is None or failing.error is None:
        return failing
    is_not_allowed = "not_allowed" in {failing.reason, failing.error_code}
    return replace(
        failing,
        error_code=NOT_ALLOWED if is_not_allowed else failing.error_code,
        error=NOT_ALLOWED if is_not_allowed else _ERRORS.get(failing.error_code or "", _NO_ANSWER),
    )


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
