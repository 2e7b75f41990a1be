"""What axe finds amiss on a page, for people who do not see, hear or point as most do."""

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

# What can differ between light and dark: all else is the same document.
_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}


async def violations(page: Page, *, colours_only: bool = False) -> list[tuple[str, list[str]]]:
    """Return the rules that a page breaks, each with the elements that do."""
    options: dict[str, Any] = _COLOURS if colours_only else {}
    result = await Axe().run(page, options=options)
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]]) for each in result.response["violations"]
    ]
