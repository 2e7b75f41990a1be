"""The values that alerts are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from relay.alerts.rules import State

AlertName = Literal[
    "low_delivery_rate", "backlog_age", "endpoint_disabled", "endpoint_unusable", "database_away"
]
Numbers = Mapping[str, float | int | str | None]
"""What is behind an alert, by names that users see."""


class Key(NamedTuple):
    """What tells alerts apart: of each there is at most one at a time.

    Attributes:
        alert: The name.
        endpoint_id: Whose trouble it is; None: of everything.
    """

    alert: AlertName
    endpoint_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one thing is that can go wrong.

    Attributes:
        calm: Seconds for which it must be well until its alert is cleared.
        summary: A sentence for a person, which says what to do.
        detail: The numbers behind it.
    """

    key: Key
    state: State
    calm: float = 0.0
    summary: str
    detail: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedAlert:
    """An alert that lasts, as it was raised."""

    key: Key
    summary: str
    detail: Numbers
    raised_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedAlert:
    """An alert that is over."""

    raised: RaisedAlert
    cleared_at: datetime

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.cleared_at - self.raised.raised_at).total_seconds()


Change = RaisedAlert | ClearedAlert
