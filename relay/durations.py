"""Durations and sizes as people write them: "30s", "3d", "16KiB"."""

import math
import re
from datetime import timedelta

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LONGEST = timedelta(days=3650)


def parse_duration(value: object) -> timedelta:
    """Read a duration.

    Args:
        value: A timedelta, a number of seconds, or text such as "250ms", "1.5s", "1h30m" or "30" (seconds).

    Raises:
        ValueError: It is none of these, negative, not finite, or longer than ten years.
    """
    seconds = _seconds(value)
    if not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST.total_seconds():
        raise ValueError(f"{value!r} is out of range; a duration is between 0 and 3650d")
    return timedelta(seconds=seconds)


def parse_size(value: object) -> int:
    """Read a size in bytes.

    Args:
        value: A whole number of bytes, or text such as "16KiB", "1.5 MiB" or "4096".

    Raises:
        ValueError: It is neither, or not a whole number of bytes.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a size; write for example 4096, "16KiB" or "128MiB"')
    size = float(found[1]) * _BYTES[found[2] or "B"]
    if not size.is_integer():
        raise ValueError(f"{value!r} is not a whole number of bytes")
    return int(size)


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that divides it, so that parse_duration reads it back."""
    microseconds = duration // timedelta(microseconds=1)
    if microseconds == 0:
        return "0s"
    for unit in ("d", "h", "m", "s", "ms"):
        whole, rest = divmod(microseconds, round(_SECONDS[unit] * 1_000_000))
        if rest == 0:
            return f"{whole}{unit}"
    return f"{microseconds}us"


def format_size(size: int) -> str:
    """Write a size in the largest unit that divides it, so that parse_size reads it back."""
    for unit in ("GiB", "MiB", "KiB"):
        whole, rest = divmod(size, _BYTES[unit])
        if whole and rest == 0:
            return f"{whole}{unit}"
    return f"{size}B"


def _seconds(value: object) -> float:
    match value:
        case timedelta():
            return value.total_seconds()
        case bool():
            pass
        case int():
            return float(min(value, 10**15))  # past the limit in any case, and floats cannot hold every int
        case float():
            return value
        case str() if _NUMBER.fullmatch(value.strip()):
            return float(value)
        case str() if parts := _duration_parts(value.strip()):
            return math.fsum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    raise ValueError(f'{value!r} is not a duration; write for example "250ms", "30s", "12h" or "3d"')


def _duration_parts(text: str) -> list[tuple[str, str]]:
    """Return the parts of "1h30m" with their units, or nothing if anything else stands between them."""
    rest = _DURATION_PART.sub("", text).strip()
    return [] if rest else _DURATION_PART.findall(text)
