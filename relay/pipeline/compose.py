"""The head of a request, as it goes over the wire and as the log shows it; pure, and most of it made beforehand."""

from functools import lru_cache

import orjson

from relay.endpoints.endpoint import Endpoint
from relay.http.headers import InvalidHeader, check_headers
from relay.http.signature import SignatureFormat, standard_signature, x_webhook_signature
from relay.model import Event
from relay.pipeline.texts import HIDDEN, headers_json, json_text

Headers = tuple[tuple[str, str], ...]


def compose(
    event: Event, endpoint: Endpoint, *, number: int, timestamp: int, user_agent: str
) -> tuple[bytes, str]:
    """Return the lines of all headers but Host and Content-Length, and the same headers as JSON for the log.

    Args:
        event: What is sent.
        endpoint: To whom; its secrets sign.
        number: The attempt's.
        timestamp: Unix time of this attempt, in whole seconds.
        user_agent: How Relay names itself.

    Raises:
        InvalidHeader: The event asks for one that may not be sent.
    """
    event_id = event.id
    opening, shown_opening = _opening(user_agent, event.content_type)
    signed, shown_signed = _signed(event, endpoint, timestamp)
    asked_for = _asked_for(event, endpoint)
    # Those of the endpoint alone come again and again.
    further, shown_further = (_known_further if asked_for is endpoint.headers else _new_further)(asked_for)
    head = (
        f"{opening}X-Webhook-Id: {event_id}\r\n{signed}"
        f"X-Webhook-Event: {event.event_type}\r\nX-Webhook-Attempt: {number}\r\n{further}"
    )
    # An event's type needs no escape in JSON: letters, digits, "_", "-" and dots.
    shown = (
        f'{shown_opening}"X-Webhook-Id":"{event_id}",{shown_signed}'
        f'"X-Webhook-Event":"{event.event_type}","X-Webhook-Attempt":"{number}"{shown_further}}}'
    )
    return head.encode(), shown


def _signed(event: Event, endpoint: Endpoint, timestamp: int) -> tuple[str, str]:
    """Return the lines of the signature headers, and their members in the log."""
    lines = shown = ""
    if endpoint.signature is not SignatureFormat.STANDARD:
        value = x_webhook_signature(timestamp, event.body, endpoint.secrets)
        lines = f"X-Webhook-Signature: {value}\r\n"
        shown = f'"X-Webhook-Signature":"{HIDDEN}",'
    if endpoint.signature is not SignatureFormat.X_WEBHOOK:
        value = standard_signature(event.id, timestamp, event.body, endpoint.secrets)
        lines = f"{lines}webhook-id: {event.id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {value}\r\n"
        shown = f'{shown}"webhook-id":"{event.id}","webhook-timestamp":"{timestamp}","webhook-signature":"{HIDDEN}",'
    return lines, shown


def _asked_for(event: Event, endpoint: Endpoint) -> Headers:
    """Return the headers that the event and the endpoint bring along; the endpoint's come before the event's."""
    if event.sequence is None and event.traceparent is None and event.headers is None:
        return endpoint.headers
    headers: list[tuple[str, str]] = []
    if event.sequence is not None:
        headers.append(("X-Webhook-Sequence", str(event.sequence)))
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent))
        headers.extend(pair for pair in endpoint.headers if pair[0].lower() != "traceparent")
    else:
        headers.extend(endpoint.headers)
    if event.headers is not None:
        taken = {"user-agent", "content-type", *(name.lower() for name, _ in headers)}
        headers.extend(pair for pair in _checked(event.headers) if pair[0].lower() not in taken)
    return tuple(headers)


@lru_cache(maxsize=256)
def _opening(user_agent: str, content_type: str) -> tuple[str, str]:
    return (
        f"User-Agent: {user_agent}\r\nContent-Type: {content_type}\r\n",
        f'{{"User-Agent":{json_text(user_agent)},"Content-Type":{json_text(content_type)},',
    )


def _new_further(headers: Headers) -> tuple[str, str]:
    if not headers:
        return "", ""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return lines, f",{headers_json(headers)[1:-1]}"


_known_further = lru_cache(maxsize=256)(_new_further)


def _checked(text: str) -> Headers:
    try:
        headers = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidHeader(f"the event's headers cannot be read: {error}") from error
    return check_headers(headers)
