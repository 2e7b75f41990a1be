"""The log lines that tell what became of a claim, written once it is committed."""

import random
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, assert_never

from relay.model import Attempt, Cancelled, Dead, Delivered, Failure, Released, Response, Result, Retrying
from relay.observe.logs import get_logger, log_many
from relay.pipeline.slots import Key

log = get_logger()

_LAST_TIME = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""That a date can be written of; a schedule may go beyond it."""


class OutcomeLog:
    """Writes one line a result.

    Args:
        sample_success: Share of the delivered deliveries that get their line.
    """

    def __init__(self, *, sample_success: float) -> None:
        self.sample_success = sample_success

    def write(self, results: Iterable[Result], stale: Collection[Key]) -> None:
        """Tell of committed results; a stale one changed nothing but the log.

        Args:
            results: Of one batch.
            stale: Keys of those that came too late.
        """
        delivered = []
        for result in results:
            if stale and result.claim.key in stale:
                log.warning("claim.lost", **_about(result))
            elif not isinstance(result.outcome, Delivered):
                _write_trouble(result)
            elif self.sample_success >= 1.0 or random.random() < self.sample_success:  # noqa: S311 - a sample
                delivered.append(_about(result))
        log_many("info", "delivery.delivered", delivered)


def _write_trouble(result: Result) -> None:
    about = _about(result)
    match result.outcome:
        case Delivered():
            pass  # told of in one go with the others
        case Retrying() | Dead() if result.claim.delivered_before:
            log.warning("attempt.failed", **about, next_attempt_at=None)  # it stays delivered
        case Retrying(delay=delay):
            next_at = datetime.fromtimestamp(min(result.ended_at + delay, _LAST_TIME), UTC)
            log.warning("attempt.failed", **about, next_attempt_at=next_at.isoformat(timespec="milliseconds"))
        case Dead(reason=reason):
            log.error("delivery.dead", **about, reason=reason)
        case Cancelled():
            log.info("delivery.cancelled", **about)
        case Released():
            log.info("delivery.released", **about)
        case _:
            assert_never(result.outcome)


def _about(result: Result) -> dict[str, Any]:
    event = result.claim.event
    about: dict[str, Any] = {
        "event_id": None if event is None else event.id,
        "event_type": None if event is None else event.event_type,
        "endpoint_id": str(result.claim.endpoint_id),
    }
    if result.attempt is not None:
        about |= _of_attempt(result.attempt)
    return about


def _of_attempt(attempt: Attempt) -> dict[str, Any]:
    about: dict[str, Any] = {
        "attempt": attempt.number,
        "duration_ms": round((attempt.ended_at - attempt.started_at) * 1000),
    }
    match attempt.answer:
        case Response(status=status):
            about["status_code"] = status
        case Failure(code=code, message=message):
            about |= {"error": code, "detail": message}
    return about
