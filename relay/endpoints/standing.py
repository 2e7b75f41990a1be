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
    """

    __slots__ = (
        "allowed",
        "breaker",
        "heard_at",
        "in_hand",
        "is_proven",
        "pace",
        "succeeded_at",
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
