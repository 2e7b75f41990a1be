"""The relay with one thing changed, run as a program in its place: the change, and then the usual command line."""

import resource
import sys
from collections.abc import Callable, Mapping

import relay.cli.run
from relay import process
from relay.__main__ import main
from relay.observe import loop_lag

LOOKS_EVERY = 0.01
"""Seconds between two looks of a relay that is attentive."""
NOTED = 0.05
"""Seconds of lag of its loop that it logs, as `loop.stalled`."""


def attentive() -> None:
    """Look at the event loop a hundred times a second."""
    loop_lag._STALLED = NOTED
    loop_lag.LoopLag.__init__.__defaults__ = (LOOKS_EVERY,)


def visible() -> None:
    """Do nothing about core files, and let its own user look into it."""
    setattr(relay.cli.run, "keep_memory_private", lambda: None)  # noqa: B010 - the name is not exported


def limited_only() -> None:
    """Set the limit of core files, and not the flag."""
    process.PR_SET_DUMPABLE = -1


def undumpable_only() -> None:
    """Set the flag, and not the limit of core files."""
    resource.setrlimit = lambda *_: None


CHANGES: Mapping[str, Callable[[], None]] = {
    change.__name__: change for change in (attentive, visible, limited_only, undumpable_only)
}

if __name__ == "__main__":
    CHANGES[sys.argv[1]]()
    # What follows is how the relay would have been run: Python, -m, relay, and its arguments.
    sys.argv = sys.argv[sys.argv.index("relay") :]
    main()
