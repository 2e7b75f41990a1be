"""Logging for the whole process: structlog to one stream, and the libraries' own logging to the same."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, cast
from weakref import WeakSet

import structlog
from structlog.typing import FilteringBoundLogger

from relay.observe.log_lines import (
    Renderer,
    complete,
    pretty_renderer,
    render_for_journal,
    render_json,
    render_many,
    render_many_for_journal,
)
from relay.observe.log_output import Output, Stream, descriptor_of, is_journal, is_terminal, standard_output
from relay.observe.log_thread import LogThread

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "pretty"]

_output = Output()
_thread: LogThread | None = None
_loggers: WeakSet[object] = WeakSet()
_RenderMany = Callable[[str, str, Sequence[Mapping[str, Any]]], bytes]
_MANY: Mapping[Renderer, _RenderMany] = {
    render_json: render_many,
    render_for_journal: render_many_for_journal,
}
_render_many: _RenderMany | None = None


def configure(level: Level = "info", fmt: Format = "auto", stream: Stream | None = None) -> None:
    """Send log lines of at least this level to the stream; may be called again, as at a reload.

    Args:
        level: The least level that is written.
        fmt: "json", "pretty", or "auto": pretty on a terminal and JSON elsewhere.
        stream: A binary stream, or a text stream over one; stdout by default.
    """
    stream = stream or standard_output()
    if _thread is None:
        _output.open(stream)  # else it is open, and its thread may be in the middle of a line
    least = logging.getLevelNamesMapping()[level.upper()]
    renderer = _renderer(fmt, stream)
    global _render_many  # noqa: PLW0603 - as the configuration of structlog
    _render_many = _MANY.get(renderer)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, complete, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.BytesLoggerFactory(file=cast("BinaryIO", _thread or _output)),
        cache_logger_on_first_use=True,
    )
    for logger in _loggers:
        vars(logger).pop("bind", None)  # what structlog cached on first use, made for the settings before
    _take_over_library_logging(least)


def get_logger() -> FilteringBoundLogger:
    """Return a logger that follows `configure`, also when that is called later or again.

    What its `bind` returns keeps the settings of that moment.
    """
    logger = structlog.get_logger()
    _loggers.add(logger)
    return cast("FilteringBoundLogger", logger)


def lines_dropped() -> int:
    """Return how many lines the stream did not take since the process began."""
    return _output.dropped if _thread is None else _thread.dropped


@contextmanager
def written_by_a_thread() -> Iterator[None]:
    """Let a thread write what is logged in the block, so that nobody waits for whoever reads it.

    What `configure` set before the block stays; call it again inside to have the thread take over.
    """
    global _thread  # noqa: PLW0603 - one process has one log
    thread = _thread = LogThread(_output)
    try:
        yield
    finally:
        thread.close()
        _thread = None


def log_many(level: Level, event: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Log a line a row, all with the same time: for what happens thousands of times a second.

    Args:
        level: Of all of them.
        event: What happened.
        rows: The keys of each line; ids and numbers only, since nothing is taken out of them.
    """
    if not rows or not log.is_enabled_for(logging.getLevelNamesMapping()[level.upper()]):
        return
    if _render_many is None:
        for row in rows:
            getattr(log, level)(event, **row)
        return
    (_thread or _output).write(_render_many(level, event, rows))


class LibraryHandler(logging.Handler):
    """Hands on what libraries log with the standard library as `library.logged`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record; a message that cannot be put together goes to stderr, as logging does it."""
        try:
            _log_library(record)
        except Exception:  # noqa: BLE001 - a library's log call must not fail
            self.handleError(record)


log = get_logger()


def _log_library(record: logging.LogRecord) -> None:
    level = max(logging.WARNING, min(record.levelno // 10 * 10, logging.CRITICAL))
    log.log(
        level, "library.logged", logger=record.name, message=record.getMessage(), exc_info=record.exc_info
    )


def _take_over_library_logging(least: int) -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, LibraryHandler)]:
        root.removeHandler(handler)
    root.addHandler(LibraryHandler())
    root.setLevel(max(least, logging.WARNING))


def _renderer(fmt: Format, stream: Stream) -> Renderer:
    descriptor = descriptor_of(stream)
    terminal = is_terminal(descriptor)
    if fmt == "pretty" or (fmt == "auto" and terminal):
        return pretty_renderer(colors=terminal and not os.environ.get("NO_COLOR"))
    return render_for_journal if is_journal(descriptor, os.environ) else render_json
