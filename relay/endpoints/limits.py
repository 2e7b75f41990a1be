"""How much an endpoint may have in flight, by what it has shown. Pure."""

START = 4
"""Deliveries in flight to an endpoint of which nothing good is known."""
MOST = 1 << 20
"""Beyond any cap of an endpoint: growing ends here."""
RECENT = 10.0
"""Seconds for which one success speaks for an endpoint while its attempts fail."""
PATIENCE = 2.0
"""Seconds that an endpoint with deliveries in flight may be silent before that counts against it."""
IDLE = 60.0
"""Seconds after which an endpoint that had nothing to do begins small again."""
FADING = 0.9
"""By which its slowest answer fades with each batch of outcomes that has quicker ones."""


def grown(allowed: int, successes: int) -> int:
    """Return how many may be in flight after so many more successes: each doubles it."""
    return MOST if successes > MOST.bit_length() else min(allowed << successes, MOST)


def is_silent(quiet: float, pace: float) -> bool:
    """Say whether an endpoint that has been quiet for so long is silent, by how long its answers usually take."""
    return quiet > max(PATIENCE, 3 * pace)


def only_fails(since_success: float, pace: float) -> bool:
    """Say whether an endpoint that just failed has done nothing else lately, by how long its answers usually take."""
    return since_success > max(RECENT, 2 * pace)


def slowest(pace: float, took: float) -> float:
    """Return how long answers take, after one more."""
    faded = pace * FADING
    return max(faded, took)


def quarter(total: int) -> int:
    """Return the share of all slots that is set apart for somebody."""
    return total // 4
