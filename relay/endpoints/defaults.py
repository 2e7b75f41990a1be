"""What holds for all endpoints, from the settings: defaults, and the rules of the breakers."""

from relay.config import Settings
from relay.endpoints.breaker import BreakerRules
from relay.endpoints.rows import Defaults
from relay.endpoints.streak import StreakRules
from relay.model import Schedule


def defaults_of(settings: Settings) -> Defaults:
    """Return the defaults that these settings give."""
    retry = settings.retry
    schedule = Schedule(
        base=retry.base,
        factor=retry.factor,
        max_delay=retry.max_delay,
        max_age=retry.max_age,
        jitter=retry.jitter,
        delays=retry.schedule,
        permanent_statuses=frozenset(retry.permanent_statuses),
    )
    return Defaults(
        timeout=settings.delivery.timeout.total_seconds(),
        max_in_flight=settings.delivery.max_in_flight_per_endpoint,
        schedule=schedule,
    )


def streak_rules_of(settings: Settings) -> StreakRules:
    """Return when people are told of endpoints that only fail, and when those are disabled."""
    breaker = settings.breaker
    return StreakRules(
        unhealthy_after=breaker.unhealthy_after,
        disable_after=breaker.disable_after.total_seconds(),
        disable_min_attempts=breaker.disable_min_attempts,
        warn_before=breaker.warn_before.total_seconds(),
    )


def breaker_rules_of(settings: Settings) -> BreakerRules:
    """Return when breakers open by these settings."""
    breaker = settings.breaker
    return BreakerRules(
        enabled=breaker.enabled,
        failure_ratio=breaker.failure_ratio,
        min_attempts=breaker.min_attempts,
        window=breaker.window.total_seconds(),
        open_for=breaker.open_for.total_seconds(),
        max_open_for=breaker.max_open_for.total_seconds(),
    )
