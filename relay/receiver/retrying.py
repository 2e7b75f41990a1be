"""When a handler that failed is called again."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential backoff: five seconds, fifteen, forty-five and so on; with these numbers over about a day.

    Attributes:
        base: After the first failure.
        factor: How much longer each delay is than the one before.
        max_delay: No delay is longer.
        jitter: Each delay is up to this share of it shorter or longer, so that what failed together does not
            come again together.
        max_attempts: After so many failures the event is dead.
    """

    base: timedelta = timedelta(seconds=5)
    factor: float = 3.0
    max_delay: timedelta = timedelta(hours=6)
    jitter: float = 0.2
    max_attempts: int = 12

    def __post_init__(self) -> None:
        if self.base < timedelta(0) or self.factor < 1 or self.max_attempts < 1 or not 0 <= self.jitter < 1:
            raise ValueError("base must not be negative, factor and max_attempts 1 or more, jitter in [0, 1)")


def delay_after(retry: Retry, failures: int, chance: float) -> timedelta | None:
    """Return how long to wait after a failure; None if the event is dead now.

    Args:
        retry: The numbers.
        failures: How many there have been, this one included.
        chance: A random number in [0, 1).
    """
    if failures >= retry.max_attempts:
        return None
    longest = retry.max_delay.total_seconds()
    seconds = retry.base.total_seconds()
    for _ in range(failures - 1):
        if seconds >= longest:
            break
        seconds *= retry.factor
    return timedelta(seconds=min(seconds, longest) * (1 + retry.jitter * (2 * chance - 1)))
