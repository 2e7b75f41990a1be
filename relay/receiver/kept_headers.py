"""Which headers of a request the inbox keeps: not all, since some are secrets."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from relay.receiver.verify import VerificationError

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


def text_pairs(headers: Any) -> list[tuple[Any, Any]]:
    """Return the headers as pairs, of texts where they are bytes, from whatever a framework has.

    What is neither is left for `verify` to judge.

    Raises:
        VerificationError: They are neither a mapping nor pairs.
    """
    try:
        pairs = headers.items() if hasattr(headers, "items") else headers
        return [(_text(name), _text(value)) for name, value in pairs]
    except (TypeError, ValueError):
        raise VerificationError("invalid_headers", "headers must be a mapping or a list of pairs") from None


def _text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def kept_headers(pairs: Iterable[tuple[Any, Any]], names: Collection[str]) -> dict[str, str]:
    """Return the headers of these lower-case names; of one that is repeated, the first."""
    found: dict[str, str] = {}
    for name, value in pairs:
        lowered = name.lower()
        if lowered in names and isinstance(value, str):
            found.setdefault(lowered, value[:MAX_VALUE])
    return found


def event_type_of(headers: Mapping[str, str]) -> str | None:
    """Return what `X-Webhook-Event` says, if it is a plain text."""
    value = headers.get("x-webhook-event", "")
    return value if _EVENT_TYPE.fullmatch(value) else None
