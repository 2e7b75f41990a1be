"""What endpoints have where their row says nothing, from the settings."""

from relay.config import Settings
from relay.endpoints.rows import Defaults
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
    )
    return Defaults(
        timeout=settings.delivery.timeout.total_seconds(),
        max_in_flight=settings.delivery.max_in_flight_per_endpoint,
        schedule=schedule,
    )
