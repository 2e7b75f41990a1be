"""Why a delivery is where it is, in a sentence that a person understands."""

from datetime import datetime, timedelta

from relay.admin.operations.deliveries import DeliveryStatus

_DEAD = {
    "exhausted": "given up: every retry of the schedule failed",
    "expired": "given up: the event's expires_at passed first",
    "gone": "given up: the receiver answered 410 Gone, and the endpoint was disabled",
    "aborted": (
        "given up: the receiver asked for it with webhook-delivery: abort,"
        " or answered with one of retry.permanent_statuses"
    ),
    "not_allowed": "given up: requests to the endpoint's address are not allowed",
    "discarded": "given up by an operator",
    "quarantined": "given up: three times the relay ended while it was in hand, so it may be the cause",
    "unprocessable": "given up: the event cannot be turned into a request",
    "endpoint_removed": "given up: its endpoint was removed",
}
_HELD = {
    "endpoint_paused": "waits because its endpoint is paused; `relay endpoint resume {endpoint}` goes on",
    "endpoint_disabled": (
        "waits because Relay disabled its endpoint; `relay endpoint show {endpoint}` says why, "
        "`relay endpoint resume {endpoint}` goes on"
    ),
    "order": (
        "waits for an earlier event of its ordering key to be delivered or given up; "
        "`relay delivery list --state retrying --endpoint {endpoint}` shows what is ahead, "
        "and `relay delivery discard` gives it up"
    ),
    "sending_paused": "waits because sending is paused; `relay resume` goes on, with --tenant if it was",
    "secret_missing": "waits because its endpoint has no secret to sign with",
    "secret_unreadable": "waits because its endpoint's secret cannot be opened; check security.master_key",
}
_PLAIN = {
    "delivered": "delivered with attempt {status.attempts}, status {status.last_status_code}",
    "in_flight": "attempt {next_attempt} is being made now",
    "cancelled": "withdrawn before it was sent",
    "unrouted": "sent nowhere: no endpoint of its tenant subscribed to its type when it was fanned out",
}


def explain(status: DeliveryStatus, *, now: datetime, is_relay_running: bool) -> str:
    """Return one sentence on the state of a delivery, and what could be done about it.

    Args:
        status: The delivery.
        now: When that was asked, by the database's clock.
        is_relay_running: Whether a relay works on the database.
    """
    if status.state in {"pending", "retrying"}:
        return _waiting(status, now, is_relay_running=is_relay_running)
    if status.state == "dead":
        return _with_last(_DEAD.get(status.reason or "", f"given up ({status.reason})"), status)
    if status.state == "held":
        return _HELD.get(status.reason or "", f"waits ({status.reason})").format(endpoint=status.endpoint_id)
    return _PLAIN[status.state].format(status=status, next_attempt=status.attempts + 1)


def _waiting(status: DeliveryStatus, now: datetime, *, is_relay_running: bool) -> str:
    due = status.next_attempt_at
    if due is not None and due > now and status.attempts == 0:
        return f"to be sent {_at(due, now)}"
    if due is not None and due > now:
        failed = _with_last(f"attempt {status.attempts} failed", status)
        return f"{failed}; the next is due {_at(due, now)}"
    if not is_relay_running:
        return "is due, but no relay is running: start it with `relay run`"
    if status.endpoint_id is None:
        return "committed, and about to be fanned out"
    return "is due, and goes out as soon as its endpoint has room, and is not left alone (`relay.endpoint_health`)"


def _with_last(text: str, status: DeliveryStatus) -> str:
    code = status.last_status_code
    last = f"status {code}" if code is not None else status.last_error
    return f"{text} (last: {last})" if last else text


def _at(moment: datetime, now: datetime) -> str:
    ahead = timedelta(seconds=round((moment - now).total_seconds()))
    return f"at {moment:%Y-%m-%d %H:%M:%S} UTC, in {ahead}"
