"""What single values cannot show: settings that do not go together."""

from collections.abc import Iterator, Mapping

from relay.config_places import is_local
from relay.config_sections import Admin, Alerts, Settings, flatten
from relay.config_sources import Problem, Value
from relay.config_values import shown

_ORDERED = (  # the first must not exceed the second
    ("delivery.max_payload_bytes", "delivery.max_in_flight_bytes"),
    ("retry.base", "retry.max_delay"),
    ("retry.base", "retry.max_age"),
    ("breaker.open_for", "breaker.max_open_for"),
)


def contradictions(
    settings: Settings, values: Mapping[str, Value], ignored: frozenset[str]
) -> Iterator[Problem]:
    """Find values that do not go together; those with an ignored key have been complained about already."""
    yield from _disorder(settings, values, ignored)
    yield from _unsigned(settings.alerts, values, ignored)
    yield from _exposed(settings.admin, values, ignored)


def _disorder(settings: Settings, values: Mapping[str, Value], ignored: frozenset[str]) -> Iterator[Problem]:
    flat = flatten(settings)
    for lesser, greater in _ORDERED:
        if flat[lesser] > flat[greater] and not ignored & {lesser, greater}:
            origin = values[lesser].origin if lesser in values else "default"
            reason = f"is {shown(flat[lesser])}, more than {greater}, {shown(flat[greater])}"
            yield Problem(key=lesser, origin=origin, reason=f"{reason}; lower it or raise that")


def _unsigned(alerts: Alerts, values: Mapping[str, Value], ignored: frozenset[str]) -> Iterator[Problem]:
    """Find sinks that could not tell that an alert is ours."""
    unsigned = [sink for sink in alerts.sinks if not sink.is_slack]
    if unsigned and not alerts.secret.get_secret_value() and "alerts.secret" not in ignored:
        reason = f"is missing, and nothing is sent unsigned to {unsigned[0]}; write one, best as a credential"
        yield Problem(key="alerts.secret", origin=values["alerts.sinks"].origin, reason=reason)


def _exposed(admin: Admin, values: Mapping[str, Value], ignored: frozenset[str]) -> Iterator[Problem]:
    """Find a panel that others on the network could read along: tokens would cross it in the clear."""
    if any(key.startswith("admin.") for key in ignored):
        return
    if (admin.tls_certificate is None) != (admin.tls_key is None):
        key = "admin.tls_key" if admin.tls_key is None else "admin.tls_certificate"
        yield Problem(
            key=key, origin="default", reason="is not set, and the other half of TLS is; set both or none"
        )
    elif not (admin.behind_proxy or admin.tls_certificate or is_local(admin.listen)):
        yield Problem(
            key="admin.listen",
            origin=values["admin.listen"].origin,
            reason=f"is {admin.listen}, where tokens would cross a network in the clear: set admin.tls_certificate "
            "and admin.tls_key, or admin.behind_proxy = true if a proxy in front speaks TLS",
        )
