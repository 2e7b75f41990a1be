"""The relay with a closer look at its event loop, run as a program in its place: every lag of note is logged."""

import sys

from relay.__main__ import main
from relay.observe import loop_lag

LOOKS_EVERY = 0.01
"""Seconds between two looks."""
NOTED = 0.05
"""Seconds of lag that are logged, as `loop.stalled`."""

if __name__ == "__main__":
    loop_lag._STALLED = NOTED
    loop_lag.LoopLag.__init__.__defaults__ = (LOOKS_EVERY,)
    # What follows is the command line of the relay: Python, -m, relay, and its arguments.
    sys.argv = sys.argv[sys.argv.index("relay") :]
    main()
