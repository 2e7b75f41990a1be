"""What the numbers that were run measured is printed at the end."""

from collections.abc import Callable

import pytest

from tests.support.world import world

__all__ = ["figures", "world"]

_LINES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LINES] = []


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
