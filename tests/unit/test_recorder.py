"""What the recorder tells of outcomes that it had to write twice, or that came too late."""

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from relay.config import Settings
from relay.endpoints.defaults import breaker_rules_of
from relay.endpoints.health import Standings
from relay.endpoints.notices import Notices
from relay.model import Dead, Response
from relay.observe.tally import Tally
from relay.pipeline.order import OrderKeeper
from relay.pipeline.outcome_log import OutcomeLog
from relay.pipeline.recorder import Recorder
from relay.pipeline.slots import Slots
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff, DatabaseWatch
from tests.support.results import claim, result

ENDPOINT = UUID(int=1)
GONE = Dead(reason="gone", disables_endpoint=True)


class Database:
    """Stands in for the session: the first answer is lost, and the second says what became of the outcome."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.times = 0

    async def fetch(self, name: str, *_: object) -> list[Any]:
        assert name == "record"
        self.times += 1
        if self.times == 1:
            raise DatabaseAway("the answer was lost")
        return [{"event_seq": 1, "endpoint_id": ENDPOINT, "what": self.what}]


class Told:
    """Stands in for the notices."""

    def __init__(self) -> None:
        self.dead_ones = 0

    def dead(self, *_: object) -> None:
        self.dead_ones += 1


@pytest.mark.parametrize("what", ["recorded", "stale"])
async def test_what_was_recorded_without_an_answer_counts_and_what_came_too_late_does_not(what: str) -> None:
    standings = Standings(rules=breaker_rules_of(Settings()), note_due=lambda *_: None)
    slots = Slots(total=10, total_bytes=1000, freed=asyncio.Event(), standings=standings)
    told, lost, tally = Told(), list[bool](), Tally(max_endpoints=10)
    recorder = Recorder(
        session=cast("Session", Database(what)),
        instance=1,
        slots=slots,
        standings=standings,
        outcome_log=OutcomeLog(sample_success=1.0),
        notices=cast("Notices", told),
        order=cast("OrderKeeper", None),
        note_due=lambda *_: None,
        claim_lost=lambda: lost.append(True),
        tally=tally,
        backoff=Backoff(DatabaseWatch(), "record"),
    )
    of = claim(1, endpoint_id=ENDPOINT)
    slots.take(of.key, 2)

    recorder.put(result(of, GONE, answer=Response(status=410, headers={}, body=b"")))
    recorder.finish()
    await asyncio.wait_for(recorder.run(), 10)

    counts = what == "recorded"
    assert standings.unwanted == ({ENDPOINT: "gone"} if counts else {})
    assert told.dead_ones == counts
    assert bool(lost) is not counts
    assert tally.attempts["dead" if counts else "stale"] == 1
    assert slots.in_hand == 0
