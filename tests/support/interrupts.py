"""Ctrl-C works in what tests start, however the tests themselves were started."""

import signal

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Take SIGINT as a terminal would give it: a shell lets what it runs in the background ignore it, children too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
