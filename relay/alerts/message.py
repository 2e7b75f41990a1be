"""What sinks get: the body for those that read JSON, the one for Slack, and the headers. Pure."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, assert_never

import orjson

from relay.alerts.alert import Change, ClearedAlert, RaisedAlert
from relay.http.signature import Secret, SignatureFormat, sign

HOST = platform.node()
"""Where this relay runs: one receiver may hear of several."""

MessageType = Literal["alert.raised", "alert.cleared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One alert, raised or cleared, as it is sent; the same bytes with every try and to every sink.

    Attributes:
        id: Constant over all tries, so that a receiver can drop a second one.
        alert: Its name.
        slack: The body for Slack.
    """

    id: str
    type: MessageType
    alert: str
    body: bytes
    slack: bytes


def type_of(change: Change) -> MessageType:
    """Return the name of what happened."""
    match change:
        case RaisedAlert():
            return "alert.raised"
        case ClearedAlert():
            return "alert.cleared"
        case _:
            assert_never(change)


def about(change: Change) -> Mapping[str, Any]:
    """Return what happened as users see it in JSON."""
    raised, cleared_at = (
        (change.raised, change.cleared_at) if isinstance(change, ClearedAlert) else (change, None)
    )
    key = raised.key
    return {
        "alert": key.alert,
        "endpoint_id": None if key.endpoint_id is None else str(key.endpoint_id),
        "summary": raised.summary,
        "detail": dict(raised.detail),
        "raised_at": _iso(raised.raised_at),
        "cleared_at": None if cleared_at is None else _iso(cleared_at),
    }


def message_of(change: Change, *, message_id: str) -> Message:
    """Return what is sent of an alert that was raised or cleared."""
    kind, text = type_of(change), _text(change)
    raised = change.raised if isinstance(change, ClearedAlert) else change
    return Message(
        id=message_id,
        type=kind,
        alert=raised.key.alert,
        body=orjson.dumps({"type": kind, "text": text, "host": HOST, **about(change)}),
        # Slack refuses what it does not know, and reads these three characters as markup.
        slack=orjson.dumps({"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}),
    )


def head_of(message: Message, *, secret: Secret | None, timestamp: int, user_agent: str) -> bytes:
    """Return the lines of all headers but Host and Content-Length.

    Args:
        message: What is sent.
        secret: Signs it in both formats; None for Slack, where nobody would look at a signature.
        timestamp: Unix time of this try, in whole seconds.
        user_agent: How Relay names itself.
    """
    headers = [("User-Agent", user_agent), ("Content-Type", "application/json")]
    if secret is not None:
        signed = sign(message.id, timestamp, message.body, (secret,), SignatureFormat.BOTH)
        headers += [("X-Webhook-Id", message.id), *signed, ("X-Webhook-Event", message.type)]
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode()


def _text(change: Change) -> str:
    match change:
        case RaisedAlert():
            return f"Relay on {HOST}: {change.key.alert}. {change.summary}"
        case ClearedAlert():
            lasted = f"{round(change.seconds)} s"
            return f"Relay on {HOST}: {change.raised.key.alert} is over after {lasted}. It was: {change.raised.summary}"
        case _:
            assert_never(change)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
