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
    """Return headers as a JSON object, with the values of those that carry secrets left out.

    Args:
        headers: No two with the same name.
    """
    return f"{{{','.join([_member(name, value) for name, value in headers])}}}"


def carries_secret(name: str) -> bool:
    """Say whether the value of a header of this name is left out wherever headers are shown."""
    return _SECRET_NAME.search(name) is not None


def json_text(text: str) -> str:
    """Return a storable text as a JSON string, with its quotes."""
    return orjson.dumps(text).decode()


def _member(name: str, value: str) -> str:
    # The same few come again and again; a long one is more likely to be one of its kind, and would fill the memory.
    is_short = len(name) + len(value) <= _LONGEST_KNOWN
    return _known_member(name, value) if is_short else _new_member(name, value)


def _new_member(name: str, value: str) -> str:
    shown = HIDDEN if carries_secret(name) else storable(value)
    return f"{json_text(storable(name))}:{json_text(shown)}"


_LONGEST_KNOWN = 100
_known_member = lru_cache(maxsize=4096)(_new_member)
