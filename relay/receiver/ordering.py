"""Order among the events of one key: which key and version an event has, and whether it may be handled now.

    Inbox(..., ordering=IgnoreStale(key="/invoice/id"))                      # the newest state counts
    Inbox(..., ordering=WaitForGap(key="/account", version="/number"))       # each one counts, in turn

Everything here computes; nothing is read or written.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, assert_never

from relay.receiver.arrivals import Incoming

MAX_KEY = 500
"""Bytes of a key that are kept as they are; a longer one is kept as its hash."""

_LARGEST = 2**63 - 2
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_DIGITS = re.compile(r"[0-9]{1,19}")
_BAD_ESCAPE = re.compile(r"~(?![01])")

KeyOf: TypeAlias = str | Callable[[Incoming], str | int | None]
VersionOf: TypeAlias = str | Callable[[Incoming], int | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreStale:
    """Events whose version is not above the highest that was handled of their key are passed over.

    For events that carry a whole state: what comes late has nothing to add. One that fails holds up none.

    Attributes:
        key: Where the key is: a JSON pointer (RFC 6901) into the body, or a function. Without one, no order.
        version: Where the version is, in the same way; None: the header `X-Webhook-Sequence`, which no
            signature covers. An event without one is handled in the order of arrival.
    """

    key: KeyOf
    version: VersionOf = None

    def __post_init__(self) -> None:
        _check_places(self.key, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForGap:
    """An event waits until the version before its own was handled, or until its patience is over.

    For events that each change something. One that fails holds up the later ones of its key until it
    succeeds or is dead.

    Attributes:
        key: As in `IgnoreStale`.
        version: As in `IgnoreStale`.
        limit: How long an event waits for those before it, from its arrival.
        first: The version that nothing comes before.
        late: What becomes of a version that comes after its place was passed: `ignore` or `handle`.
    """

    key: KeyOf
    version: VersionOf = None
    limit: timedelta = timedelta(minutes=5)
    first: int = 1
    late: Literal["ignore", "handle"] = "ignore"

    def __post_init__(self) -> None:
        _check_places(self.key, self.version)
        if self.limit < timedelta(0) or self.late not in {"ignore", "handle"}:
            raise ValueError("limit must not be negative, and late must be ignore or handle")


Ordering: TypeAlias = IgnoreStale | WaitForGap


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """It is the event's turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassOver:
    """Something newer was handled: this one is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Earlier versions are missing; ask again after `delay` at the latest."""

    delay: timedelta


Turn: TypeAlias = Handle | PassOver | Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an event stands in the order: no key, no order; no version, by arrival."""

    key: str | None = None
    version: int | None = None


def is_strict(ordering: Ordering | None) -> bool:
    """Return whether an event that waits holds up the later ones of its key."""
    return isinstance(ordering, WaitForGap)


def place_of(ordering: Ordering | None, incoming: Incoming) -> Place:
    """Return an event's key and version; what the body or the header does not have is None.

    Raises:
        Exception: Whatever a function of the ordering raises.
    """
    if ordering is None:
        return Place()
    key = _key_text(_found(ordering.key, incoming))
    if key is None:
        return Place()
    if ordering.version is None:
        return Place(key=key, version=_number(incoming.headers.get("x-webhook-sequence")))
    return Place(key=key, version=_number(_found(ordering.version, incoming)))


def judge_turn(
    ordering: Ordering | None, *, version: int | None, mark: int | None, waited: timedelta
) -> Turn:
    """Return whether an event may be handled now.

    Args:
        ordering: The rule.
        version: The event's.
        mark: The highest version of its key that was handled; None: none was.
        waited: Since the event arrived.
    """
    if ordering is None or version is None:
        return Handle()
    match ordering:
        case IgnoreStale():
            return PassOver() if mark is not None and version <= mark else Handle()
        case WaitForGap():
            return _judge_gap(ordering, version, mark, waited)
        case _:
            assert_never(ordering)


def _judge_gap(rule: WaitForGap, version: int, mark: int | None, waited: timedelta) -> Turn:
    if mark is not None and version <= mark:
        return Handle() if rule.late == "handle" else PassOver()
    awaited = rule.first if mark is None else mark + 1
    if version <= awaited or waited >= rule.limit:
        return Handle()
    return Wait(delay=rule.limit - waited)


def resolve(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) points at in a parsed document; None if it is not there.

    `-`, the place behind the end of an array, is never there.
    """
    found = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and _INDEX.fullmatch(name) and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _check_places(*places: KeyOf | VersionOf) -> None:
    for place in places:
        if isinstance(place, str) and ((place and place[0] != "/") or _BAD_ESCAPE.search(place)):
            raise ValueError(f"{place!r} is no JSON pointer (RFC 6901); write it as in /invoice/id")


def _found(place: str | Callable[[Incoming], Any], incoming: Incoming) -> Any:
    if not isinstance(place, str):
        return place(incoming)
    try:
        return resolve(incoming.json(), place)
    except (ValueError, RecursionError):
        return None


def _key_text(value: Any) -> str | None:
    """Return a key as text that a database can hold and index; None for what is no key."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    encoded = text.encode("utf-8", "surrogatepass")
    has_surrogate = any("\ud800" <= character <= "\udfff" for character in text)
    if len(encoded) <= MAX_KEY and "\0" not in text and not has_surrogate:
        return text
    return "sha256:" + hashlib.sha256(encoded).hexdigest()


def _number(value: Any) -> int | None:
    """Return a version, also from its digits; None for what is none or does not fit into a bigint."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -_LARGEST <= value <= _LARGEST else None
