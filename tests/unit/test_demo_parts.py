import json
import os
import random
import socket
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from relay.demo.business import SUBSCRIPTIONS, drafts, subscribers
from relay.demo.harm import VARIABLE, UnknownHarm, wanted_harm
from relay.demo.picture import Hint, Speed, View, draw, plain_line
from relay.demo.places import LOCK, PREFIX, reserved_port, throw_away_folder
from relay.demo.records import Event, Receipt, digest_of
from relay.demo.tally import Tally

EVENT = Event(id="0" * 36, event_type="invoice.paid", digest=b"", endpoints=frozenset({"ledger", "billing"}))


def receipt(endpoint: str, status: int = 200, attempt: int = 1) -> Receipt:
    return Receipt(
        event_id=EVENT.id,
        endpoint=endpoint,
        event_type=EVENT.event_type,
        attempt=attempt,
        digest=b"",
        status=status,
    )


def arrive(tally: Tally, one: Receipt) -> None:
    tally.receive(one, (one,))


@pytest.mark.parametrize(
    ("event_type", "names"),
    [
        ("invoice.paid", {"ledger", "billing"}),
        ("customer.created", {"ledger", "crm"}),
        ("customer.created.x", {"ledger"}),
        ("invoice", {"ledger"}),
    ],
)
def test_subscribers_are_told_by_their_patterns(event_type: str, names: set[str]) -> None:
    assert subscribers(event_type) == names


def test_payloads_are_json_that_would_not_survive_being_written_again() -> None:
    dice = random.Random(1)  # noqa: S311 - examples
    for draft in drafts(dice, invoice=7, name='Smith "Quick" Inc', amount="120.50", count=20):
        value = json.loads(draft.payload)
        assert (value["invoice"], value["customer"]) == (7, 'Smith "Quick" Inc')
        assert json.dumps(value) != draft.payload
        assert digest_of(draft.payload) == digest_of(draft.payload.encode())


def test_a_tally_is_whole_once_every_subscriber_has_accepted() -> None:
    tally = Tally()
    tally.commit((EVENT,))
    arrive(tally, receipt("ledger", status=500))
    arrive(tally, receipt("billing"))

    assert (tally.under_way, tally.retrying, tally.whole.is_set()) == (1, 1, False)

    arrive(tally, receipt("ledger", attempt=2))

    assert (tally.under_way, tally.retrying, tally.whole.is_set()) == (0, 0, True)


def test_a_request_may_come_before_its_commit_is_confirmed() -> None:
    tally = Tally()
    arrive(tally, receipt("ledger"))
    tally.commit((EVENT,))

    assert (tally.under_way, tally.whole.is_set()) == (1, False)

    arrive(tally, receipt("billing"))

    assert (tally.arrived.total(), tally.whole.is_set()) == (2, True)


def test_a_second_arrival_does_not_count_as_another_delivery() -> None:
    tally = Tally()
    tally.commit((EVENT,))
    for _ in range(3):
        arrive(tally, receipt("ledger"))

    assert (tally.arrived["ledger"], tally.under_way, len(tally.receipts)) == (1, 1, 3)


def busy_view() -> View:
    tally = Tally()
    tally.commit((EVENT,))
    for number in range(60):
        arrive(tally, receipt("ledger", attempt=number + 1))
    hints = (
        Hint(name="SQL", command="relay embedded psql"),
        Hint(name="log", command="tail", note="(taken)"),
    )
    return View(tally=tally, hints=hints, goal=5000, seconds=61.2, speed=1234.5, state="waiting")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_the_picture_fits_the_terminal(width: int, height: int) -> None:
    output = StringIO()
    Console(file=output, width=width, height=height).print(draw(busy_view(), width=width, height=height))
    lines = output.getvalue().splitlines()

    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "…" not in output.getvalue()
    for name in (*SUBSCRIPTIONS, "rolled back", "under way", "retrying", "1,234 a second", "(taken)"):
        assert name in output.getvalue()


def test_a_plain_line_has_the_counts() -> None:
    assert "committed 1  rolled back 0  under way 1  delivered 1" in plain_line(busy_view())


def test_speed_is_the_growth_of_the_last_seconds() -> None:
    counts = iter([0, 100, 200, 300, 600])
    speed = Speed(lambda: next(counts))

    assert [speed.per_second(now) for now in (0.0, 1.0, 2.0, 3.0, 4.0)] == [0.0, 100.0, 100.0, 100.0, 500 / 3]


def test_a_port_that_is_taken_or_claimed_by_another_demo_is_passed_over() -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with reserved_port(taken) as first, reserved_port(taken) as second:
            assert taken < first < second


def test_a_folder_goes_away_and_takes_along_what_a_killed_demo_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.demo.places._parent", lambda: tmp_path)
    abandoned = tmp_path / f"{PREFIX}abandoned"
    abandoned.mkdir()
    (abandoned / LOCK).touch()

    with throw_away_folder() as living, throw_away_folder() as second:
        (living / "file").touch()
        assert not abandoned.exists()
        assert sorted(tmp_path.iterdir()) == sorted([living, second])

    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.demo.places._parent", lambda: tmp_path)
    foreign = tmp_path / f"{PREFIX}foreign"
    foreign.mkdir()
    (foreign / LOCK).touch()
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)

    with throw_away_folder():
        assert foreign.exists()


def test_an_unknown_harm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "everything")

    with pytest.raises(UnknownHarm, match="drop, alter, invent, rolled_back"):
        wanted_harm()
