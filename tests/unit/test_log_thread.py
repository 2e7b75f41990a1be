"""The thread that writes log lines: in order, whole, and never in the way."""

import threading

from relay.observe.log_thread import LogThread


class Kept:
    """A sink that keeps what it gets, and takes nothing while its gate is shut."""

    def __init__(self) -> None:
        self.dropped = 0
        self.data = b""
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def write(self, line: bytes) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        self.data += line


def test_lines_come_out_whole_and_in_order() -> None:
    sink = Kept()
    thread = LogThread(sink)
    lines = [b"line %d\n" % number for number in range(1000)]
    for line in lines:
        thread.write(line)

    thread.close()

    assert sink.data == b"".join(lines)
    assert thread.dropped == 0


def test_a_sink_that_stalls_holds_up_nobody_and_what_is_too_much_is_counted() -> None:
    sink = Kept()
    sink.gate.clear()
    thread = LogThread(sink, most=10)
    thread.write(b"first\n")
    assert sink.entered.wait(10)  # the thread is in the stalled write now

    for number in range(15):
        thread.write(b"%d\n" % number)

    assert thread.dropped == 5
    sink.gate.set()
    thread.close()
    assert sink.data == b"first\n" + b"".join(b"%d\n" % number for number in range(10))


def test_after_the_end_lines_go_straight_to_the_sink() -> None:
    sink = Kept()
    thread = LogThread(sink)
    thread.close()

    thread.write(b"late\n")

    assert sink.data == b"late\n"
