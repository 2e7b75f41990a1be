"""How values are written on pages: times, spans, numbers, sizes, and texts that strangers wrote."""

import re
from datetime import UTC, datetime, timedelta

import orjson
from markupsafe import Markup, escape

from relay.admin.unshowable import UNSHOWABLE
from relay.durations import format_duration

NONE = "\u2013"
"""What stands where there is nothing."""
# Beyond those that terminals must not get: annotations and tags, which no font shows at all.
_HIDDEN = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\ufff9-\ufffb\U000e0000-\U000e0fff{UNSHOWABLE}]")
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"))
_LARGEST_PRETTY = 128 * 1024
"""Characters of JSON that are still laid out; more would take the server and the browser long."""


def shown(value: object) -> object:
    r"""Return a value as a page shows it: what a reader would not see, or be misled by, stands there as \u202e.

    Markup that our own code made is left as it is.
    """
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))


def coded(text: str) -> Markup:
    """Return a sentence in which what stands between backquotes is a command, as our own messages have it."""
    parts = [escape(shown(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return Markup("`").join(parts)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def exact(value: object) -> Markup:
    """Return a value for a form's field, where it must stay what it is, since it is sent back."""
    text = "" if value is None else str(value)
    return escape(text.encode("utf-8", "replace").decode("utf-8"))


def when(moment: datetime | None, style: str = "full") -> Markup:
    """Return a time that the page puts into its reader's zone; without JavaScript it is UTC.

    Args:
        moment: The time.
        style: "full" has the day, "time" the time of day alone.
    """
    if moment is None:
        return Markup('<span class="none">{}</span>').format(NONE)
    utc = moment.astimezone(UTC)
    text = f"{utc:%H:%M:%S}" if style == "time" else f"{utc:%d %b %H:%M:%S}"
    return Markup('<time datetime="{}" title="{} UTC" data-style="{}">{} UTC</time>').format(
        utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        utc.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", ""),
        style,
        text,
    )


def span(seconds: float | timedelta | None) -> str:
    """Return a span of time in its two largest units: "4 min 5 s", "2 d 3 h"."""
    if seconds is None:
        return NONE
    left = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    parts: list[str] = []
    for size, unit in _SPANS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number} {unit}")
    parts.append(f"{left} s")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ") or len(parts) == 1)


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago something was."""
    if moment is None:
        return NONE
    ago = max(((now or datetime.now(UTC)) - moment).total_seconds(), 0)
    for size, unit in _SPANS:
        if ago >= size:
            return f"{ago // size:.0f} {unit}"
    return f"{ago:.0f} s"


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with its thousands apart."""
    return NONE if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def percent(ratio: float | None) -> str:
    """Return a share as a percentage, never rounded up to 100."""
    if ratio is None or ratio != ratio:  # noqa: PLR0124 - that is how one sees a NaN
        return NONE
    if ratio == 1:
        return "100%"
    return f"{min(ratio, 0.999) * 100:.1f}%"


def milliseconds(value: int | None) -> str:
    """Return how long an attempt took."""
    if value is None:
        return NONE
    return f"{value} ms" if value < 1000 else f"{value / 1000:.1f} s"  # noqa: PLR2004


def short(value: object) -> str:
    """Return the beginning of an id, enough to tell the few on a page apart."""
    return str(value)[:8]


def duration(value: timedelta | None) -> str:
    """Return a duration as settings and forms have it."""
    return "" if value is None else format_duration(value)


def json(value: object) -> str:
    """Return a value that came from JSON as JSON again."""
    return orjson.dumps(value).decode()


def laid_out(text: str) -> str:
    """Return JSON over several lines; what is none, or is large, as it is."""
    if len(text) > _LARGEST_PRETTY or text[:1] not in {"{", "["}:
        return text
    try:
        found = orjson.loads(text)
        return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        return text
