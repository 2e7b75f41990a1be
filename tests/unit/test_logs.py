import fcntl
import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from relay.observe.log_output import is_journal
from relay.observe.logs import LibraryHandler, configure, get_logger, lines_dropped

log = get_logger()


class Pipe:
    """A pipe that does not block, such as a supervisor may hand to the process as stdout."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(self.reading, False)
        os.set_blocking(writing, False)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        self.stream = os.fdopen(writing, "wb", buffering=0)

    def read(self) -> bytes:
        try:
            return os.read(self.reading, 1 << 20)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.stream.close()
        os.close(self.reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    configure(stream=sys.__stdout__)
    for handler in [each for each in root.handlers if isinstance(each, LibraryHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.BytesIO:
    out = io.BytesIO()
    configure(fmt="json", stream=out)
    return out


def fail(text: str) -> None:
    raise ValueError(text)


def lines(out: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_keys_in_order(out: io.BytesIO) -> None:
    log.info("delivery.delivered", event_id="6f0c", attempt=1, duration_ms=12.5)

    (line,) = lines(out)
    assert list(line) == ["timestamp", "level", "event", "event_id", "attempt", "duration_ms"]
    assert (line["level"], line["event"], line["duration_ms"]) == ("info", "delivery.delivered", 12.5)
    assert len(line["timestamp"]) == len("2026-01-02T03:04:05.678Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(line["timestamp"])) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a/b?token=hunter2", "https://example.com/a/b"),
        ("https://example.com/a#hunter2", "https://example.com/a"),
        ("https://user:hunter2@example.com:8443/a", "https://example.com:8443/a"),
        ("HTTPS://hunter2@example.com?hunter2", "HTTPS://example.com"),
        ("https://[2001:db8::1]:8443/a?x=hunter2", "https://[2001:db8::1]:8443/a"),
        ("example.com/a?hunter2", "example.com/a"),
        ("hunter2@example.com/a", "example.com/a"),
        ("https://example.com/@team/a", "https://example.com/@team/a"),
    ],
)
def test_a_url_is_logged_without_userinfo_query_and_fragment(out: io.BytesIO, url: str, shown: str) -> None:
    log.info("endpoint.disabled", url=url)

    assert lines(out)[0]["url"] == shown
    assert b"hunter2" not in out.getvalue()


def test_secrets_and_payloads_are_not_logged_even_if_asked_for(out: io.BytesIO) -> None:
    log.info("x.done", payload="p-hunter2", body=b"b-hunter2", secret="s-hunter2", secrets=["hunter2"])
    log.info("x.done", detail="refused whsec_aHVudGVyMg== at https://u:hunter2@h/a?k=hunter2, again later")

    assert b"hunter2" not in out.getvalue()
    assert b"aHVudGVyMg" not in out.getvalue()
    assert lines(out)[1]["detail"] == "refused whsec_*** at https://h/a again later"


def test_what_json_cannot_say_becomes_text(out: io.BytesIO) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    log.info(
        "x.done",
        path=Path("/x"),
        surrogate="\ud800",
        big=10**30,
        nan=float("nan"),
        broken=Broken(),
        data=b"\xff",
    )

    (line,) = lines(out)
    assert line["path"] == "/x"
    assert line["surrogate"] == "\\ud800"
    assert line["big"] == str(10**30)
    assert line["nan"] is None
    assert "Broken" in line["broken"]


def test_a_newline_in_a_value_does_not_make_a_second_line(out: io.BytesIO) -> None:
    log.info("x.done", detail='a\n{"event": "relay.stopped"}\r\n\u2028')

    assert out.getvalue().count(b"\n") == 1


def test_the_level_decides_and_may_be_changed_while_running() -> None:
    out = io.BytesIO()
    configure("warning", "json", out)
    log.info("x.hidden")
    log.warning("x.seen")
    configure("debug", "json", out)
    log.debug("x.seen_later")

    assert [line["event"] for line in lines(out)] == ["x.seen", "x.seen_later"]


def test_a_traceback_is_one_string_in_the_line(out: io.BytesIO) -> None:
    try:
        fail("https://h/a?hunter2")
    except ValueError:
        log.exception("x.failed")

    (line,) = lines(out)
    assert line["level"] == "error"
    assert line["exception"].endswith("ValueError: https://h/a")


def test_what_libraries_log_at_warning_and_up_comes_out_the_same_way(out: io.BytesIO) -> None:
    configure("debug", "json", out)
    logging.getLogger("aiohttp.client").info("not this")
    logging.getLogger("aiohttp.client").warning("slow: %s", "https://h/a?hunter2")
    logging.getLogger("asyncio").critical("gone")

    warned, critical = lines(out)
    assert list(warned) == ["timestamp", "level", "event", "logger", "message"]
    assert (warned["level"], warned["event"]) == ("warning", "library.logged")
    assert (warned["logger"], warned["message"]) == ("aiohttp.client", "slow: https://h/a")
    assert (critical["level"], critical["logger"]) == ("critical", "asyncio")


def test_configuring_twice_does_not_log_libraries_twice(out: io.BytesIO) -> None:
    configure("info", "json", out)
    logging.getLogger("asyncpg").error("once")

    assert len(lines(out)) == 1


def test_a_reader_that_went_away_fails_no_log_call(pipe: Pipe) -> None:
    configure(fmt="json", stream=pipe.stream)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), pipe.reading)
    before = lines_dropped()

    log.info("x.done")
    log.info("x.done")

    assert lines_dropped() == before + 2


def test_a_closed_stream_fails_no_log_call(tmp_path: Path) -> None:
    stream = (tmp_path / "log").open("wb")
    configure(fmt="json", stream=stream)
    before = lines_dropped()
    stream.close()

    log.info("x.done")

    assert lines_dropped() == before + 1


def test_a_full_pipe_loses_whole_lines_and_counts_them(pipe: Pipe) -> None:
    configure(fmt="json", stream=pipe.stream)
    before = lines_dropped()

    for number in range(30):
        log.info("x.done", number=number, detail="." * 1000)
    dropped = lines_dropped() - before
    received = pipe.read()
    log.info("x.done", number=100)
    received += pipe.read()

    numbers = [json.loads(line)["number"] for line in received.splitlines()]
    assert dropped > 0
    assert numbers == [*range(30 - dropped), 100]
    assert lines_dropped() - before == dropped


def test_a_line_longer_than_the_pipe_is_finished_before_the_next_begins(pipe: Pipe) -> None:
    configure(fmt="json", stream=pipe.stream)
    before = lines_dropped()

    log.info("x.done", detail="." * 6000)
    received = pipe.read()
    assert not received.endswith(b"\n")
    log.info("x.next")
    received += pipe.read()

    assert [json.loads(line)["event"] for line in received.splitlines()] == ["x.done", "x.next"]
    assert lines_dropped() == before


def test_in_the_journal_each_line_has_its_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w+b", buffering=0) as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure("debug", "auto", stream)
        for level in ("debug", "info", "warning", "error"):
            getattr(log, level)("x.done")
        written = (tmp_path / "journal").read_bytes().splitlines()

    assert [line[:4] for line in written] == [b"<7>{", b"<6>{", b"<4>{", b"<3>{"]
    assert json.loads(written[0][3:])["event"] == "x.done"


def test_a_stream_that_is_not_the_journals_has_no_priorities(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as stream:
        assert not is_journal(stream.fileno(), {"JOURNAL_STREAM": "1:2"})
        assert not is_journal(stream.fileno(), {})
    assert not is_journal(None, {"JOURNAL_STREAM": "1:2"})


@pytest.fixture
def terminal() -> Iterator[tuple[int, Any]]:
    master, slave = os.openpty()
    stream = os.fdopen(slave, "wb", buffering=0)
    yield master, stream
    stream.close()
    os.close(master)


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_lines_for_people_with_colours_unless_unwanted(
    terminal: tuple[int, Any], monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    master, stream = terminal
    configure("info", "auto", stream)

    log.info("delivery.delivered", attempt=1)

    shown = os.read(master, 4096)
    assert b"delivery.delivered" in shown
    assert not shown.startswith(b"{")
    assert (b"\x1b[" in shown) is coloured


def test_lines_for_people_escape_what_could_steer_their_terminal() -> None:
    out = io.BytesIO()
    configure("info", "pretty", out)
    try:
        fail("\x1b[2J\u202e")
    except ValueError:
        log.exception("x.failed", detail="\x1b]0;title\x07\u202e")

    shown = out.getvalue().decode()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "ValueError: \\x1b[2J\\u202e" in shown
