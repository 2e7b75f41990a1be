"""What the numbers that were run measured is printed at the end."""

from collections.abc import Callable

import pytest

from tests.support.world import world

__all__ = ["figures", "world"]

FIGURE = "figure"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [each for group in terminalreporter.stats.values() for each in group]
    lines = [
        text
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, text in report.user_properties
        if name == FIGURE
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Provide a function that takes a line for the end of the run."""

    def note(text: str) -> None:
        # With the report it also comes from a process that runs a part of the tests.
        request.node.user_properties.append((FIGURE, f"{request.node.name}: {text}"))

    return note
