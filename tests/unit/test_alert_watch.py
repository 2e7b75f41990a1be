"""The watch over the real counters, standings and rules, on a simulated clock; the database is a fake one."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from relay.alerts.alert import Change, ClearedAlert, RaisedAlert
from relay.alerts.book import AlertBook
from relay.alerts.watch import MOST_DUE, AlertWatch, WatchRules
from relay.config import Alerts as AlertSettings
from relay.config import Settings
from relay.endpoints.defaults import breaker_rules_of
from relay.endpoints.endpoint import Endpoint
from relay.endpoints.health import Standings
from relay.endpoints.registry import Registry
from relay.http.signature import SignatureFormat
from relay.model import Delivered, Failure, Outcome, Retrying, Schedule
from relay.observe import endpoint_counts
from relay.observe.tally import Tally
from relay.store.session import DatabaseAway, Session
from tests.support.results import claim, result

HERE, THERE = UUID(int=1), UUID(int=2)
SILENT = Failure(code="timeout", message="no answer")


def endpoint(endpoint_id: UUID, hold: str | None = None) -> Endpoint:
    return Endpoint(
        id=endpoint_id,
        url="https://example.com/hook?token=hidden",
        tenant="",
        event_types=("*",),
        headers=(),
        signature=SignatureFormat.BOTH,
        secrets=(),
        timeout=30.0,
        max_in_flight=100,
        schedule=Schedule(),
        store_response_body=True,
        hold=hold,
        refusal=None,
    )


class Stage:
    """A relay with nothing around it.

    Attributes:
        due: How many deliveries of an endpoint are due, untried and tried.
        overdue: What has been due for so many seconds.
        asked: The arguments of each statement, by its name.
        changes: What was raised and cleared, in order, with the time.
    """

    def __init__(self, settings: AlertSettings | None = None) -> None:
        self.now = 1000.0
        self.due: dict[UUID, tuple[int, int]] = {}
        self.overdue: list[tuple[UUID | None, float]] = []
        self.asked: dict[str, tuple[Any, ...]] = {}
        self.changes: list[tuple[float, Change]] = []
        self.stored: dict[int, dict[str, Any]] = {}
        self.cleared: dict[int, datetime] = {}
        self.is_away = False
        self.fails_at = ""
        self.loses_answer_of = ""
        self._ids = itertools.count(1)
        self._seqs = itertools.count(1)
        self.tally = Tally(max_endpoints=10, clock=lambda: self.now)
        self.standings = Standings(
            rules=breaker_rules_of(Settings()), note_due=lambda *_: None, clock=lambda: self.now
        )
        self.registry = Registry(cast("Any", None), self.standings)
        self.registry.version = 1
        self.registry._endpoints = {each: endpoint(each) for each in (HERE, THERE)}
        session = cast("Session", self)
        self.book = AlertBook(session, lambda change: self.changes.append((self.now, change)))
        self.watch = AlertWatch(
            session,
            book=self.book,
            tally=self.tally,
            registry=self.registry,
            standings=self.standings,
            rules=WatchRules.of(settings or AlertSettings()),
            clock=lambda: self.now,
        )

    async def fetch(self, name: str, *arguments: Any) -> list[dict[str, Any]]:
        """Answer as the database does."""
        self.asked[name] = arguments
        if self.is_away or name == self.fails_at:
            raise DatabaseAway("gone")
        rows = self._answer(name, arguments)
        if name == self.loses_answer_of:
            raise DatabaseAway("done, but the answer was lost")
        return rows

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> list[dict[str, Any]]:
        match name:
            case "alert_active":
                return list(self.stored.values())
            case "alert_raise":
                lasting = {(row["alert"], row["endpoint_id"]) for row in self.stored.values()}
                return [
                    self._store(*each) for each in zip(*arguments, strict=True) if each[:2] not in lasting
                ]
            case "alert_clear":
                return [self._clear(each) for each in arguments[0]]
            case "due_blocked":
                return [
                    {"endpoint_id": each, "untried": self.due[each][0], "tried": self.due[each][1]}
                    for each in arguments[0]
                    if each in self.due
                ]
            case "overdue":
                return [{"endpoint_id": each, "due_for": age} for each, age in self.overdue]
        raise AssertionError(name)

    def _store(self, alert: str, endpoint_id: UUID | None, summary: str, detail: str) -> dict[str, Any]:
        alert_id = next(self._ids)
        row = self.stored[alert_id] = {
            "id": alert_id,
            "alert": alert,
            "endpoint_id": endpoint_id,
            "summary": summary,
            "detail": detail,
            "raised_at": self._moment(),
        }
        return row

    def _clear(self, alert_id: int) -> dict[str, Any]:
        by_this = self.stored.pop(alert_id, None) is not None
        if by_this:
            self.cleared[alert_id] = self._moment()
        return {"id": alert_id, "cleared_at": self.cleared[alert_id], "by_this": by_this}

    def _moment(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now)

    def outcomes(self, endpoint_id: UUID, *, delivered: int = 0, failed: int = 0) -> None:
        """Record outcomes of as many deliveries, each another one."""
        outcomes: Sequence[tuple[Outcome, int]] = ((Delivered(), delivered), (Retrying(delay=3600.0), failed))
        results = [
            result(
                claim(next(self._seqs), endpoint_id=endpoint_id),
                outcome,
                answer=None if isinstance(outcome, Delivered) else SILENT,
            )
            for outcome, count in outcomes
            for _ in range(count)
        ]
        self.tally.batch(results, ())
        self.standings.note(results)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with a look every ten seconds."""
        for _ in range(int(seconds / 10)):
            self.now += 10
            await self.watch.round()

    def story(self, endpoint_id: UUID | None) -> list[tuple[float, str]]:
        """Return when what was raised and cleared of an endpoint."""
        return [
            (at - 1000.0, "cleared" if isinstance(change, ClearedAlert) else "raised")
            for at, change in self.changes
            if (change if isinstance(change, RaisedAlert) else change.raised).key.endpoint_id == endpoint_id
        ]


async def test_an_endpoint_that_never_answers_raises_within_six_minutes_and_stays_raised() -> None:
    stage, waiting = Stage(), 100
    for _ in range(7):  # four at a time, thirty seconds each, as at the start of an endpoint
        await stage.pass_time(30)
        if stage.standings.of(HERE).breaker.state == "closed":
            stage.outcomes(HERE, failed=4)
            waiting -= 4
        else:
            stage.due[HERE] = (waiting, 0)
    ((raised_at, what),) = stage.story(HERE)
    assert what == "raised"
    assert raised_at <= 360

    await stage.pass_time(3 * 3600)
    stage.due.clear()  # it has come to nothing being due, while the breaker is open still
    await stage.pass_time(3600)

    assert len(stage.story(HERE)) == 1
    assert stage.standings.of(HERE).breaker.state == "open"


async def test_what_is_due_behind_a_breaker_counts_once_with_what_failed_before() -> None:
    stage = Stage()
    stage.outcomes(HERE, failed=12)
    stage.due[HERE] = (30, 12)
    await stage.pass_time(10)

    (raised,) = [change for _, change in stage.changes if isinstance(change, RaisedAlert) and change.key[1]]
    assert raised.detail["failing"] == 42
    assert stage.tally.success_ratios()["5m"] == 0.0


async def test_the_alert_ends_when_the_endpoint_answers_and_not_before() -> None:
    stage = Stage()
    stage.outcomes(HERE, delivered=50, failed=10)
    await stage.pass_time(10)
    assert stage.story(HERE) == stage.story(None) == [(10, "raised")]

    for _ in range(60):
        stage.outcomes(HERE, delivered=50)
        await stage.pass_time(10)

    (_, (cleared_at, what)) = stage.story(HERE)
    assert what == "cleared"
    assert 70 <= cleared_at <= 120


async def test_one_that_fails_among_many_that_do_not_raises_its_own_alert_alone() -> None:
    stage = Stage()
    stage.outcomes(HERE, delivered=5000)
    stage.outcomes(THERE, delivered=5, failed=20)
    await stage.pass_time(30)

    assert [stage.story(each) for each in (HERE, THERE, None)] == [[], [(10, "raised")], []]


async def test_a_busy_endpoint_is_judged_by_its_whole_window() -> None:
    stage = Stage()
    for _ in range(25):
        stage.outcomes(HERE, delivered=100)
        await stage.pass_time(10)
    stage.outcomes(HERE, failed=60)
    await stage.pass_time(30)

    assert stage.changes == []


async def test_another_window_raises_nothing_for_want_of_what_was_delivered_before() -> None:
    stage = Stage()
    stage.outcomes(HERE, delivered=1000, failed=30)
    await stage.pass_time(10)
    stage.watch.change(WatchRules.of(AlertSettings(window=timedelta(minutes=10))))
    await stage.pass_time(590)
    assert stage.changes == []

    stage.outcomes(HERE, failed=30)
    await stage.pass_time(20)
    assert [what for _, what in stage.story(HERE)] == ["raised"]


async def test_an_endpoint_without_counts_of_its_own_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_counts, "MOST", 1)
    stage = Stage()
    stage.outcomes(HERE, delivered=10)
    stage.outcomes(THERE, delivered=1000, failed=30)
    await stage.pass_time(10)

    assert stage.changes == []


async def test_paused_and_removed_endpoints_do_not_count() -> None:
    stage = Stage()
    stage.outcomes(HERE, delivered=100)
    stage.outcomes(THERE, failed=100)
    stage.registry._endpoints[THERE] = endpoint(THERE, "endpoint_paused")
    await stage.pass_time(10)
    assert stage.changes == []
    assert stage.tally.success_ratios()["5m"] == 1.0

    stage.outcomes(THERE, failed=100)
    del stage.registry._endpoints[THERE]
    await stage.pass_time(10)
    assert stage.changes == []


async def test_an_endpoint_that_is_stopped_loses_its_alert_at_once() -> None:
    stage = Stage()
    stage.outcomes(HERE, failed=30)
    await stage.pass_time(10)

    stage.registry._endpoints[HERE] = endpoint(HERE, "endpoint_paused")
    await stage.pass_time(10)

    assert stage.story(HERE) == [(10, "raised"), (20, "cleared")]


async def test_nothing_is_looked_at_while_the_endpoints_are_not_read() -> None:
    stage = Stage()
    stage.outcomes(HERE, failed=30)
    await stage.pass_time(10)
    stage.registry.version, known = 0, stage.registry._endpoints
    stage.registry._endpoints = {}
    await stage.pass_time(30)
    stage.registry.version, stage.registry._endpoints = 2, known
    await stage.pass_time(10)

    assert stage.story(HERE) == [(10, "raised")]


async def test_after_a_takeover_what_lasts_is_not_cleared_for_want_of_deliveries_within_a_window() -> None:
    stage = Stage()
    await stage.fetch("alert_raise", ["low_delivery_rate"], [HERE], ["Look"], ["{}"])
    stage.watch.start_over()
    await stage.pass_time(290)
    assert stage.changes == []

    await stage.pass_time(120)
    assert [what for _, what in stage.story(HERE)] == ["cleared"]


async def test_a_database_that_goes_away_in_between_loses_neither_raising_nor_clearing() -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.outcomes(HERE, failed=30)
    stage.is_away = True
    with pytest.raises(DatabaseAway):
        await stage.pass_time(10)
    assert stage.changes == []
    stage.is_away = False
    await stage.pass_time(10)
    assert [what for _, what in stage.story(HERE)] == ["raised"]

    stage.standings.reset([HERE])
    stage.now += 400
    await stage.watch.round()
    stage.now += 400
    stage.is_away = True
    with pytest.raises(DatabaseAway):
        await stage.watch.round()
    stage.is_away = False
    await stage.pass_time(10)
    assert [what for _, what in stage.story(HERE)] == ["raised", "cleared"]


async def test_what_was_stored_though_the_answer_was_lost_is_told_once() -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.outcomes(HERE, failed=30)
    stage.loses_answer_of = "alert_raise"
    with pytest.raises(DatabaseAway):
        await stage.pass_time(10)
    stage.loses_answer_of = ""
    await stage.pass_time(30)
    assert [what for _, what in stage.story(HERE)] == ["raised"]

    stage.standings.reset([HERE])
    stage.loses_answer_of = "alert_clear"
    with pytest.raises(DatabaseAway):
        await stage.pass_time(900)
    stage.loses_answer_of = ""
    await stage.pass_time(30)
    assert [what for _, what in stage.story(HERE)] == ["raised", "cleared"]


async def test_what_could_not_be_cleared_before_it_is_bad_again_is_cleared_and_raised_anew() -> None:
    stage = Stage()
    stage.overdue = [(HERE, 10_000.0)]
    await stage.pass_time(10)
    stage.overdue = []
    stage.fails_at = "alert_clear"
    with pytest.raises(DatabaseAway):
        await stage.pass_time(900)
    stage.fails_at = ""

    stage.overdue = [(HERE, 10_000.0)]
    stage.watch.start_over()
    await stage.pass_time(900)
    assert [what for _, what in stage.story(None)] == ["raised", "cleared", "raised"]
    assert len(stage.stored) == 1


async def test_what_was_stored_without_an_answer_ends_with_its_cause() -> None:
    stage = Stage()
    stage.overdue = [(HERE, 10_000.0)]
    stage.loses_answer_of = "alert_raise"
    with pytest.raises(DatabaseAway):
        await stage.pass_time(10)
    stage.loses_answer_of = ""

    stage.overdue = []
    await stage.pass_time(900)
    assert [what for _, what in stage.story(None)] == ["raised", "cleared"]
    assert not stage.stored


async def test_what_somebody_else_raised_is_not_told_and_is_cleared_here() -> None:
    stage = Stage()
    await stage.pass_time(10)
    stage.outcomes(HERE, failed=30)
    real, theirs = stage.fetch, {}

    async def refuse(name: str, *arguments: Any) -> list[dict[str, Any]]:
        rows = await real(name, *arguments)
        if name == "alert_raise":
            theirs.update({row["id"]: row for row in rows})
            return []
        return rows

    stage.fetch = refuse  # type: ignore[method-assign]
    await stage.pass_time(20)
    assert stage.changes == []
    assert len(theirs) == 2

    stage.standings.reset([HERE])
    await stage.pass_time(900)
    assert [what for _, what in stage.story(HERE)] == ["cleared"]


async def test_how_much_is_counted_behind_breakers_has_a_bound_whatever_their_number() -> None:
    stage = Stage()
    ids = [UUID(int=number) for number in range(1, 501)]
    stage.registry._endpoints = {each: endpoint(each) for each in ids}
    for each in ids:
        stage.outcomes(each, failed=10)
    await stage.pass_time(10)

    broken, most = stage.asked["due_blocked"]
    assert len(broken) == 500
    assert most * len(broken) <= MOST_DUE


async def test_a_backlog_that_ages_raises_and_is_cleared_below_the_limit() -> None:
    stage = Stage()
    stage.registry._endpoints[THERE] = endpoint(THERE, "endpoint_paused")
    stage.overdue = [(THERE, 90_000.0), (HERE, 3000.0)]
    await stage.pass_time(10)
    assert stage.changes == []

    stage.overdue = [(THERE, 90_000.0), (HERE, 3700.0)]
    await stage.pass_time(10)
    ((_, raised),) = stage.changes
    assert isinstance(raised, RaisedAlert)
    assert raised.detail["oldest_endpoint_id"] == str(HERE)
    assert "1 h 1 m" in raised.summary

    stage.overdue = [(HERE, 3000.0)]
    await stage.pass_time(10)
    assert len(stage.changes) == 1
    stage.overdue = []
    await stage.pass_time(10)
    assert [what for _, what in stage.story(None)] == ["raised", "cleared"]


async def test_limits_that_are_off_look_for_nothing() -> None:
    stage = Stage(AlertSettings.model_validate({"min_success_ratio": 0.0, "max_backlog_age": ""}))
    stage.outcomes(HERE, failed=100)
    stage.overdue = [(HERE, 90_000.0)]
    await stage.pass_time(30)

    assert stage.changes == []
    assert "overdue" not in stage.asked


async def test_a_summary_hides_what_is_secret_in_a_url() -> None:
    stage = Stage()
    stage.outcomes(HERE, failed=30)
    await stage.pass_time(10)

    assert stage.changes
    for _, change in stage.changes:
        assert isinstance(change, RaisedAlert)
        assert "hidden" not in change.summary
