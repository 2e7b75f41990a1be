"""A delivery as the command line shows it: its status, its name, and a sentence on why it is so."""

from datetime import datetime
from typing import Any

from relay.admin.operations.deliveries import DeliveryName, DeliveryStatus
from relay.admin.operations.explain import explain
from relay.cli.output import plain


def name_of(status: DeliveryStatus) -> DeliveryName | None:
    """Return the name of a delivery; None for an event that has no deliveries yet, or never will."""
    if status.endpoint_id is None:
        return None
    return DeliveryName(event_id=status.event_id, endpoint_id=status.endpoint_id)


def delivery_fields(status: DeliveryStatus, *, now: datetime, is_relay_running: bool) -> dict[str, Any]:
    """Return the fields of a delivery as JSON has them, `delivery` (its name) first, `explanation` last."""
    name = name_of(status)
    return {
        "delivery": str(name) if name else None,
        **plain(status),
        "explanation": explain(status, now=now, is_relay_running=is_relay_running),
    }
