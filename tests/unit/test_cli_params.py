"""The kinds of value that options have."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from relay.cli import params


@pytest.mark.parametrize("text", ["2026-07-01T12:00:00Z", "2026-07-01T14:00:00+02:00"])
def test_a_moment_is_a_time(text: str) -> None:
    assert params.moment_ago(text) == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_moment_without_a_zone_is_local() -> None:
    assert params.moment_ago("2026-07-01") == datetime(2026, 7, 1).astimezone()


def test_a_moment_is_a_duration_from_now() -> None:
    now = datetime.now(UTC)
    assert abs(now - params.moment_ago("2h") - timedelta(hours=2)) < timedelta(seconds=5)
    assert abs(params.moment_ahead("10m") - now - timedelta(minutes=10)) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "-5m", "99999d"])
def test_other_words_are_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time; write for example"):
        params.moment_ago(text)


def test_default_gives_a_limit_back() -> None:
    assert params.duration("default") is None
    assert params.durations("default") is None
    assert params.number("default") is None
    assert params.duration("30s") == timedelta(seconds=30)
    assert params.durations("5s, 1m") == (timedelta(seconds=5), timedelta(minutes=1))
    assert params.number("7") == 7


@pytest.mark.parametrize("text", ["", "7.5", "many"])
def test_a_number_is_whole(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no number"):
        params.number(text)


def test_a_header_keeps_the_colons_of_its_value() -> None:
    assert params.header("X-Url: https://a:1") == ("X-Url", "https://a:1")
    with pytest.raises(click.BadParameter, match="given twice"):
        params.headers_of((("A", "1"), ("A", "2")))


@pytest.mark.parametrize("text", ["{", "1", "[" * 100_000])
def test_a_json_object_is_one(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"not JSON|not a JSON object"):
        params.json_object(text)
