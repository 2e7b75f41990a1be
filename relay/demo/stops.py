"""What Ctrl-C and its likes mean: the first asks for an end, the second one not to wait."""

import asyncio
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stops:
    """Two events, set by the first and by the second signal.

    Attributes:
        asked: The demo is to end, once what is under way has arrived.
        hurry: It is not to wait for that.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()

    def listen(self) -> None:
        """Take the signals from here on; nothing else is interrupted by them."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._note)

    def _note(self) -> None:
        if self.asked.is_set():
            self.hurry.set()
        self.asked.set()
