"""How an event and its keys become one line: JSON for machines, colours for people, never a secret."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

Renderer = Callable[[WrappedLogger, str, EventDict], bytes]

_PRIORITY = {"debug": b"<7>", "info": b"<6>", "warning": b"<4>", "error": b"<3>", "critical": b"<2>"}
_NEVER_LOGGED = frozenset({"payload", "body", "secret", "secrets", "authorization"})
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)(?:[^\s/?#'\"<>]*@)?([^\s?#'\"<>]*)(?:[?#][^\s'\"<>]*)?")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]+")


def complete(_: WrappedLogger, level: str, keys: EventDict) -> EventDict:
    """Put timestamp, level and event first, and take out whatever must not be in a log."""
    line: EventDict = {"timestamp": _now(), "level": level, "event": keys.pop("event", "")}
    for key, value in keys.items():
        if key not in _NEVER_LOGGED:
            line.setdefault(key, harmless(key, value) if type(value) is str else value)
    return line


def harmless(key: str, text: str) -> str:
    """Return the text without userinfo, query and fragment of the URLs in it, and without signing secrets."""
    if "://" in text:
        text = _URL.sub(r"\1\2", text)
    elif key == "url":  # not even a proper one: whatever follows may still be a token
        text = re.split(r"[?#]", text, maxsplit=1)[0].rpartition("@")[2]
    if "whsec_" in text:
        text = _SECRET.sub("whsec_***", text)
    return text


def render_json(_: WrappedLogger, __: str, line: EventDict) -> bytes:
    """Render one JSON object; what JSON cannot say becomes text."""
    try:
        return orjson.dumps(line, default=_text, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate, an int past 64 bits, a cycle: rare, so the way back may be slow
        return orjson.dumps({_text(key): _plain(value) for key, value in line.items()})


def render_for_journal(logger: WrappedLogger, level: str, line: EventDict) -> bytes:
    """Render JSON after its priority as sd-daemon(3) has it, which the journal takes off again."""
    return _PRIORITY.get(level, b"<6>") + render_json(logger, level, line)


def render_many(level: str, event: str, rows: Sequence[Mapping[str, Any]], prefix: bytes = b"") -> bytes:
    """Render a line a row, each with its line end; the rows hold something, but nothing that must not be in a log."""
    head = prefix + orjson.dumps({"timestamp": _now(), "level": level, "event": event})[:-1] + b","
    dumps = orjson.dumps
    return b"".join([b"%b%b\n" % (head, dumps(row)[1:]) for row in rows])


def render_many_for_journal(level: str, event: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Render the same for the journal."""
    return render_many(level, event, rows, _PRIORITY[level])


def pretty_renderer(*, colors: bool) -> Renderer:
    """Return a renderer for people; control characters are escaped, since they could steer a terminal."""
    console = structlog.dev.ConsoleRenderer(
        colors=colors,
        sort_keys=False,
        repr_native_str=True,
        exception_formatter=structlog.dev.plain_traceback,
    )

    def render(logger: WrappedLogger, level: str, line: EventDict) -> bytes:
        if "exception" in line:
            line["exception"] = "".join(map(_visible, line["exception"]))
        return console(logger, level, line).encode("utf-8", "backslashreplace")

    return render


def _now() -> str:
    return f"{datetime.now(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def _visible(character: str) -> str:
    """Escape what acts instead of showing: control characters, bidi overrides, surrogates."""
    return character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1]


def _plain(value: Any) -> str | int | float | None:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 - a broken __str__ must not stop whoever wanted to log
        return f"<{type(value).__name__} that cannot be shown>"
