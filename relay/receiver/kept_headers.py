"""Which headers of a request the inbox keeps: not all, since some are secrets."""

import re
from collections.abc import Collection, Iterable, Mapping

KEPT = frozenset(
    {
        "content-type",
        "traceparent",
        "x-webhook-attempt",
        "x-webhook-event",
        "x-webhook-sequence",
    }
)

MAX_VALUE = 4096
_EVENT_TYPE = re.compile(r"[!-~]{1,255}")


def kept_headers(pairs: Iterable[tuple[str, str]], names: Collection[str]) -> dict[str, str]:
    """Return the headers of these lower-case names; of one that is repeated, the first."""
    found: dict[str, str] = {}
    for name, value in pairs:
        lowered = name.lower()
        if lowered in names:
            found.setdefault(lowered, value[:MAX_VALUE])
    return found


def event_type_of(headers: Mapping[str, str]) -> str | None:
    """Return what `X-Webhook-Event` says, if it is a plain text."""
    value = headers.get("x-webhook-event", "")
    return value if _EVENT_TYPE.fullmatch(value) else None
