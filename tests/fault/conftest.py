"""The full numbers run only when they are asked for; what they measured is printed at the end."""

import os
from collections.abc import Callable

import pytest

from tests.support.world import world

__all__ = ["figures", "world"]

_LINES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LINES] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the full numbers out unless `-m full` or RELAY_TEST_FULL=1 asks for them."""
    if "full" in config.option.markexpr or os.environ.get("RELAY_TEST_FULL") == "1":
        return
    full = [item for item in items if item.get_closest_marker("full")]
    if full:
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash[_LINES]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Provide a function that takes a line for the end of the run."""

    def note(text: str) -> None:
        request.config.stash[_LINES].append(f"{request.node.name}: {text}")

    return note
