"""What is found, in words and numbers. Pure."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from relay.alerts.alert import Finding, Key
from relay.alerts.rules import Rate, RateRules, State, judge_age, judge_rate
from relay.durations import format_duration
from relay.endpoints.endpoint import Endpoint
from relay.endpoints.rows import TROUBLES, UNUSABLE
from relay.observe.log_lines import harmless

DISABLED = "endpoint_disabled"


def of_rate(rate: Rate, rules: RateRules, *, watched_for: float) -> Finding:
    """Return what there is to say of all deliveries together."""
    return Finding(
        key=Key("low_delivery_rate"),
        state=judge_rate(rate, rules, watched_for=watched_for, is_broken=False),
        calm=rules.calm,
        summary=f"{_only(rate, rules)}. See which endpoints fail: `relay endpoint list`, or relay.endpoint_health.",
        detail=_numbers(rate, rules),
    )


def of_endpoint_rate(
    endpoint: Endpoint, rate: Rate, rules: RateRules, *, watched_for: float, is_broken: bool
) -> Finding:
    """Return what there is to say of the deliveries of one endpoint."""
    advice = f"See what it answers: `relay delivery list --endpoint {endpoint.id}`, and tell its owner."
    return Finding(
        key=Key("low_delivery_rate", endpoint.id),
        state=judge_rate(rate, rules, watched_for=watched_for, is_broken=is_broken),
        calm=rules.calm,
        summary=f"{_only(rate, rules)} to {_url(endpoint)}. {advice}",
        detail={**_numbers(rate, rules), "breaker": "open" if is_broken else "closed"},
    )


def of_backlog(overdue: Iterable[tuple[UUID | None, float]], limit: float) -> Finding:
    """Return what there is to say of what is due and not sent.

    Args:
        overdue: Endpoints that take deliveries, and for how many seconds the oldest of each has been due; None stands
            for events that are not fanned out.
        limit: Seconds that are too long.
    """
    late = sorted(overdue, key=lambda each: each[1], reverse=True)
    endpoint_id, age = late[0] if late else (None, 0.0)
    where = "to be fanned out" if endpoint_id is None else f"for endpoint {endpoint_id}"
    return Finding(
        key=Key("backlog_age"),
        state=judge_age(age, limit),
        summary=f"A delivery {where} has been due for {_length(age)} and is not sent. More comes in than goes out, or"
        " the endpoint fails: see `relay stats` and `relay endpoint list`, raise its limits, or pause it.",
        detail={
            "age_s": round(age),
            "max_backlog_age_s": round(limit),
            "oldest_endpoint_id": None if endpoint_id is None else str(endpoint_id),
            "endpoints": sum(each is not None and due_for > limit for each, due_for in late),
        },
    )


def of_endpoints(endpoints: Iterable[Endpoint]) -> Iterator[Finding]:
    """Yield those endpoints that take no deliveries though no person stopped them."""
    for endpoint in endpoints:
        if endpoint.hold == DISABLED:
            yield _stopped(
                endpoint,
                Key("endpoint_disabled", endpoint.id),
                f"Relay disabled the endpoint {_url(endpoint)}, and its deliveries are held. Ask its owner, then"
                f" `relay endpoint resume {endpoint.id}`, or remove it.",
            )
        elif endpoint.hold in TROUBLES or endpoint.hold == UNUSABLE:
            trouble = TROUBLES.get(endpoint.hold, "its row cannot be read; the log says why")
            yield _stopped(
                endpoint,
                Key("endpoint_unusable", endpoint.id),
                f"Nothing can be sent to the endpoint {_url(endpoint)}, and its deliveries are held: {trouble}.",
            )


def of_database(seconds: float) -> Finding:
    """Return what there is to say of a database that has been away for so long."""
    return Finding(
        key=Key("database_away"),
        state=State.BAD,
        summary=f"Relay has not been able to use its database for {_length(seconds)}, and sends nothing. Mend"
        " PostgreSQL; the log says what it answers. Do not kill the relay, or what it knows is sent again.",
        detail={"away_s": round(seconds)},
    )


def _stopped(endpoint: Endpoint, key: Key, summary: str) -> Finding:
    return Finding(key=key, state=State.BAD, summary=summary, detail={"reason": endpoint.hold})


def _only(rate: Rate, rules: RateRules) -> str:
    window = format_duration(timedelta(seconds=rules.window))
    return (
        f"Only {rate.ratio:.1%} of deliveries succeeded within {window}"
        f" ({rate.delivered} of {rate.deliveries}; the limit is {rules.min_ratio:.4g})"
    )


def _numbers(rate: Rate, rules: RateRules) -> dict[str, float | int | str | None]:
    return {
        "ratio": round(rate.ratio, 4),
        "delivered": rate.delivered,
        "failing": rate.failing,
        "window_s": rules.window,
        "min_success_ratio": rules.min_ratio,
    }


def _url(endpoint: Endpoint) -> str:
    return harmless("url", endpoint.url)


def _length(seconds: float) -> str:
    """Return about how long that is; the largest unit that it fills, and the next smaller one."""
    whole = max(round(seconds), 0)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    return f"{whole} s"
