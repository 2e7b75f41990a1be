"""Every event that Relay logs, with its level, its keys and its meaning; the reference is made from it."""

from dataclasses import dataclass

from relay.observe.catalogue_keys import COMMON_KEYS, KEYS


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of log line."""

    name: str
    level: str
    meaning: str
    keys: tuple[str, ...] = ()


CATALOGUE: tuple[LogEvent, ...] = (
    LogEvent("relay.starting", "info", "The process has read its configuration.", ("version", "pid")),
    LogEvent(
        "relay.started",
        "info",
        "Everything is ready: database reached, schema right, endpoints read.",
        ("version", "pid", "instance_id", "endpoints"),
    ),
    LogEvent(
        "relay.active",
        "info",
        "This relay is the one that works on the database.",
        ("instance_id", "waited_ms"),
    ),
    LogEvent(
        "relay.standby",
        "info",
        "Another relay works on the database; this one waits.",
        ("instance_id",),
    ),
    LogEvent(
        "relay.draining",
        "info",
        "A stop was asked for; what is in flight may finish.",
        ("in_flight", "reason"),
    ),
    LogEvent(
        "relay.stopped",
        "info",
        "The process ends; what did not finish is due at once for the next start.",
        ("unfinished", "uptime_s", "reason"),
    ),
    LogEvent(
        "relay.failed",
        "error",
        "The process cannot go on and ends.",
        ("detail",),
    ),
    LogEvent(
        "event.fanned_out",
        "info",
        "The deliveries of an event were made.",
        ("event_id", "event_type", "deliveries"),
    ),
    LogEvent(
        "event.unrouted",
        "info",
        "No endpoint subscribes to this event.",
        ("event_id", "event_type", "tenant"),
    ),
    LogEvent(
        "event.cancelled",
        "info",
        "An event was withdrawn by its application before any delivery was made.",
        ("event_id", "event_type"),
    ),
    LogEvent(
        "event.unjudged",
        "warning",
        "An endpoint's filter cannot be judged on this payload, so the endpoint gets the event.",
        ("event_id", "event_type", "endpoint_id", "detail"),
    ),
    LogEvent(
        "event.unprocessable",
        "error",
        "An event cannot be fanned out whatever is tried; it ended dead.",
        ("event_id", "event_type", "tenant", "reason"),
    ),
    LogEvent(
        "delivery.delivered",
        "info",
        "The endpoint answered with a 2xx.",
        ("event_id", "event_type", "endpoint_id", "attempt", "status_code", "duration_ms"),
    ),
    LogEvent(
        "attempt.failed",
        "warning",
        "An attempt failed; the delivery will be tried again.",
        ("event_id", "event_type", "endpoint_id", "attempt", "status_code", "duration_ms", "next_attempt_at"),
    ),
    LogEvent(
        "delivery.dead",
        "error",
        "A delivery was given up and waits for a person.",
        ("event_id", "event_type", "endpoint_id", "attempt", "status_code", "duration_ms", "reason"),
    ),
    LogEvent(
        "delivery.held",
        "info",
        "A delivery waits until its endpoint takes deliveries again.",
        ("event_id", "event_type", "endpoint_id", "reason"),
    ),
    LogEvent(
        "delivery.released",
        "info",
        "An attempt did not count, since the fault was Relay's own; the delivery is due again.",
        ("event_id", "event_type", "endpoint_id", "attempt", "reason", "count", "next_attempt_at"),
    ),
    LogEvent(
        "delivery.cancelled",
        "info",
        "A delivery was withdrawn by its application.",
        ("event_id", "event_type", "endpoint_id"),
    ),
    LogEvent(
        "endpoint.unusable",
        "error",
        "An endpoint cannot be sent to as it is in the database; its deliveries wait.",
        ("endpoint_id", "detail"),
    ),
    LogEvent(
        "delivery.failed_internally",
        "error",
        "A defect in Relay broke an attempt. It is charged, so that it ends in the schedule and not in a loop.",
        ("event_id", "endpoint_id", "exception"),
    ),
    LogEvent(
        "request.failed_internally",
        "error",
        "A defect in Relay, or in its HTTP library, broke a request. The attempt is charged, as above.",
        ("exception",),
    ),
    LogEvent(
        "attempt.unrecordable",
        "error",
        "The database refused the log of an attempt for what is in it; the outcome is written without it.",
        ("event_id", "endpoint_id", "attempt"),
    ),
    LogEvent(
        "endpoint.disabled",
        "warning",
        "Relay stopped sending to an endpoint until a person resumes it.",
        ("endpoint_id", "url", "reason"),
    ),
    LogEvent(
        "endpoint.unhealthy",
        "warning",
        "An endpoint does nothing but fail; `to_be_disabled`: if that goes on it will be disabled.",
        ("endpoint_id", "reason", "failing_for_s", "failures"),
    ),
    LogEvent(
        "notice.dropped",
        "error",
        "Events for the operator's endpoints could not be stored; what they tell of is in log and database.",
        ("count", "detail"),
    ),
    LogEvent(
        "endpoint.breaker_opened",
        "warning",
        "Too many attempts at an endpoint failed, or a probe did: it gets nothing for a while, then one probe.",
        ("endpoint_id", "open_for_s"),
    ),
    LogEvent(
        "endpoint.throttled",
        "warning",
        "An endpoint asked to be left alone (429, or a Retry-After with 502, 503 or 504): it gets nothing for so long.",
        ("endpoint_id", "open_for_s"),
    ),
    LogEvent(
        "endpoint.recovered",
        "info",
        "A probe went well: the endpoint gets its deliveries again.",
        ("endpoint_id", "waited_ms"),
    ),
    LogEvent(
        "claim.lost",
        "warning",
        "An outcome came too late: the delivery had been claimed again, so only the attempt was logged.",
        ("event_id", "endpoint_id", "attempt", "count"),
    ),
    LogEvent(
        "leases.returned",
        "info",
        "Deliveries that a vanished relay had claimed, or that one held for longer than it said, are due again.",
        ("deliveries", "waited_ms"),
    ),
    LogEvent(
        "database.lost",
        "error",
        "The database cannot be used; outcomes are kept in memory and it is tried again.",
        ("part", "detail"),
    ),
    LogEvent("database.restored", "info", "The database can be used again."),
    LogEvent(
        "database.refused",
        "error",
        "The database refused a statement that ought to go through; it is tried again.",
        ("part", "detail"),
    ),
    LogEvent(
        "alert.raised",
        "warning",
        "Something goes wrong and somebody should look; `detail` says what to do.",
        ("alert", "endpoint_id", "detail"),
    ),
    LogEvent(
        "alert.cleared",
        "info",
        "What an alert was raised for is over.",
        ("alert", "endpoint_id", "waited_ms"),
    ),
    LogEvent(
        "alert.undelivered",
        "error",
        "A URL of `alerts.sinks` did not take an alert, and it is not tried again.",
        ("alert", "sink", "detail"),
    ),
    LogEvent(
        "alert.sink_refused",
        "error",
        "A URL of `alerts.sinks` may not be called by the rules of `[security]`; it gets nothing.",
        ("sink", "detail"),
    ),
    LogEvent("schema.migrated", "info", "A migration was applied.", ("version", "duration_ms")),
    LogEvent("config.reloaded", "info", "A new configuration is in force.", ("changed", "needs_restart")),
    LogEvent(
        "config.rejected",
        "error",
        "The new configuration is wrong; the old one stays in force.",
        ("problems",),
    ),
    LogEvent(
        "loop.stalled",
        "warning",
        "The event loop did not turn for a while: the machine is overloaded or something blocks.",
        ("lag_ms",),
    ),
    LogEvent(
        "library.logged",
        "warning",
        "A library logged something, at this level or a higher one.",
        ("logger", "message"),
    ),
    LogEvent(
        "secrets.plain",
        "warning",
        "There is no master key, so endpoints' secrets are stored without encryption.",
    ),
    LogEvent(
        "secrets.sealed",
        "info",
        "Secrets that were stored without encryption are sealed now.",
        ("count",),
    ),
    LogEvent(
        "operation.failed",
        "error",
        "A change of many deliveries cannot go on; what it was not done with is left as it is.",
        ("operation_id", "detail"),
    ),
    LogEvent(
        "retention.done",
        "info",
        "What was kept for long enough was deleted.",
        ("days", "events", "attempts", "payloads"),
    ),
    LogEvent(
        "embedded.started",
        "info",
        "The embedded PostgreSQL runs.",
        ("data_dir", "bindir", "pid", "port", "version"),
    ),
    LogEvent("admin.listening", "info", "The panel and its API are served.", ("place",)),
    LogEvent(
        "admin.failed",
        "error",
        "A request to the panel or the API failed by a fault of Relay's.",
        ("method", "path", "exception"),
    ),
    LogEvent("embedded.stopped", "info", "The embedded PostgreSQL has stopped.", ("data_dir",)),
)

_HEAD = """\
# Log events

Made from `relay/observe/catalogue.py` by `python -m relay.observe.catalogue`; a test compares the two.

Relay writes one JSON object a line to stdout: `timestamp` (ISO 8601 in UTC, milliseconds), `level`, `event`,
then the keys of that event. On a terminal the same is written for people; in the journal each line has its
priority. There is never a payload, a secret, or the query of a URL in it.
"""


def render() -> str:
    """Return the text of `docs/reference/logs.md`."""
    parts = [_HEAD, "## Events", *(_section(event) for event in CATALOGUE), "## Keys", _table(KEYS)]
    parts += ["Any event may also have these, and they mean the same everywhere:", _table(COMMON_KEYS)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(event: LogEvent) -> str:
    keys = ", ".join(f"`{key}`" for key in event.keys) or "none of its own"
    return f"### `{event.name}`\n\n{event.meaning} Level `{event.level}`. Keys: {keys}."


def _table(keys: dict[str, str]) -> str:
    rows = "\n".join(f"| `{key}` | {meaning} |" for key, meaning in sorted(keys.items()))
    return f"| key | meaning |\n|---|---|\n{rows}"


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - this is the program that prints it
