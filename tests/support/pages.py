"""Reading pages as a person does: what they say, and what can be pressed."""

import re
from html.parser import HTMLParser

from tests.support.admin import Browser
from tests.support.waiting import eventually

_INLINE = frozenset({"a", "code", "strong", "small", "time", "svg", "path"})


class _Text(HTMLParser):
    """Collects the texts of a page, and every attribute that its markup has."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._part(tag)

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def _part(self, tag: str) -> None:
        """Keep the texts of neighbours apart, as their places on the page do."""
        if tag not in _INLINE:
            self.parts.append(" ")


def text_of(page: str) -> str:
    """Return what a page says, its spaces folded."""
    return " ".join("".join(_read(page).parts).split())


def elements_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return every element that a browser would make, with its attributes."""
    return _read(page).elements


def flash_of(page: str) -> str:
    """Return what a page says was just done; "" if it says nothing of that."""
    found = re.search(r'<p class="flash [a-z]+">(.*?)</p>', page, re.DOTALL)
    return text_of(found[1]) if found else ""


def links_of(page: str, beginning: str) -> list[str]:
    """Return where the links of a page lead that begin so."""
    hrefs = [attributes.get("href") or "" for tag, attributes in elements_of(page) if tag == "a"]
    return [each for each in hrefs if each.startswith(beginning)]


def targets_of(page: str) -> list[str]:
    """Return where the forms of a page are sent."""
    return [attributes.get("action") or "" for tag, attributes in elements_of(page) if tag == "form"]


async def read_until(browser: Browser, path: str, text: str) -> str:
    """Read a page again and again until it says something, and return it."""

    async def look() -> str:
        page = await browser.read(path)
        return page if text in text_of(page) else ""

    return await eventually(look, f"{path} to say {text!r}")


def _read(page: str) -> _Text:
    reader = _Text()
    reader.feed(page)
    return reader
