"""The Retry-After header (RFC 9110, section 10.2.3), in every legal form; anything else counts as absent."""

import re
from datetime import UTC, datetime

_DELTA = re.compile(r"[0-9]{1,10}")
_DATES = (
    "%a, %d %b %Y %H:%M:%S GMT",  # IMF-fixdate
    "%A, %d-%b-%y %H:%M:%S GMT",  # RFC 850
    "%a %b %d %H:%M:%S %Y",  # asctime, in UTC
)
_LONGEST = 40


def retry_after(value: str | None, *, now: float) -> float:
    """Return the seconds that the header asks for; 0 for an absent, past or senseless one.

    Args:
        value: The header's value.
        now: Unix time, to turn a date into a delay.
    """
    if value is None or len(value) > _LONGEST:
        return 0.0
    value = value.strip()
    if _DELTA.fullmatch(value):
        return float(value)
    for form in _DATES:
        try:
            # strptime folds case and runs of blanks, which the grammar of asctime needs for one-digit days.
            at = datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return max(at.timestamp() - now, 0.0)
    return 0.0
