"""The units as they are installed, under a real systemd: it starts, watches, restarts and stops the relay, confined."""

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from relay.cli.systemd import systemd
from relay.http.guard import OwnAddresses
from tests.support.booted import ENVIRONMENT, PYTHON, Booted, booted, why_not
from tests.support.daemon import LOOPBACK, LogLine, Sections, config_text
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = [
    pytest.mark.fault,
    pytest.mark.full,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

WATCHDOG = 3
# Where Python is, and where its output goes without a journal, are this machine's; the rest is the unit's own.
DROP_IN = f"""
[Service]
ExecStart=
ExecStart={PYTHON} -m relay run --config /etc/relay/config.toml
Environment={" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())}
StandardOutput=append:/run/relay.log
StandardError=append:/run/relay.log
WatchdogSec={WATCHDOG}
"""
SOCKET = re.compile(r"host=([^&]+)")


class Service:
    """`relay.service`, as it is installed."""

    def __init__(self, system: Booted, dsn: str) -> None:
        self.system = system
        self._dsn = SOCKET.sub("host=/run/postgresql", dsn)

    def configure(self, *layers: Sections) -> None:
        """Write its configuration."""
        path = self.system.root / "etc/relay/config.toml"
        path.parent.mkdir(exist_ok=True)
        text = config_text(LOOPBACK, {"database": {"dsn": self._dsn}}, *layers)
        path.write_text(text, encoding="utf-8")

    def install(self, *options: str) -> None:
        """Install it as the documentation says."""
        installed = CliRunner().invoke(systemd, ["install", *options, "--root", str(self.system.root)])
        assert installed.exit_code == 0, installed.output
        drop_in = self.system.root / "etc/systemd/system/relay.service.d/test.conf"
        drop_in.parent.mkdir(exist_ok=True)
        drop_in.write_text(DROP_IN, encoding="utf-8")
        self.do("systemd-sysusers")
        self.do("systemd-tmpfiles", "--create", "relay.conf")
        self.do("systemctl", "daemon-reload")

    def do(self, *command: str) -> str:
        """Run a command beside it, which has to succeed; returns what it printed."""
        done = self.system.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self}"
        return done.stdout

    async def control(self, verb: str) -> None:
        """Run `systemctl` on it, which waits until it is done."""
        await asyncio.to_thread(self.do, "systemctl", verb, "relay")

    @property
    def state(self) -> dict[str, str]:
        """What systemd says of it."""
        return self.system.show(
            "relay", "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "ExecMainStatus"
        )

    def log_lines(self) -> list[LogLine]:
        """Return what it logged."""
        log = self.system.root / "run/relay.log"
        lines = log.read_bytes().splitlines() if log.exists() else []
        return [orjson.loads(line) if line.startswith(b"{") else {"text": line.decode()} for line in lines]

    def __str__(self) -> str:
        status = self.system.run("systemctl", "status", "--no-pager", "--full", "relay").stdout
        return f"{status}\n{self.system.output}\n{self.log_lines()[-10:]}"

    async def wait_for(self, look: Callable[[dict[str, str]], bool], what: str) -> None:
        """Wait until `look` finds the state to be right."""

        async def ask() -> bool:
            return look(await asyncio.to_thread(lambda: self.state))

        await eventually(ask, what)


@contextmanager
def entered(folder: Path) -> Iterator[Path]:
    """Let everybody enter the folder of the server's socket, as distributions do."""
    before = folder.stat().st_mode
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        folder.chmod(before)


@pytest.fixture
async def service(world: World, tmp_path: Path) -> AsyncIterator[Service]:
    found = SOCKET.search(world.dsn)
    assert found is not None
    (tmp_path / "system").mkdir()
    with ExitStack() as stack:
        folder = stack.enter_context(entered(Path(found[1])))
        try:
            system = stack.enter_context(booted(tmp_path / "system", postgres=folder))
        except OSError as error:
            pytest.skip(f"systemd does not come up here as process 1 of namespaces: {error}")
        installed = Service(system, world.dsn)
        installed.configure()
        installed.install("--egress")
        yield installed


async def is_delivered(world: World) -> None:
    await world.receiver.wait_for_event(await world.application.insert())


async def test_it_becomes_ready_and_delivers_and_can_do_nothing_else(world: World, service: Service) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await service.control("start")
    assert service.state["SubState"] == "running"
    await is_delivered(world)

    pid = service.state["MainPID"]
    status = dict(line.split(":", 1) for line in service.do("cat", f"/proc/{pid}/status").splitlines())
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert {status[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert "0" not in status["Uid"].split()
    assert re.search(r"Max core file size +0 +0 ", service.do("cat", f"/proc/{pid}/limits"))
    inside = ("nsenter", f"--target={pid}", "--mount", "--")
    for place in ("/etc", "/usr", "/opt/relay"):
        tried = service.system.run(*inside, "touch", f"{place}/written")
        assert "Read-only file system" in tried.stderr
    assert service.system.run(*inside, "ls", "/root", "/home").stdout.split() in ([], ["/home:", "/root:"])


async def has_reloaded(service: Service) -> bool:
    return "config.reloaded" in [line.get("event") for line in service.log_lines()]


async def test_a_reload_a_kill_a_hang_and_a_stop_are_what_the_unit_says(
    world: World, service: Service
) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await service.control("start")
    await is_delivered(world)
    service.configure({"log": {"sample_success": 0.0}})
    await service.control("reload")
    await eventually(functools.partial(has_reloaded, service), "the reload")

    killed = service.state["MainPID"]
    service.do("kill", "-KILL", killed)
    await service.wait_for(
        lambda state: state["SubState"] == "running" and state["MainPID"] != killed, "a start after the kill"
    )
    await is_delivered(world)

    hung = service.state["MainPID"]
    service.do("kill", "-STOP", hung)
    await service.wait_for(
        lambda state: state["SubState"] == "running" and state["MainPID"] != hung, "a start after the hang"
    )
    await is_delivered(world)
    assert service.state["NRestarts"] == "2"

    world.receiver.hold()
    event_id = await world.application.insert()
    await world.receiver.wait_for_event(event_id)
    stopping = asyncio.create_task(service.control("stop"))
    await service.wait_for(lambda state: state["ActiveState"] == "deactivating", "the drain")
    world.receiver.release()
    await stopping
    assert service.state["Result"] == "success"
    assert await world.application.wait_for_end(event_id) == "delivered"


async def test_a_wrong_configuration_is_not_tried_again(service: Service) -> None:
    service.configure({"delivery": {"no_such_key": 1}})

    await asyncio.to_thread(service.system.run, "systemctl", "start", "relay")

    state = service.state
    assert (state["ActiveState"], state["ExecMainStatus"], state["NRestarts"]) == ("failed", "78", "0")


@pytest.mark.parametrize(("options", "codes"), [(["--egress"], {"timeout", "connect"}), ([], {"reset"})])
async def test_a_closed_unit_lets_no_packet_go_where_the_guard_would_let_it(
    world: World, service: Service, options: list[str], codes: set[str]
) -> None:
    """An address of this host's own, which is opened for the guard alone; there a server hangs up."""
    address = next(
        (own for own in OwnAddresses().current() if "." in own and not own.startswith("127.")), None
    )
    if address is None:
        pytest.skip("this host has no address but its loopback's; ip address add 10.9.9.9/32 dev lo")
    service.install(*options)
    service.configure({
        "security": {"allow_cidrs": ["127.0.0.0/8", f"{address}/32"]},
        "delivery": {"connect_timeout": "1s"},
    })  # fmt: skip
    server = await asyncio.start_server(lambda _, writer: writer.close(), address, 0)
    with closing(server):
        url = f"http://{address}:{server.sockets[0].getsockname()[1]}/"
        await world.application.add_endpoint(url, event_types=["far"])
        await world.application.add_endpoint(world.receiver.url(), event_types=["near"])
        await service.control("start")
        await world.receiver.wait_for_event(await world.application.insert(event_type="near"))
        event_id = await world.application.insert(event_type="far")
        await world.application.wait_until(
            "select count(*) > 0 from relay.delivery_log where event_id = $1", event_id
        )
        (tried, *_) = await world.application.log_of(event_id)

    assert tried["error_code"] in codes
