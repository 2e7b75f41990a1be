"""Somebody who has just run the demo finds what wants a Retry, and sees it delivered, by reading alone."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import Locator

from tests.support.chromium import Chromium, Window

MOST_CLICKS = 6
LIMIT = 60


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """Run the demo as the README says, and give the link that it prints; it ends by Ctrl-C, with its proof."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "demo"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("RELAY_")},
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(LIMIT):
            link = None
            while link is None:
                line = await process.stderr.readline()
                assert line, "it ended before it had printed a link"
                link = re.search(r"panel: (http://\S+)", line.decode())
        rest = asyncio.create_task(process.communicate())
        yield link[1]
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(LIMIT):
            printed, _ = await rest
        assert process.returncode == 0, printed
        assert "1 taken after a Retry" in printed.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Reader:
    """Clicks on what can be read on the screen, and on nothing else.

    Attributes:
        clicks: How many so far.
    """

    def __init__(self, window: Window) -> None:
        self.page = window.page
        self.clicks = 0

    async def click(self, what: Locator) -> None:
        """Click on something that is in sight without scrolling, on a screen of usual size."""
        await what.wait_for()
        box = await what.bounding_box()
        size = self.page.viewport_size
        assert box is not None
        assert size is not None
        assert box["y"] + box["height"] <= size["height"], await what.inner_text()
        await what.click()
        self.clicks += 1


async def test_from_the_printed_link_to_a_delivery_that_was_sent_again(chromium: Chromium) -> None:
    async with demo() as link:
        parts = urlsplit(link)
        window = await chromium.window(f"{parts.scheme}://{parts.netloc}")
        reader, page = Reader(window), window.page
        await page.goto(link)
        await reader.click(page.get_by_role("button", name="Sign in"))
        await page.get_by_role("heading", name="Failing").wait_for()
        await reader.click(page.get_by_role("link", name="press Retry"))
        await page.get_by_role("heading", name="Failing").wait_for()
        await reader.click(page.get_by_role("link", name="shipment.sent").first)
        await page.get_by_text("Given up").wait_for()
        await page.get_by_text("unknown field: vat_id").wait_for()
        await reader.click(page.get_by_role("button", name="Retry now"))
        await page.get_by_text("Delivered with attempt 2, status 200.").wait_for()
        await page.locator(".state", has_text="delivered").first.wait_for()
        assert reader.clicks <= MOST_CLICKS
