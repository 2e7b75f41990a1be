"""Every metric that Relay exports, with its labels and its meaning; the reference is made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import fill
from typing import Literal

from relay.observe.readings import EVERY, MOST_BLOCKS
from relay.observe.success import MOST_FAILING


@dataclass(frozen=True, slots=True)
class MetricKind:
    """One metric, whatever the values of its labels.

    Attributes:
        name: As in `/metrics`; a counter's ends in `_total`.
        kind: Of Prometheus.
        meaning: One sentence, shown as HELP.
        labels: What each is.
        more: What one has to know to read it rightly.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: Mapping[str, str] = field(default_factory=dict)
    more: str = ""


CATALOGUE: tuple[MetricKind, ...] = (
    MetricKind(
        "relay_attempts_total",
        "counter",
        "Requests made whose outcome is in the database.",
        {
            "outcome": "`delivered`, `retrying`, `dead`; `released` if the fault was Relay's own and nothing is "
            "charged; `stale` if it changed nothing, since the delivery had been claimed again or the outcome was "
            "recorded before"
        },
    ),
    MetricKind(
        "relay_deliveries_total",
        "counter",
        "Deliveries that ended.",
        {"state": "`delivered`, `dead` or `cancelled`"},
        "Those that this relay ended: not what people discard. A dead one that is retried by hand ends again. One that "
        "was delivered before and is sent again on request is not counted.",
    ),
    MetricKind(
        "relay_attempt_duration_seconds",
        "histogram",
        "From the start of an attempt, connecting included, to the end of the answer or the failure.",
    ),
    MetricKind(
        "relay_delivery_latency_seconds",
        "histogram",
        "From the insert of an event to the end of the 2xx, retries included.",
        more="By the database's clock. An application that commits late, or asks for a later time with `deliver_at`, "
        "is in it too.",
    ),
    MetricKind(
        "relay_first_request_latency_seconds",
        "histogram",
        "From the insert of an event to the start of the first charged attempt of each of its deliveries.",
        more="As above. A new connection, where one is needed, is made after that and is part of the attempt.",
    ),
    MetricKind(
        "relay_in_flight",
        "gauge",
        "Deliveries in hand: requests under way, and outcomes that are not in the database yet.",
        more="At most `delivery.max_in_flight`.",
    ),
    MetricKind(
        "relay_backlog",
        "gauge",
        "Deliveries that have not ended well.",
        {"state": "`pending`, `in_flight`, `retrying`, `held` or `dead`"},
        f"A scrape asks the database, at most every {EVERY:g} seconds. At most {MOST_BLOCKS} blocks of the table are "
        "read, drawn by lot: up to some tens of thousands of deliveries that is all; beyond it the count is an "
        "estimate, usually within ten percent. An event that is not fanned out yet counts as one pending delivery. "
        "Only the active relay has it, and not while the database does not answer. The view `relay.backlog` is exact, "
        "and reads everything.",
    ),
    MetricKind(
        "relay_backlog_oldest_age_seconds",
        "gauge",
        "Age of the oldest event among them.",
        {"state": "as above; absent where there is none"},
        "Where the count is an estimate, the oldest of what was read.",
    ),
    MetricKind(
        "relay_endpoint_attempts_total",
        "counter",
        "Charged attempts of an endpoint.",
        {
            "endpoint": "its id; `other` for all that have none of their own",
            "class": "`2xx` and so on, or `error` if no answer came",
        },
        "The first `metrics.max_endpoints` endpoints that are sent to have their own. One that is removed makes room.",
    ),
    MetricKind(
        "relay_endpoint_state",
        "gauge",
        "Always 1; the state of the endpoint is in the label.",
        {
            "endpoint": "its id",
            "state": "`active`, `paused`, `disabled`, `sending_paused`, `secret_missing` or `secret_unreadable`",
        },
        "At most `metrics.max_endpoints`: those that take no deliveries first.",
    ),
    MetricKind(
        "relay_endpoints",
        "gauge",
        "How many endpoints are in a state; all of them, without a limit.",
        {"state": "as above"},
    ),
    MetricKind(
        "relay_claim_duration_seconds",
        "histogram",
        "How long the statement took that claims due deliveries, as the relay saw it.",
    ),
    MetricKind(
        "relay_record_duration_seconds",
        "histogram",
        "How long the statement took that writes a batch of outcomes, as the relay saw it.",
    ),
    MetricKind(
        "relay_database_up",
        "gauge",
        "1 if every part of the relay can use the database, else 0.",
    ),
    MetricKind(
        "relay_notifications_total",
        "counter",
        "Wake-ups heard from the database.",
        more="Few while it is busy: applications' commits notify only a relay that sleeps.",
    ),
    MetricKind(
        "relay_loop_lag_seconds",
        "gauge",
        "How late the event loop was within the last second, or is now.",
    ),
    MetricKind(
        "relay_delivery_success_ratio",
        "gauge",
        "Delivered ÷ (delivered + failing), each delivery once in the window; NaN if there was none.",
        {"window": "`5m` or `1h`"},
        "Failing: a charged attempt failed in the window and no 2xx followed, or it is due while the breaker of its "
        "endpoint is open; of one endpoint 1000 of these are counted at most. Relay's own faults do not count, nor "
        "does what fails or waits at an endpoint that is paused or disabled. A delivery that waits for its next "
        "attempt for longer than the window has left it. It is kept in memory, in steps of ten seconds: it knows what "
        "this process recorded, by the time of the record, and nothing "
        f"from before its start. Beyond {MOST_FAILING} failing deliveries the others are counted by the attempt.",
    ),
    MetricKind(
        "relay_alert_active",
        "gauge",
        "How many alerts last.",
        {"alert": "its name, as in [alerts](alerts.md); of endpoints there may be several"},
        "Only the active relay knows of any. They are raised, shown and sent without Prometheus as well.",
    ),
    MetricKind(
        "relay_log_lines_dropped_total",
        "counter",
        "Log lines that were not written, since whoever reads them was too slow.",
    ),
    MetricKind(
        "relay_config_reload_success",
        "gauge",
        "0 if the last reload found the configuration wrong and the old one is in force, else 1.",
    ),
    MetricKind(
        "relay_active",
        "gauge",
        "1 if this relay is the one that works on the database, 0 if it stands by or has no connection.",
    ),
    MetricKind(
        "relay_build_info",
        "gauge",
        "Always 1; what runs is in the labels.",
        {"version": "Relay's", "python": "Python's"},
    ),
)

METRICS: dict[str, MetricKind] = {metric.name: metric for metric in CATALOGUE}

_HEAD = """\
# Metrics

Made from `relay/observe/metric_catalogue.py` by `python -m relay.observe.metric_catalogue`; a test compares the two.

`/metrics` on `metrics.listen` has them in Prometheus' text format. Counters and histograms begin at zero when the
process starts. They are brought up to date when a batch of outcomes is committed, so nothing is counted that the
database does not know.

A dashboard and alert rules are in [docs/monitoring](../monitoring/README.md).
"""
_TAIL = """\
## The process

The usual ones of the Prometheus client, on Linux: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds`, `process_max_fds`.
"""


def render() -> str:
    """Return the text of `docs/reference/metrics.md`."""
    parts = [_HEAD, "## Relay", *(_section(metric) for metric in CATALOGUE), _TAIL]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(metric: MetricKind) -> str:
    labels = "\n".join(_wrapped(f"* `{label}`: {meaning}", "  ") for label, meaning in metric.labels.items())
    parts = [f"### `{metric.name}`", f"{metric.meaning} A {metric.kind}.", labels, _wrapped(metric.more)]
    return "\n\n".join(part for part in parts if part)


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - this is the program that prints it
