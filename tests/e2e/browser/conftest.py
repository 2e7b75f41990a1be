"""One Chromium for all, and windows for each test; whatever goes wrong in one fails its test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.chromium import CURE, Chromium, connected, find_chromium, running_chromium


@pytest.fixture(scope="session")
def chromium_address() -> Iterator[str]:
    """Run Chromium for the whole session, or skip with the cure where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip(f"there is no chromium; cure: {CURE}")
    with running_chromium(program) as address:
        yield address


@pytest.fixture
async def chromium(chromium_address: str) -> AsyncIterator[Chromium]:
    """Provide windows; at the end nothing must have gone wrong in any of them that was not forgiven."""
    async with connected(chromium_address) as running:
        yield running
        trouble = [each for window in running.windows for each in window.trouble]
    assert trouble == []
