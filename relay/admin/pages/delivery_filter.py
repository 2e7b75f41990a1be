"""The filters of a list of deliveries: in its address, in its form, and in what is done with all that match."""

from collections.abc import Mapping

from relay.admin.operations.deliveries import STATES, Filter
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages import fields
from relay.admin.principal import Principal

NAMES = ("state", "endpoint", "type", "tenant", "since", "until", "status_code", "reason")
CHANGED_STATES: Mapping[str, tuple[str, ...]] = {
    "retry": ("dead", "retrying", "held"),
    "discard": ("dead", "pending", "retrying", "held"),
    "replay": ("delivered",),
}
"""In which states deliveries have to be for each thing that is done with all that match."""


def filter_of(values: Mapping[str, str], principal: Principal) -> Filter:
    """Return the filter that was filled in, of the tenant alone whose the token is.

    Raises:
        InvalidInput: Something cannot be used.
    """
    state = fields.text_of(values, "state")
    if state is not None and state not in STATES:
        raise InvalidInput(f"{ascii(state)[:40]} is no state; choose one of {', '.join(STATES)}")
    tenant = fields.text_of(values, "tenant") if principal.tenant is None else principal.tenant
    return Filter(
        state=state,
        endpoint_id=fields.id_of(values, "endpoint"),
        event_type=fields.text_of(values, "type"),
        tenant=tenant,
        since=fields.moment_of(values, "since"),
        until=fields.moment_of(values, "until"),
        reason=fields.text_of(values, "reason"),
        status_code=fields.status_of(values, "status_code"),
    )


def changes_for(state: str | None) -> tuple[str, ...]:
    """Return what can be done with all deliveries in a state."""
    return tuple(kind for kind, states in CHANGED_STATES.items() if state in states)
