"""A real Chromium: one process for all tests, and for each test windows of its own whose trouble is noted."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    ViewportSize,
    async_playwright,
)

CURE = "apt-get install --no-install-recommends chromium fonts-dejavu-core"
START_LIMIT = 60.0
PATIENCE_MS = 20_000
WIDE = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
# Before any script of the page: tells of what its policy forbids, and gives strangers' scripts something to call.
WATCH = """
window.strange = () => { console.error("a stranger's script ran"); return 49; };
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def find_chromium() -> str | None:
    """Return the program, or None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def running_chromium(program: str) -> Iterator[str]:
    """Run it for the length of the block; gives the address that Playwright connects to."""
    with tempfile.TemporaryDirectory(prefix="relay-chromium-", ignore_cleanup_errors=True) as folder:
        told = Path(folder, "DevToolsActivePort")
        process = subprocess.Popen(
            [program, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LANG": "en_GB.UTF-8", "TZ": "UTC"},
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one system call, no lock
        )
        try:
            yield f"http://127.0.0.1:{_port(process, told)}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _port(process: "subprocess.Popen[bytes]", told: Path) -> int:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"chromium ended with {process.returncode} as it started")
        if told.is_file() and (text := told.read_text(encoding="ascii").split()):
            return int(text[0])
        time.sleep(0.02)
    raise RuntimeError(f"chromium was not there within {START_LIMIT:g} s")


class Window:
    """A page, and what went wrong in it.

    Attributes:
        page: Playwright's.
        base: The panel, as "http://127.0.0.1:PORT".
        trouble: Errors of the console, violations of the policy, dialogs, requests to elsewhere, as texts.
        requests: Every request so far.
    """

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.trouble: list[str] = []
        self.requests: list[Request] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error} at {page.url}"))
        page.on("dialog", self._dismiss)
        page.on("request", self._note)

    async def open(self, path: str) -> None:
        """Go to a page of the panel as by typing its address."""
        await self.page.goto(self.base + path)

    async def sign_in(self, link: str) -> None:
        """Follow a link that signs in, as a person does."""
        await self.page.goto(link)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.get_by_role("heading", name="Overview", exact=True).wait_for()

    def forgive(self, text: str) -> None:
        """Drop what was noted and has this text in it: the test wanted it."""
        self.trouble = [each for each in self.trouble if text not in each]

    @property
    def path(self) -> str:
        """Where it is, without the panel's own address."""
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.trouble.append(f"console: {message.text} at {self.page.url}")

    async def _dismiss(self, dialog: Dialog) -> None:
        self.trouble.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        if not request.url.startswith((self.base + "/", "data:")):
            self.trouble.append(f"a request to {request.url}")


class Chromium:
    """Opens windows, each with cookies and a cache of its own.

    Args:
        browser: What Playwright is connected to.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.windows: list[Window] = []

    async def window(
        self, base: str, *, dark: bool = False, phone: bool = False, javascript: bool = True
    ) -> Window:
        """Open a window.

        Args:
            base: The panel that it is for.
            dark: Its reader likes it so.
            phone: As narrow as one, else wide.
            javascript: Whether scripts run.
        """
        context = await self._browser.new_context(
            viewport=PHONE if phone else WIDE,
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            locale="en-GB",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        return await self.another(context, base)

    async def another(self, context: BrowserContext, base: str) -> Window:
        """Open one more with the same cookies."""
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        await page.add_init_script(WATCH)
        window = Window(page, base)
        self.windows.append(window)
        return window


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Chromium]:
    """Connect to a Chromium that runs; its windows are closed at the block's end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(address)
        chromium = Chromium(browser)
        try:
            yield chromium
        finally:
            for window in chromium.windows:
                await window.page.context.close()
            await browser.close()
