import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from relay.observe.log_thread import LogThread


class Kept:
    """A sink that keeps what it gets, and lets nothing through while it is blocked."""

    def __init__(self) -> None:
        self.dropped = 0
        self.pieces: list[bytes] = []
        self.writers: set[str] = set()
        self.is_entered = threading.Event()
        self.is_open = threading.Event()
        self.is_open.set()

    def write(self, line: bytes) -> None:
        self.is_entered.set()
        assert self.is_open.wait(20)
        self.pieces.append(line)
        self.writers.add(threading.current_thread().name)

    @property
    def lines(self) -> list[bytes]:
        return b"".join(self.pieces).splitlines(keepends=True)


@contextlib.contextmanager
def blocked(sink: Kept, log: LogThread) -> Iterator[None]:
    """Have the thread stand in the sink, one line in its hands."""
    sink.is_open.clear()
    sink.is_entered.clear()
    log.write(b"stuck\n")
    assert sink.is_entered.wait(5)
    try:
        yield
    finally:
        sink.is_open.set()


def numbered(count: int) -> list[bytes]:
    return [b"line %05d\n" % number for number in range(count)]


def wait_until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_lines_come_out_whole_and_in_order() -> None:
    sink = Kept()
    log = LogThread(sink)
    for line in numbered(10_000):
        log.write(line)
    log.close()

    assert sink.lines == numbered(10_000)
    assert all(piece.endswith(b"\n") for piece in sink.pieces)
    assert log.dropped == 0


def test_lines_come_out_without_anyone_closing() -> None:
    sink = Kept()
    log = LogThread(sink)
    for count in range(1, 6):
        log.write(b"a\n")
        wait_until(lambda expected=count: len(sink.lines) == expected)  # type: ignore[misc]
    assert sink.writers == {"log"}
    log.close()


def test_lines_of_several_threads_all_come_out_in_the_order_of_each() -> None:
    sink = Kept()
    log = LogThread(sink)

    def write(name: bytes) -> None:
        for number in range(2000):
            log.write(b"%b %d\n" % (name, number))

    writers = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b", b"c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    log.close()

    for name in (b"a", b"b", b"c"):
        own = [line for line in sink.lines if line.startswith(name)]
        assert own == [b"%b %d\n" % (name, number) for number in range(2000)]


def test_a_blocked_sink_never_blocks_a_writer_and_what_is_too_much_is_counted() -> None:
    sink = Kept()
    log = LogThread(sink, most=len(b"stuck\n") + 100 * len(numbered(1)[0]))
    with blocked(sink, log):
        began = time.monotonic()
        for line in numbered(1000):
            log.write(line)
        assert time.monotonic() - began < 1
        assert log.dropped == 900
    log.close()

    assert sink.lines == [b"stuck\n", *numbered(100)]


def test_of_several_lines_in_one_piece_each_is_counted() -> None:
    sink = Kept()
    log = LogThread(sink, most=1)
    with blocked(sink, log):
        log.write(b"".join(numbered(500)))
        assert log.dropped == 500
    log.close()


def test_what_the_sink_drops_is_counted_too() -> None:
    sink = Kept()
    log = LogThread(sink, most=len(b"stuck\n") + 1)
    sink.dropped = 7
    with blocked(sink, log):
        log.write(b"waits\n")
        log.write(b"dropped\n")
        assert log.dropped == 8
    log.close()


def test_close_writes_what_waits() -> None:
    for _ in range(50):
        sink = Kept()
        log = LogThread(sink)
        for line in numbered(20):
            log.write(line)
        log.close()

        assert sink.lines == numbered(20)
        assert not log._thread.is_alive()


def test_after_close_lines_go_straight_to_the_sink() -> None:
    sink = Kept()
    log = LogThread(sink)
    log.write(b"before\n")
    log.close()
    log.write(b"after\n")

    assert sink.lines == [b"before\n", b"after\n"]
    assert threading.current_thread().name in sink.writers


def test_a_blocked_sink_holds_up_neither_close_nor_what_is_written_after() -> None:
    sink = Kept()
    log = LogThread(sink)
    with blocked(sink, log):
        began = time.monotonic()
        log.close(0.1)
        log.write(b"late\n")
        assert time.monotonic() - began < 1
    log.close()

    assert sink.lines == [b"stuck\n", b"late\n"]
