"""What strangers sent, as text that any row can store and any log may show."""

import re
from collections.abc import Iterable
from functools import lru_cache

import orjson

HIDDEN = "[hidden]"
_SECRET_NAME = re.compile(r"auth|signature|cookie|token|secret|password|api-?key", re.IGNORECASE)
_LONE_SURROGATE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
"""The others stand for bytes that were no UTF-8, which `surrogateescape` turns back."""


def storable(text: str) -> str:
    """Return `text` with what PostgreSQL's text type cannot hold written as escapes."""
    if "\x00" in text:
        text = text.replace("\x00", "\\x00")
    elif text.isascii():
        return text
    text = _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def body_text(body: bytes) -> str:
    r"""Return a body as text; bytes that are no UTF-8 become escapes such as `\\xff`."""
    return body.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def headers_json(headers: Iterable[tuple[str, str]]) -> str:
    """Return headers as a JSON object, with the values of those that carry secrets left out."""
    shown = {storable(name): HIDDEN if _is_secret(name) else storable(value) for name, value in headers}
    return orjson.dumps(shown).decode()


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    """Say whether a header of this name carries a secret; kept, since the same names come again and again."""
    return _SECRET_NAME.search(name) is not None
