"""For applications that receive webhooks; stands alone.

`verify` needs only the standard library. What needs more is imported when it is first named: the inbox and what
belongs to it needs asyncpg, and nothing else.
"""

from typing import TYPE_CHECKING, Any

from relay.receiver.verify import VerificationError, Verified, verify

if TYPE_CHECKING:
    from relay.receiver.allowlist import AllowList
    from relay.receiver.arrivals import Event, InboxUnavailable, Incoming, Receipt
    from relay.receiver.dead import DeadEvent, Stats
    from relay.receiver.inbox import Inbox
    from relay.receiver.ordering import IgnoreStale, WaitForGap
    from relay.receiver.retention import Retention
    from relay.receiver.retrying import Retry
    from relay.receiver.schema import InboxSchemaError, inbox_sql

__all__ = [
    "AllowList",
    "DeadEvent",
    "Event",
    "IgnoreStale",
    "Inbox",
    "InboxSchemaError",
    "InboxUnavailable",
    "Incoming",
    "Receipt",
    "Retention",
    "Retry",
    "Stats",
    "VerificationError",
    "Verified",
    "WaitForGap",
    "inbox_sql",
    "verify",
]

_PLACES = {
    "AllowList": "allowlist",
    "DeadEvent": "dead",
    "Event": "arrivals",
    "IgnoreStale": "ordering",
    "Inbox": "inbox",
    "InboxSchemaError": "schema",
    "InboxUnavailable": "arrivals",
    "Incoming": "arrivals",
    "Receipt": "arrivals",
    "Retention": "retention",
    "Retry": "retrying",
    "Stats": "dead",
    "WaitForGap": "ordering",
    "inbox_sql": "schema",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only what needs it pays

    found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found
