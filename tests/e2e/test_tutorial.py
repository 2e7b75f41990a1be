"""The tutorial, done line by line as a newcomer would."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from relay.config import load
from tests.support.embedded import data_dir, home, made, wait_until

__all__ = ["data_dir", "home", "made"]

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial.md"
LIMIT = 60
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def lines() -> Iterator[str]:
    """Yield the lines of the shell blocks, in their order."""
    for block in re.findall(
        r"^```sh\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        yield from block.splitlines()


class Newcomer:
    """Types what the tutorial says, and puts in what it was told before.

    Attributes:
        told: What stands for a word of the tutorial, from what was printed.
        printed: By the last command.
    """

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self.told: dict[str, str] = {}
        self.printed = ""
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def type(self, line: str) -> None:
        for word, value in self.told.items():
            line = line.replace(word, value)
        if line.startswith("export "):
            self.environment |= dict(each.split("=", 1) for each in shlex.split(line)[1:])
            return
        words = shlex.split(line)
        assert words[0] == "relay", line
        command = [sys.executable, "-m", "relay", *words[1:]]
        if words[1] in {"run", "listen"}:
            self._start(words[1], command)
        else:
            done = subprocess.run(
                command, capture_output=True, text=True, env=self.environment, timeout=LIMIT, check=False
            )
            assert done.returncode == 0, done.stderr
            self.printed = done.stdout

    def output(self, name: str) -> str:
        """Return what a program in the background has printed."""
        return (self._folder / name).read_text(encoding="utf-8", errors="replace")

    def stop(self, name: str) -> None:
        """Press Ctrl-C."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGINT)
        process.wait(LIMIT)

    def leave(self) -> None:
        """Stop what runs, the last first."""
        for name in reversed(list(self._running)):
            self.stop(name)

    def _start(self, name: str, command: list[str]) -> None:
        with (self._folder / name).open("wb") as output:
            self._running[name] = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=self.environment, start_new_session=True
            )


def wait_for(newcomer: Newcomer, name: str, text: str, *, count: int = 1) -> None:
    wait_until(lambda: newcomer.output(name).count(text) >= count, f"{count} x {text} of {name}", LIMIT)


@pytest.mark.timeout(240)
def test_the_tutorial_leads_to_a_delivered_and_a_retried_event(data_dir: Path, tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RELAY_")},
        "RELAY_EMBEDDED__DATA_DIR": str(data_dir),
        "RELAY_METRICS__LISTEN": "",
        "RELAY_ADMIN__LISTEN": "127.0.0.1:8499",  # a demo may run on this machine
        "RELAY_LOG__FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }
    newcomer = Newcomer(environment, tmp_path)
    with ExitStack() as stack:
        stack.callback(newcomer.leave)
        for line in lines():
            if line.startswith("pip "):
                continue
            if "event publish" in line:
                newcomer.stop("listen")
            newcomer.type(line)
            _look(newcomer, line)


def _look(newcomer: Newcomer, line: str) -> None:
    """Check what the tutorial says comes of a line, and remember what was told."""
    match shlex.split(line)[1:3]:
        case ["run", _]:
            wait_for(newcomer, "run", "relay.started")
        case ["endpoint", "add"]:
            newcomer.told["whsec_…"] = re.findall(r"whsec_[\w+/=]+", newcomer.printed)[0]
        case ["listen", _]:
            wait_for(newcomer, "listen", "Listening on")
        case ["embedded", "psql"]:
            wait_for(newcomer, "run", "delivery.delivered")
            assert newcomer.output("run").count("attempt.failed") == 1
        case ["delivery", "list"] if "dead" not in line:
            assert "delivered" in newcomer.printed
        case ["event", "publish"]:
            wait_for(newcomer, "run", "delivery.dead")
        case ["delivery", "list"]:
            (event_id,) = set(re.findall(rf'"event_id": "({UUID})"', newcomer.printed))
            (endpoint_id,) = set(re.findall(rf'"endpoint_id": "({UUID})"', newcomer.printed))
            newcomer.told["EVENT_ID/ENDPOINT_ID"] = f"{event_id}/{endpoint_id}"
        case ["token", "link"]:
            assert newcomer.printed.startswith("http://127.0.0.1:8499/sign-in?code=")
        case ["delivery", "retry"]:
            wait_for(newcomer, "run", "delivery.delivered", count=2)


def test_what_the_tutorial_sets_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in lines():
        if line.startswith("export "):
            for each in shlex.split(line)[1:]:
                monkeypatch.setenv(*each.split("=", 1))
    assert load(None).settings.security.allow_http
