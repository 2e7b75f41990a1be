"""What one endpoint has shown of itself."""

from relay.endpoints.breaker import Breaker
from relay.endpoints.limits import START


class Standing:
    """What one endpoint has shown; how it changes is the business of `Standings`. Times are monotonic.

    Attributes:
        breaker: Counts its failures.
        in_hand: Slots that it has, those reserved for a claim under way included.
        allowed: How many it may have, whatever its own cap.
        is_proven: It has answered with a success, and nothing speaks against it since.
        pace: Seconds that its successes take, about the slowest of the last ones.
        succeeded_at: Its last success.
        heard_at: Its last outcome of any kind.
        waiting_since: When it last went from no slot to some.
        is_throttled: It asked to be left alone until `throttled_until`; cleared when that is found to be over.
    """

    __slots__ = (
        "allowed",
        "breaker",
        "heard_at",
        "in_hand",
        "is_proven",
        "is_throttled",
        "pace",
        "succeeded_at",
        "throttled_until",
        "waiting_since",
    )

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.in_hand = 0
        self.allowed = START
        self.is_proven = False
        self.pace = 0.0
        self.succeeded_at = float("-inf")
        self.heard_at = float("-inf")
        self.waiting_since = float("-inf")
        self.is_throttled = False
        self.throttled_until = float("-inf")

    def left_alone_for(self, now: float) -> float:
        """Return for how many seconds more nothing is sent to it, by its breaker or by its own wish."""
        until = self.throttled_until if self.is_throttled else now
        if self.breaker.state == "open":
            until = max(until, self.breaker.until)
        return max(until - now, 0.0)
