"""What pages are made of: texts, times and numbers, charts, commands, addresses, and samples of the process."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unicodedata import category

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from relay.admin.live import Live
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages import charts, curl, fields, texts
from relay.admin.pages.pages_of import MOST_BACK, PageLinks
from relay.admin.pages.rendering import environment
from relay.admin.samples import EVERY, KEPT, Samples
from relay.observe.readings import Readings
from relay.store.session_pool import SessionPool


@given(st.text())
def test_what_is_shown_has_no_character_that_hides_or_misleads(text: str) -> None:
    shown = str(texts.shown(text))
    assert all(category(each) not in {"Cc", "Cs"} or each in "\t\n\r" for each in shown)
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u200b\u200f\U000e0041")


@given(st.text())
def test_a_page_that_shows_a_text_has_no_markup_of_it(text: str) -> None:
    page = environment().from_string("<p title='{{ it }}'>{{ it }}</p>").render(it=text)
    assert page.count("<") == page.count(">") == 2
    assert page.count("'") == 2


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_field_keeps_exactly_what_is_in_it(text: str) -> None:
    assert texts.exact(text).unescape() == text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
        (None, "\u2013"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(seconds: float | None, said: str) -> None:
    assert texts.span(seconds) == said


def test_an_age_is_said_in_its_largest_unit() -> None:
    now = datetime.now(UTC)
    assert texts.age(now - timedelta(seconds=125), now) == "2 min"
    assert texts.age(now + timedelta(seconds=9), now) == "0 s"


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1.0, "100%"),
        (0.99999, "99.9%"),
        (0.9512, "95.1%"),
        (0.0, "0.0%"),
        (None, "\u2013"),
        (float("nan"), "\u2013"),
    ],
)
def test_a_share_is_never_rounded_up_to_all(ratio: float | None, said: str) -> None:
    assert texts.percent(ratio) == said


def test_json_is_laid_out_and_what_is_none_is_left() -> None:
    assert texts.laid_out('{"a":1}') == '{\n  "a": 1\n}'
    for text in ("{", "plain", "", '{"n": 1e999}x', "[" * 5000):
        assert texts.laid_out(text) == text


def test_json_is_laid_out_as_it_is_written() -> None:
    text = (
        r'{"id":12345678901234567890,"t":10.50,"t":1e400,"s":"a\"{,:}\\","e":[ ],"o":{},"n":[[],{"é":null}]}'
    )
    assert texts.laid_out(text).splitlines() == [
        "{",
        '  "id": 12345678901234567890,',
        '  "t": 10.50,',
        '  "t": 1e400,',
        r'  "s": "a\"{,:}\\",',
        '  "e": [],',
        '  "o": {},',
        '  "n": [',
        "    [],",
        "    {",
        '      "é": null',
        "    }",
        "  ]",
        "}",
    ]


def test_json_that_nests_deep_is_not_laid_out_since_it_would_be_spaces() -> None:
    text = "[" * 500 + "1," * 8000 + "1" + "]" * 500
    assert texts.laid_out(text) == text


def test_json_is_shown_whatever_its_numbers_and_texts() -> None:
    assert texts.json({"n": 10**30, "s": "\ud800"}) == '{"n":' + "1" + "0" * 30 + ',"s":"\ud800"}'


def test_a_line_ends_on_the_right_and_stays_within_its_box() -> None:
    drawn = charts.sparkline([0, 5, 2.5], "Some", 100)
    assert 'aria-label="Some"' in drawn
    assert "L240 22" in drawn
    for empty in ([], [0.0, 0.0]):
        assert "nan" not in charts.sparkline(empty, "None", 100)


def test_what_went_wrong_is_seen_however_little_it_was() -> None:
    drawn = charts.bars([charts.Bar(label="<b>", good=1_000_000, bad=1)], "All")
    assert 'class="bad"' in drawn
    assert 'height="3.0"' in drawn
    assert "<title>&lt;b&gt;</title>" in drawn


def test_a_command_for_curl_is_one_command_whatever_stands_in_it() -> None:
    hostile = "'; rm -rf / #\x1b[2J\n$(id)`id`"
    command = curl.as_curl(f"https://example.com/{hostile}", {"X-A": hostile, "Content-Length": "5"}, hostile)
    assert "\x1b" not in command
    assert "Content-Length" not in command
    assert r"$'\'; rm -rf / #\x1b[2J\x0a$(id)`id`'" in command
    assert "@payload.json" in curl.as_curl("https://example.com/", {}, "x" * (curl.LONGEST_BODY + 1))
    assert "@payload.json" in curl.as_curl("https://example.com/", {}, None)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-01", datetime(2026, 7, 1, tzinfo=UTC)),
        ("2026-07-01T12:00", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("2026-07-01T12:00+02:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_time_without_a_zone_is_in_utc(text: str, moment: datetime | None) -> None:
    assert fields.moment_of({"since": text}, "since") == moment


@pytest.mark.parametrize("text", ["soon", "-1h", "9" * 400, "0001-01-01T00:00+23:59"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no time"):
        fields.moment_of({"since": text}, "since")


def links(query: str) -> PageLinks:
    return PageLinks.of(make_mocked_request("GET", f"/list?{query}"), ("type",))


def test_pages_lead_on_and_back_the_way_that_one_came() -> None:
    first = links("type=a%26b&other=1")
    assert first.newer is None
    second = links(str(first.older("C1")).partition("?")[2])
    third = links(str(second.older("C2")).partition("?")[2])
    assert third.cursor == "C2"
    assert third.filters == {"type": "a&b"}
    assert third.newer == second.here
    assert second.newer == first.here == "/list?type=a%26b"
    assert third.older(None) is None


def test_the_way_back_does_not_grow_for_ever() -> None:
    page = links("")
    for number in range(100):
        page = links(str(page.older(f"C{number}")).partition("?")[2])
    assert len(page.back) == MOST_BACK


class Process:
    """Stands for the readings of a process."""

    def __init__(self) -> None:
        self.attempts = dict.fromkeys(("delivered", "retrying", "dead", "released", "stale"), 0)
        self.deliveries = {"delivered": 0}
        self.tally = self
        self.now = 0.0

    def in_flight(self) -> int:
        return 3


def test_samples_tell_rates_and_are_never_more_than_ten_minutes() -> None:
    process = Process()
    samples = Samples(cast(Readings, process), clock=lambda: process.now)
    assert samples.rates("delivered") == []
    assert samples.lately("delivered") == 0
    for _ in range(KEPT * 2):
        samples.take()
        process.now += EVERY
        process.deliveries["delivered"] += 50
        process.attempts["retrying"] += 5
    assert samples.rates("delivered") == [50 / EVERY] * (KEPT - 1)
    assert samples.rates("failed")[-1] == 5 / EVERY
    assert samples.lately("delivered") == 50 / EVERY
    assert len(samples.in_flight()) == KEPT


class Asked:
    """Stands for sessions, and counts what is asked."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def session(self) -> Any:
        return self

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def fetch(self, name: str, *_: object) -> list[Any]:
        self.statements.append(name)
        return []


async def test_all_who_look_at_once_cost_one_look_for_each_tenant() -> None:
    asked, now = Asked(), [0.0]
    live = Live(cast(SessionPool, asked), clock=lambda: now[0])
    for _ in range(50):
        await live.picture(None)
    assert asked.statements.count("panel_failing") == 1
    await live.picture("acme")
    now[0] += 2.1
    await live.picture(None)
    assert asked.statements.count("panel_failing") == 3
